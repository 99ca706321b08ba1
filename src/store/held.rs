//! [`Held`]: an entry in the memory of this process.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::model::{AvatarId, Entry, Tags, Timestamp};

/// An entry with what every hit needs at hand.
#[derive(Debug)]
pub struct Held {
    /// The avatar.
    pub id: AvatarId,
    /// Its entry.
    pub entry: Entry,
    /// Its surrogate keys for CDNs, written once.
    pub tags: Tags,
    viewed_at: AtomicI64,
    row_read_at: AtomicI64,
    /// The epoch of the subscription in which it was last compared with Redis; 0 = never, which is right without Redis.
    epoch: AtomicU64,
}

impl Held {
    /// `row_read_at` is when the row was last read; [`Timestamp::EPOCH`] = not by this process.
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

    /// Another entry of the same avatar, with the same times of the last view and of the last read of the row.
    pub fn with(&self, entry: Entry) -> Self {
        let new = Self::new(self.id.clone(), entry, self.row_read_at());
        new.view(self.viewed_at());
        new
    }

    /// Notes a view and returns the time of the one before.
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

    /// The epoch of the subscription in which it may be served without asking Redis.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Lets it be served without asking Redis in that epoch; 0 = never.
    pub fn trust(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    /// Claims the next read of the row: true for exactly one of the callers that saw it read at `seen`.
    pub fn claim_row_look(&self, seen: Timestamp, now: Timestamp) -> bool {
        let (seen, now) = (seen.as_millis(), now.as_millis());
        self.row_read_at.compare_exchange(seen, now, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}
