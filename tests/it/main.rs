//! The integration tests: one binary, whose folders mirror `src/`.

mod directory; // who is behind an id: the same suite over four real databases
mod support; // the neighbours: servers that a test starts and that end with it
