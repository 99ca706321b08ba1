//! Integration tests over real sockets and real neighbours; the folders mirror `src/`.

mod http;
