//! Looking without touching: what a view would be answered from, for operators who ask "why do I see this?".

use std::sync::Arc;

use super::choice::Choice;
use super::{Peek, Tiers};
use crate::model::{AvatarId, Timestamp};
use crate::store::{Held, Validity};

impl Tiers {
    /// What a view would find now. Reads as a view does, purges included, and changes no tier.
    pub(in crate::avatar) async fn peek(&self, id: &AvatarId, now: Timestamp) -> Option<Peek> {
        let memory = self.parts.memory.get(id.as_str());
        let disk = self.read_disk(id, now).await;
        let remote =
            self.ask_redis(id, memory.as_deref(), now, &mut self.unhurried()).await.unwrap_or_default();
        let mut held_in = Vec::new();
        held_in.extend(memory.is_some().then_some("memory"));
        held_in.extend(remote.entry.is_some().then_some("redis"));
        held_in.extend(disk.is_some().then_some("disk"));
        if let Some(held) = self.trusted(id.as_str()) {
            return Some(Peek { held, held_in });
        }
        let local = memory.or(disk).and_then(|held| self.judged(held, now));
        let held = match (remote.choose(local.as_deref().map(|held| &held.entry))?, local, remote.entry) {
            (Choice::Remote, _, Some(entry)) => Arc::new(Held::new(id.clone(), entry, Timestamp::EPOCH)),
            (Choice::LocalOutdated, Some(held), Some(entry)) => {
                match self.outdated(&held.entry, entry, now) {
                    Some(entry) => Arc::new(held.with(entry)),
                    None => held,
                }
            }
            (_, held, _) => held?,
        };
        Some(Peek { held, held_in })
    }

    /// A local copy as the purges leave it.
    fn judged(&self, held: Arc<Held>, now: Timestamp) -> Option<Arc<Held>> {
        match self.judge(&held.id, &held.entry) {
            Validity::Current => Some(held),
            Validity::Stale(purge) => {
                let entry = self.invalidated(&held.id, &held.entry, purge, now);
                Some(Arc::new(held.with(entry)))
            }
            Validity::Deleted => None,
        }
    }
}
