# Two stages: the first builds, the second holds nothing but the binary, the C runtime, CA roots and a user.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin avatar-proxy \
 && install -d -o 65532 -g 65532 /data

# glibc, libgcc and CA roots; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/avatar-proxy /usr/local/bin/avatar-proxy
# A new volume takes over the owner of the folder it is mounted on.
COPY --from=build --chown=65532:65532 /data /data

# Every option is described in config.toml; each can be set as AVATAR_PROXY__SECTION__KEY, or read from a file that
# AVATAR_PROXY__SECTION__KEY_FILE names.
ENV AVATAR_PROXY__SERVER__LISTEN=0.0.0.0:8080 \
    AVATAR_PROXY__DISK__PATH=/data/avatar-proxy.db

# The last good pictures: the only place that is written to, so the rest may be read-only (`docker run --read-only`).
VOLUME /data
EXPOSE 8080
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["/usr/local/bin/avatar-proxy", "health"]
ENTRYPOINT ["/usr/local/bin/avatar-proxy"]
