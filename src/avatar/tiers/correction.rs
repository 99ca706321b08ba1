//! Entries that a wrong clock wrote: their times are corrected when they come out of a store.

use std::sync::Arc;

use super::Tiers;
use crate::model::{AvatarId, Entry, Timestamp};
use crate::store::Held;

impl Tiers {
    /// The entry in memory, whether or not Redis may know better. Corrected there, too.
    pub(in crate::avatar) fn in_memory(&self, id: &AvatarId, now: Timestamp) -> Option<Arc<Held>> {
        let held = self.parts.memory.get(id.as_str())?;
        let Some(entry) = held.entry.corrected(now, &self.parts.windows) else { return Some(held) };
        let new = replacement(&held, entry, now);
        match self.parts.memory.replace(&held, &new) {
            true => Some(new),
            // A refresh has ended meanwhile: its entry is newer.
            false => self.parts.memory.get(id.as_str()),
        }
    }

    /// An entry that was read from the disk or from Redis, and whether it had to be corrected.
    pub(super) fn corrected(&self, entry: Entry, now: Timestamp) -> (Entry, bool) {
        match entry.corrected(now, &self.parts.windows) {
            Some(corrected) => (corrected, true),
            None => (entry, false),
        }
    }

    /// Corrects what memory and disk hold of an avatar that may have no views, so that it expires in time.
    pub(in crate::avatar) async fn correct(&self, id: &AvatarId, now: Timestamp) {
        let held = match self.in_memory(id, now) {
            Some(held) => held,
            None => {
                let Some(entry) = self.parts.disk.get(id, now).await else { return };
                Arc::new(Held::new(id.clone(), self.corrected(entry, now).0, Timestamp::EPOCH))
            }
        };
        self.parts.disk.put(held).await;
    }
}

/// The corrected entry in the place of the one in memory: trusted as far, viewed and its row read no later than now.
fn replacement(held: &Held, entry: Entry, now: Timestamp) -> Arc<Held> {
    let new = Held::new(held.id.clone(), entry, held.row_read_at().min(now));
    new.view(held.viewed_at().min(now));
    new.trust(held.epoch());
    Arc::new(new)
}
