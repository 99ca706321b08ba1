//! WORKS: where entries are kept. Each store has the same verbs (`get`, `put`, `remove`) and refuses what is older than
//! what it holds.

mod disk;
mod health;
mod held;
mod memory;
mod purge_log;
mod redis;
mod retention;
mod stored_trouble;
mod summary;

pub use self::redis::{
    Acknowledged, Away, Budget, Event, Lease, News, Order, Put, Reach, Redis, RedisConfig, RedisSurvey,
    RedisWritten, Shared, Status, Taken, Watch,
};
pub use disk::{Disk, DiskConfig, DiskError, DiskWritten, Outbox, Told, Waiting};
pub use health::Health;
pub use held::Held;
pub use memory::{Memory, MemoryConfig, MemoryWritten};
pub use purge_log::{Generations, KeptPurge, Purged, Subject, Verdict};
pub use summary::Kept;
