//! The integration tests, one binary. A folder here is called like the folder in `src/` that it is about.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

/// The shape of the source itself: who may import whom, and who may use what.
mod floors;
