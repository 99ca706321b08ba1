//! The verbs that write an entry. The table in the module's documentation says what each does in each tier.

use std::sync::Arc;

use super::{Cause, Tiers, event};
use crate::model::{AvatarEvent, AvatarId, Content, Entry, Generation, Timestamp};
use crate::store::{Held, Validity};

impl Tiers {
    /// Writes the entry that was made from `old`, and emits what has changed between the two. Returns `None` where the
    /// avatar was purged meanwhile, or, for a row change, where a refresh has written since.
    pub(in crate::avatar) async fn commit(
        &self,
        id: &AvatarId,
        old: Option<&Arc<Held>>,
        entry: Entry,
        row_read_at: Timestamp,
        cause: Cause,
    ) -> Option<Arc<Held>> {
        let events = self.events(id, old.map(|old| &old.entry), &entry);
        let new = Arc::new(Held::new(id.clone(), entry, row_read_at));
        if let Some(old) = old {
            new.view(old.viewed_at());
        }
        let is_written = match (cause, old) {
            (Cause::RowChange, Some(old)) => self.parts.memory.replace(old, &new),
            (Cause::RowChange | Cause::Refresh, _) => {
                let is_accepted = self.accepts(&new);
                if is_accepted {
                    self.parts.memory.put(new.clone());
                }
                is_accepted
            }
        };
        if !is_written {
            return None;
        }
        self.parts.disk.put_with_events(new.clone(), events).await;
        Some(new)
    }

    /// Takes an entry that another instance brought. That instance emits what has changed, and so does this one if it
    /// holds the entry before: either may be the only one that lives on.
    pub(super) fn adopt(&self, id: &AvatarId, held: Option<Arc<Held>>, entry: Entry) -> Arc<Held> {
        // A refresh must bring an entry newer than the soft purge, even one that Redis has forgotten.
        self.parts.purge_log.catch_up(entry.generation.max(entry.soft_purged_at));
        let events = held.as_ref().map(|held| self.events(id, Some(&held.entry), &entry)).unwrap_or_default();
        let new = Arc::new(match held {
            Some(held) => held.with(entry),
            None => Held::new(id.clone(), entry, Timestamp::EPOCH),
        });
        self.parts.memory.put(new.clone());
        if !matches!(new.entry.content, Content::Nothing) || !events.is_empty() {
            // A view must not wait for a disk whose queue is full.
            let (disk, new) = (self.parts.disk.clone(), new.clone());
            self.parts.background.spawn(async move { disk.put_with_events(new, events).await });
        }
        new
    }

    /// Takes what the disk holds into memory.
    pub(super) async fn promote(&self, id: &AvatarId, now: Timestamp) -> Option<Arc<Held>> {
        let held = self.read_disk(id, now).await?;
        self.parts.memory.put(held.clone());
        Some(held)
    }

    /// Puts an entry into Redis that holds nothing of the avatar: Redis was emptied, or is new.
    pub(super) fn backfill(&self, held: Arc<Held>) {
        let Ok(permit) = self.backfills.clone().try_acquire_owned() else { return };
        let redis = self.parts.redis.clone();
        self.parts.background.spawn(async move {
            let _permit = permit;
            let _ = redis.put(&held, &mut redis.unhurried()).await;
        });
    }

    /// Puts another entry in the place of the one in memory; reads of the row and views count on.
    pub(super) fn replace(&self, held: &Held, entry: Entry) -> Arc<Held> {
        let new = Arc::new(held.with(entry));
        // Memory refuses an entry that was verified earlier than the one it holds.
        self.parts.memory.remove(&held.id);
        self.parts.memory.put(new.clone());
        new
    }

    /// Makes an avatar stale in memory and on disk: the next view refreshes it, and is shown it meanwhile.
    pub(in crate::avatar) async fn invalidate(&self, id: &AvatarId, purge: Generation, now: Timestamp) {
        let entry = match self.in_memory(id, now) {
            Some(held) => Some(held.entry.clone()),
            None => self.parts.disk.get(id, now).await.map(|entry| self.corrected(entry, now).0),
        };
        if let Some(entry) = entry.filter(|entry| entry.generation.max(entry.soft_purged_at) < purge) {
            let entry = self.invalidated(id, &entry, purge, now);
            let stale = Arc::new(Held::new(id.clone(), entry, Timestamp::EPOCH));
            self.parts.memory.put(stale.clone());
            self.parts.disk.put(stale).await;
        }
    }

    /// Removes avatars from memory and disk, after the caller has noted their purge. Returns whether no byte is left on
    /// disk.
    pub(in crate::avatar) async fn remove(&self, ids: &[AvatarId]) -> bool {
        ids.iter().for_each(|id| self.parts.memory.remove(id));
        let is_removed = self.parts.disk.remove(ids.to_vec()).await;
        // A lookup may have promoted what the disk still held.
        ids.iter().for_each(|id| self.parts.memory.remove(id));
        is_removed
    }

    /// Records events that are no change of an entry.
    pub(in crate::avatar) async fn emit(&self, events: Vec<AvatarEvent>) {
        if self.emits_events() && !events.is_empty() {
            self.parts.disk.put_events(events).await;
        }
    }

    /// Whether the dashboard receives events.
    pub(in crate::avatar) fn emits_events(&self) -> bool {
        self.parts.events.is_on()
    }

    /// What has changed between two entries, where the dashboard receives events.
    fn events(&self, id: &AvatarId, old: Option<&Entry>, new: &Entry) -> Vec<AvatarEvent> {
        if self.emits_events() { event::diff(id, old, new) } else { Vec::new() }
    }

    /// Whether an entry has not been purged since it was begun.
    pub(in crate::avatar) fn accepts(&self, held: &Held) -> bool {
        self.judge(&held.id, &held.entry) == Validity::Current
    }
}
