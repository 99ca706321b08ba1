//! [`Held`]: an entry in the memory of this process.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::model::{AvatarId, Entry, Tags, Timestamp};

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
