# Two stages: the first builds; the second contains only the binary, the C runtime, root certificates and a user.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin avatar-proxy \
 && install -d -o 65532 -g 65532 /data

# glibc, libgcc and root certificates; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/avatar-proxy /usr/local/bin/avatar-proxy
# A new volume gets the owner of the folder that it is mounted on.
COPY --from=build --chown=65532:65532 /data /data

# config.toml describes every option. Set one as AVATAR_PROXY__SECTION__KEY, or name a file that holds its value as
# AVATAR_PROXY__SECTION__KEY_FILE.
ENV AVATAR_PROXY__SERVER__LISTEN=0.0.0.0:8080 \
    AVATAR_PROXY__DISK__PATH=/data/avatar-proxy.db

# The last good pictures. The server writes nowhere else, so the rest may be read-only (`docker run --read-only`).
VOLUME /data
EXPOSE 8080
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["/usr/local/bin/avatar-proxy", "health"]
ENTRYPOINT ["/usr/local/bin/avatar-proxy"]
