//! [`Memory`]: the entries in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;

use super::Generations;
use crate::clock::Clock;
use crate::model::{AvatarId, Entry, Invalid, Tags, Timestamp, units};

/// Section `[memory]`.
#[derive(Debug, Clone, Copy)]
pub struct MemoryConfig {
    /// What pictures and links may weigh together, in bytes.
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

/// An entry with what every hit needs at hand.
#[derive(Debug)]
pub struct Held {
    /// Whose it is.
    pub id: AvatarId,
    /// What is held.
    pub entry: Entry,
    /// Names for CDNs, written once.
    pub tags: Tags,
    viewed_at: AtomicI64,
    row_read_at: AtomicI64,
    /// In which of the shared tier's epochs it was last held against it; 0 = never, and right without such a tier.
    epoch: AtomicU64,
}

impl Held {
    /// Takes an entry over. `row_read_at` is when its row was last read; [`Timestamp::EPOCH`] = not by this process.
    pub fn new(id: AvatarId, entry: Entry, row_read_at: Timestamp) -> Self {
        Self {
            tags: Tags::new(&id, entry.provider),
            id,
            entry,
            viewed_at: AtomicI64::new(0),
            row_read_at: AtomicI64::new(row_read_at.as_millis()),
            epoch: AtomicU64::new(0),
        }
    }

    /// Another entry of the same avatar, whose row was read and which was viewed as before.
    pub fn with(&self, entry: Entry) -> Self {
        let new = Self::new(self.id.clone(), entry, self.row_read_at());
        new.view(self.viewed_at());
        new
    }

    /// Notes a view and tells when the one before was.
    pub fn view(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_millis(self.viewed_at.swap(now.as_millis(), Ordering::Relaxed))
    }

    /// When it was last viewed.
    pub fn viewed_at(&self) -> Timestamp {
        Timestamp::from_millis(self.viewed_at.load(Ordering::Relaxed))
    }

    /// When its row was last read.
    pub fn row_read_at(&self) -> Timestamp {
        Timestamp::from_millis(self.row_read_at.load(Ordering::Relaxed))
    }

    /// In which epoch of the shared tier it may be served without a look there.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Trusts it in that epoch; 0 = never.
    pub fn trust(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    /// Claims the next look at the row: true for exactly one of those who saw it read at `seen`.
    pub fn claim_row_look(&self, seen: Timestamp, now: Timestamp) -> bool {
        let (seen, now) = (seen.as_millis(), now.as_millis());
        self.row_read_at.compare_exchange(seen, now, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// Entries weighed in bytes.
///
/// It bounds memory and nothing else: every rule about time is in the entry, and nobody relies on an insert being
/// readable afterwards, since moka's admission may refuse it.
#[derive(Debug)]
pub struct Memory {
    entries: Cache<AvatarId, Arc<Held>>,
    generations: Arc<Generations>,
    clock: Clock,
}

/// What an entry weighs beside its picture: the structs, the link and moka's own book-keeping.
const OVERHEAD: usize = 1024;

impl Memory {
    /// An empty store.
    pub fn new(config: MemoryConfig, generations: Arc<Generations>, clock: Clock) -> Self {
        let entries = Cache::builder()
            .max_capacity(config.max_bytes)
            .weigher(|_: &AvatarId, held: &Arc<Held>| {
                let picture = held.entry.picture().map_or(0, |picture| picture.bytes.len());
                u32::try_from(picture + OVERHEAD).unwrap_or(u32::MAX)
            })
            .build();
        Self { entries, generations, clock }
    }

    /// What is held of an avatar.
    pub fn get(&self, id: &str) -> Option<Arc<Held>> {
        self.entries.get(id)
    }

    /// Puts an entry in, unless its generation is over or what is held was verified later. An entry that was verified in
    /// the future is not later: a wrong clock wrote it. Returns what holds now: what was put, what was there, or `None`
    /// where the avatar was purged meanwhile and nothing is held.
    pub fn put(&self, held: Arc<Held>) -> Option<Arc<Held>> {
        let last = |entry: &Entry| entry.generation.max(entry.soft_purged_at);
        let now = self.clock.now();
        let entry = self.entries.entry_by_ref(&held.id).and_compute_with(|present| {
            let newer = present.is_some_and(|present| {
                let verified_at = present.value().entry.verified_at;
                (verified_at > held.entry.verified_at && verified_at <= now)
                    && last(&present.value().entry) >= last(&held.entry)
            });
            if newer || !self.generations.admits(&held.id, &held.entry) {
                return Op::Nop;
            }
            Op::Put(held.clone())
        });
        // Left to itself moka would evict some views later, and hold more than `memory.max_bytes` until then.
        self.entries.run_pending_tasks();
        match entry {
            CompResult::StillNone(_) | CompResult::Removed(_) => None,
            CompResult::Inserted(entry) | CompResult::ReplacedWith(entry) | CompResult::Unchanged(entry) => {
                Some(entry.into_value())
            }
        }
    }

    /// Puts an entry in the place of the one that it was made from, and tells whether it did: not where another is held
    /// meanwhile, which knows more, and not where the avatar was purged.
    pub fn replace(&self, seen: &Arc<Held>, new: &Arc<Held>) -> bool {
        let result = self.entries.entry_by_ref(&new.id).and_compute_with(|present| {
            let is_seen = present.is_none_or(|present| Arc::ptr_eq(present.value(), seen));
            match is_seen && self.generations.admits(&new.id, &new.entry) {
                true => Op::Put(new.clone()),
                false => Op::Nop,
            }
        });
        self.entries.run_pending_tasks();
        matches!(result, CompResult::Inserted(_) | CompResult::ReplacedWith(_))
    }

    /// Drops what is held. The caller has raised the generation before.
    pub fn remove(&self, id: &AvatarId) {
        self.entries.invalidate(id);
    }

    /// All that is held.
    pub fn all(&self) -> impl Iterator<Item = Arc<Held>> {
        self.entries.iter().map(|(_, held)| held)
    }

    /// Number of entries and their weight in bytes, after pending book-keeping.
    pub fn weight(&self) -> (u64, u64) {
        self.entries.run_pending_tasks();
        (self.entries.entry_count(), self.entries.weighted_size())
    }
}
