//! WORKS: the stores of entries. Each has the same verbs (`get`, `put`, `remove`) and refuses an entry that is older than its
//! own or that a purge has reached; `contract_tests` run one suite over all three.
//!
//! Reading order: [`Held`] (an entry in memory) and [`Memory`]; [`PurgeLog`] with [`LastPurges`] and [`Validity`], which every
//! store asks before it takes an entry; [`Disk`] (one SQLite file, and the outbox of events in it); [`Redis`] (what all
//! instances share). `disk` and `redis` do not see each other. Beside them stand [`EntryMeta`] (an entry without its bytes),
//! [`Health`], and what both stored forms share: `stored_trouble` and `event_retention`.
//! A purge that other instances have not heard of yet is remembered by `redis/purge/tombstone`, and over an outage of Redis by
//! `disk/purges`; [`PurgeLog`] guards this process alone.

#[cfg(test)]
mod contract_tests;
mod disk;
mod entry_meta;
mod event_retention;
mod health;
mod held;
mod last_purges;
mod memory;
mod purge_log;
mod redis;
mod stored_trouble;

pub use self::redis::{
    Acks, Budget, Lease, LeaseOutcome, Message, Position, PurgeCommand, Put, Redis, RedisCheck, RedisConfig,
    RedisEvent, RedisWritten, Shared, Status, Unavailable, Watch,
};
pub use disk::{Destination, Disk, DiskConfig, DiskError, DiskWritten, LastSequence, Outbox, Waiting};
pub use entry_meta::EntryMeta;
pub use health::Health;
pub use held::Held;
pub use last_purges::{LastPurges, Validity};
pub use memory::{Memory, MemoryConfig, MemoryWritten};
pub use purge_log::{PurgeLog, StoredPurge};
