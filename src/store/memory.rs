//! [`Memory`]: the entries in this process.

use std::sync::Arc;

use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;

use super::{Held, PurgeLog};
use crate::clock::Clock;
use crate::model::{AvatarId, Entry, Invalid, units};

/// Section `[memory]`.
#[derive(Debug, Clone, Copy)]
pub struct MemoryConfig {
    /// The bound on pictures and links together, in bytes.
    pub max_bytes: u64,
}

/// Section `[memory]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryWritten {
    max_bytes: units::Size,
}

impl TryFrom<MemoryWritten> for MemoryConfig {
    type Error = Invalid;

    fn try_from(written: MemoryWritten) -> Result<Self, Invalid> {
        Ok(Self { max_bytes: written.max_bytes.at_least("max_bytes", 1 << 20)? })
    }
}

/// Entries weighed in bytes.
///
/// It bounds memory and nothing else: every rule about time is in the entry. No caller relies on an insert being readable
/// afterwards, since moka's admission may refuse it.
#[derive(Debug)]
pub struct Memory {
    entries: Cache<AvatarId, Arc<Held>>,
    purge_log: Arc<PurgeLog>,
    clock: Clock,
}

/// What an entry weighs beside its picture, in bytes: the structs, the link and moka's own book-keeping.
const OVERHEAD: usize = 1024;

impl Memory {
    /// An empty store.
    pub fn new(config: MemoryConfig, purge_log: Arc<PurgeLog>, clock: Clock) -> Self {
        let entries = Cache::builder()
            .max_capacity(config.max_bytes)
            .weigher(|_: &AvatarId, held: &Arc<Held>| {
                let picture = held.entry.picture().map_or(0, |picture| picture.bytes.len());
                u32::try_from(picture + OVERHEAD).unwrap_or(u32::MAX)
            })
            .build();
        Self { entries, purge_log, clock }
    }

    /// The entry of an avatar.
    pub fn get(&self, id: &str) -> Option<Arc<Held>> {
        self.entries.get(id)
    }

    /// Puts an entry in, unless a purge has reached it or the present one was verified later. A present entry that was
    /// verified in the future is not later: a wrong clock wrote it. Returns the entry that is there now: the new one, the
    /// present one, or `None` where the avatar was purged and nothing is there.
    pub fn put(&self, held: Arc<Held>) -> Option<Arc<Held>> {
        let last = |entry: &Entry| entry.generation.max(entry.soft_purged_at);
        let now = self.clock.now();
        let entry = self.entries.entry_by_ref(&held.id).and_compute_with(|present| {
            let newer = present.is_some_and(|present| {
                let verified_at = present.value().entry.verified_at;
                (verified_at > held.entry.verified_at && verified_at <= now)
                    && last(&present.value().entry) >= last(&held.entry)
            });
            if newer || !self.purge_log.accepts(&held.id, &held.entry) {
                return Op::Nop;
            }
            Op::Put(held.clone())
        });
        // Left to itself moka would evict some views later, and exceed `memory.max_bytes` until then.
        self.entries.run_pending_tasks();
        match entry {
            CompResult::StillNone(_) | CompResult::Removed(_) => None,
            CompResult::Inserted(entry) | CompResult::ReplacedWith(entry) | CompResult::Unchanged(entry) => {
                Some(entry.into_value())
            }
        }
    }

    /// Puts an entry in the place of the one that it was made from. Returns whether it did: not where another entry has
    /// come meanwhile, which knows more, and not where the avatar was purged.
    pub fn replace(&self, seen: &Arc<Held>, new: &Arc<Held>) -> bool {
        let result = self.entries.entry_by_ref(&new.id).and_compute_with(|present| {
            let is_seen = present.is_none_or(|present| Arc::ptr_eq(present.value(), seen));
            match is_seen && self.purge_log.accepts(&new.id, &new.entry) {
                true => Op::Put(new.clone()),
                false => Op::Nop,
            }
        });
        self.entries.run_pending_tasks();
        matches!(result, CompResult::Inserted(_) | CompResult::ReplacedWith(_))
    }

    /// Drops the entry. The caller has recorded the purge before.
    pub fn remove(&self, id: &AvatarId) {
        self.entries.invalidate(id);
    }

    /// All entries.
    pub fn all(&self) -> impl Iterator<Item = Arc<Held>> {
        self.entries.iter().map(|(_, held)| held)
    }

    /// Number of entries and their weight in bytes, after pending book-keeping.
    pub fn weight(&self) -> (u64, u64) {
        self.entries.run_pending_tasks();
        (self.entries.entry_count(), self.entries.weighted_size())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Content, Fingerprint, Generation, Provider, PurgeKind, PurgeScope, Timestamp};
    use crate::store::LastPurges;

    fn held() -> Arc<Held> {
        let entry = Entry {
            content: Content::NoPicture,
            verified_at: Timestamp::from_secs(10),
            link: None,
            trouble: None,
            field_missing: None,
            rest_until: None,
            token_end: None,
            provider: Provider::Facebook,
            name: None,
            fingerprint: Fingerprint([7; 32]),
            generation: Generation::default(),
            soft_purged_at: Generation::default(),
        };
        Arc::new(Held::new(AvatarId::parse("a").unwrap(), entry, Timestamp::EPOCH))
    }

    #[test]
    fn memory_replaces_the_entry_that_the_caller_saw_and_none_that_came_meanwhile() {
        let purge_log = Arc::new(PurgeLog::default());
        let clock = Clock::manual(Timestamp::from_secs(1000));
        let memory = Memory::new(MemoryConfig { max_bytes: 1 << 20 }, purge_log.clone(), clock);
        let [seen, new, later] = [(); 3].map(|()| held());
        assert!(memory.replace(&seen, &new), "nothing is there: it was evicted");
        assert!(!memory.replace(&seen, &later), "another entry is there");
        assert!(memory.replace(&new, &later));
        assert!(memory.get("a").is_some_and(|held| Arc::ptr_eq(&held, &later)));
        let purge = LastPurges::new(PurgeKind::Hard, purge_log.next());
        purge_log.record(&PurgeScope::one(&later.id), purge);
        assert!(!memory.replace(&later, &new), "it was purged");
    }
}
