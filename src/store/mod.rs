//! WORKS: where entries are kept. Each store has the same verbs (`get`, `put`, `remove`) and refuses what is older than
//! what it holds.

mod disk;
mod health;
mod held;
mod last_purges;
mod memory;
mod purge_log;
mod redis;
mod retention;
mod stored_trouble;
mod summary;

pub use self::redis::{
    Acks, Budget, Lease, LeaseOutcome, Message, PurgeCommand, Put, Redis, RedisConfig, RedisEvent,
    RedisSurvey, RedisWritten, Shared, Snapshot, Status, Unavailable, Watch,
};
pub use disk::{Disk, DiskConfig, DiskError, DiskWritten, LastSequence, Outbox, Waiting};
pub use health::Health;
pub use held::Held;
pub use last_purges::{LastPurges, Validity};
pub use memory::{Memory, MemoryConfig, MemoryWritten};
pub use purge_log::{PurgeLog, StoredPurge};
pub use summary::EntryMeta;
