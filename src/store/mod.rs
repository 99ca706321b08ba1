//! WORKS: where entries are kept. Each store has the same verbs (`get`, `put`, `remove`) and refuses what is older than
//! what it holds.

mod disk;
mod disk_batch;
mod disk_config;
mod disk_events;
mod disk_file;
mod disk_kept;
mod disk_outbox;
mod disk_row;
mod disk_unwritten;
mod disk_writer;
mod form;
mod generations;
mod health;
mod memory;
mod redis;

pub use self::redis::{
    Acknowledged, Away, Budget, Event, Lease, Mark, News, Order, Put, Reach, Redis, RedisConfig, RedisSurvey,
    RedisWritten, Shared, Status, Taken, Watch,
};
pub use disk::{Disk, DiskError};
pub use disk_config::{DiskConfig, DiskWritten};
pub use disk_kept::{Kept, KeptPurge};
pub use disk_outbox::{Outbox, Told, Waiting};
pub use generations::{Generations, Purged, Subject, Verdict};
pub use health::Health;
pub use memory::{Held, Memory, MemoryConfig, MemoryWritten};

#[cfg(test)]
mod disk_tests;
