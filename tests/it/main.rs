//! Integration tests over real sockets and real neighbours; the folders mirror `src/`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's helper fails by panicking, too")]

mod http;
