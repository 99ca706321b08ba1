//! The integration tests: one binary, whose folders mirror `src/`.

#![expect(clippy::unwrap_used, reason = "the lint's exemption for tests does not reach their helpers")]

mod directory; // who is behind an id: the same suite over four real databases
mod support; // the neighbours: servers that a test starts and that end with it
