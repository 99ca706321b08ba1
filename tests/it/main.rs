//! The integration tests, one binary: real sockets and real neighbours. A folder here is called like the folder in
//! `src/` that it is about.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on stops here, helpers too")]

/// The shape of the source itself: who may import whom, and who may use what.
mod floors;
/// The listener: timeouts, limits, drain, on both HTTP versions.
mod http;
