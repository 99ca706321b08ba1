//! WORKS: where entries are kept. Each store has the same verbs (`get`, `put`, `remove`) and refuses what is older than
//! what it holds.

mod disk;
mod disk_file;
mod disk_health;
mod disk_row;
mod disk_writer;
mod generations;
mod memory;
#[cfg_attr(not(test), expect(dead_code, reason = "the tier that uses it is not merged yet"))]
mod redis;

pub use disk::{Disk, DiskConfig, DiskError, DiskWritten};
pub use disk_health::Health;
pub use generations::Generations;
pub use memory::{Held, Memory, MemoryConfig, MemoryWritten};

#[cfg(test)]
mod disk_tests;
