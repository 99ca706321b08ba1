//! Purges: soft (stale now, still shown) and hard (no byte is left), of some avatars, a provider or all, here and in every
//! other instance.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::service::Service;
use crate::model::{AvatarId, Entry, Generation, Provider, Timestamp};
use crate::store::{Acknowledged, Away, Held, Order, Reach};

/// Avatars that are removed together.
const BATCH: usize = 200;

/// How a purge went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purged {
    /// Avatars of which this instance or Redis held something.
    pub avatars: usize,
    /// False: the disk store failed; memory is clean.
    pub disk: bool,
    /// Who else has done it.
    pub acknowledged: Acknowledged,
}

impl Service {
    /// Purges, and answers when every instance that can be reached has.
    pub async fn purge(self: &Arc<Self>, reach: Reach, hard: bool) -> Purged {
        let order = self.parts.redis.order(reach, hard, self.parts.generations.next()).await;
        let mut found = BTreeSet::new();
        // Of a whole provider the others must refuse what is under way before Redis is walked over, or it would be kept
        // behind the walk.
        let walks = !order.reach.providers().is_empty();
        let early = if walks { Ok(()) } else { self.purge_redis(&order, &mut found).await };
        let disk = self.carry_out(&order, &mut found).await;
        let acknowledged = self.parts.redis.announce(&order).await;
        let late = if walks { self.purge_redis(&order, &mut found).await } else { Ok(()) };
        let acknowledged = match (acknowledged, early.and(late)) {
            (Acknowledged::By { .. }, Err(Away)) => {
                self.parts.redis.repeat(&order);
                Acknowledged::Away
            }
            (acknowledged, _) => acknowledged,
        };
        Purged { avatars: found.len(), disk, acknowledged }
    }

    /// Removes an avatar from every store of this instance now; the other instances hear of it in the background.
    pub(super) async fn erase(self: &Arc<Self>, id: &AvatarId) {
        let generation = self.parts.generations.next();
        self.erase_here(id, generation).await;
        if self.parts.redis.is_on() {
            let (service, reach) = (self.clone(), Reach::Ids(vec![id.to_string()]));
            self.parts.tracker.spawn(async move { _ = service.purge(reach, true).await });
        }
    }

    /// Removes an avatar from memory and disk; what is under way is refused by its generation.
    pub(super) async fn erase_here(&self, id: &AvatarId, generation: Generation) -> bool {
        self.remove_here(std::slice::from_ref(id), generation).await
    }

    /// Does in this instance what an order says, to all that began before it.
    pub(super) async fn carry_out(&self, order: &Order, found: &mut BTreeSet<AvatarId>) -> bool {
        let generation = order.generation();
        for provider in order.reach.providers() {
            if order.hard {
                self.parts.generations.raise_floor(provider, generation);
            }
        }
        let mut ids = order.reach.ids();
        for provider in order.reach.providers() {
            ids.extend(self.held_before(provider, generation).await);
        }
        let mut disk = true;
        for batch in ids.chunks(BATCH) {
            for id in batch {
                if self.holds(id).await {
                    found.insert(id.clone());
                }
            }
            if order.hard {
                disk &= self.remove_here(batch, generation).await;
            } else {
                for id in batch {
                    self.make_stale(id, generation).await;
                }
            }
        }
        disk
    }

    async fn remove_here(&self, ids: &[AvatarId], generation: Generation) -> bool {
        let now = self.parts.clock.now();
        for id in ids {
            self.parts.generations.raise(id, generation, now);
            self.parts.memory.remove(id);
            self.parts.directory.forget(id);
        }
        // Whatever its generation: a soft purge may have raised the bytes that are to go. What is newer is fetched again.
        let removed = self.parts.disk.remove(ids.to_vec(), Generation::LAST).await;
        ids.iter().for_each(|id| self.parts.memory.remove(id));
        removed
    }

    /// Makes what this instance holds of an avatar stale: the next view refreshes it, and is shown it meanwhile.
    async fn make_stale(&self, id: &AvatarId, generation: Generation) {
        let now = self.parts.clock.now();
        let entry = match self.parts.memory.get(id.as_str()) {
            Some(held) => Some(held.entry.clone()),
            None => self.parts.disk.get(id, now).await,
        };
        self.parts.directory.forget(id);
        self.parts.generations.raise(id, generation, now);
        if let Some(entry) = entry.filter(|entry| entry.generation < generation) {
            let stale = self.stale(id, &entry, generation, now);
            self.parts.memory.put(stale.clone());
            self.parts.disk.put(stale).await;
        }
    }

    /// What is put back by a soft purge: stale now, and without a link, so that the provider is asked.
    fn stale(&self, id: &AvatarId, entry: &Entry, generation: Generation, now: Timestamp) -> Arc<Held> {
        let entry = Entry {
            verified_at: entry.verified_at.min(now - self.parts.config.windows.s1),
            link: None,
            trouble: None,
            generation,
            ..entry.clone()
        };
        Arc::new(Held::new(id.clone(), entry, Timestamp::EPOCH))
    }

    async fn holds(&self, id: &AvatarId) -> bool {
        self.parts.memory.get(id.as_str()).is_some()
            || self.parts.disk.get(id, self.parts.clock.now()).await.is_some()
    }

    /// The avatars of a provider, in memory and on disk, of an earlier generation.
    async fn held_before(&self, provider: Provider, generation: Generation) -> BTreeSet<AvatarId> {
        let mut ids: BTreeSet<AvatarId> = (self.parts.memory.all())
            .filter(|held| held.entry.provider == provider && held.entry.generation < generation)
            .map(|held| held.id.clone())
            .collect();
        let mut after = String::new();
        loop {
            let page = self.parts.disk.page(&after, BATCH as u32).await;
            let Some(last) = page.last() else { return ids };
            after = last.id.as_str().to_owned();
            let reached =
                page.into_iter().filter(|kept| kept.provider == provider && kept.generation < generation);
            ids.extend(reached.map(|kept| kept.id));
        }
    }

    /// Does in Redis what an order says.
    async fn purge_redis(&self, order: &Order, found: &mut BTreeSet<AvatarId>) -> Result<(), Away> {
        if !self.parts.redis.is_on() {
            return Ok(());
        }
        for id in order.reach.ids() {
            self.purge_one_in_redis(&id, order, found).await?;
        }
        let providers = order.reach.providers();
        if providers.is_empty() {
            return Ok(());
        }
        let mut walk = self.parts.redis.walk();
        while let Some(page) = walk.page().await? {
            for id in page {
                let provider = self.parts.redis.provider(&id, &mut self.parts.redis.unhurried()).await?;
                // What does not open belongs to nobody any more.
                if provider.is_none_or(|provider| providers.contains(&provider)) {
                    self.purge_one_in_redis(&id, order, found).await?;
                }
            }
        }
        Ok(())
    }

    async fn purge_one_in_redis(
        &self,
        id: &AvatarId,
        order: &Order,
        found: &mut BTreeSet<AvatarId>,
    ) -> Result<(), Away> {
        let (redis, generation, now) = (&self.parts.redis, order.generation(), self.parts.clock.now());
        let mut stale = None;
        if !order.hard {
            let entry = redis.get(id, None, &mut redis.unhurried()).await?.entry;
            stale = entry
                .filter(|entry| entry.picture().is_some())
                .map(|entry| self.stale(id, &entry, generation, now));
        }
        if redis.remove(id, generation, &mut redis.unhurried()).await? {
            found.insert(id.clone());
        }
        match stale {
            Some(stale) => redis.put(&stale, &mut redis.unhurried()).await,
            None => Ok(()),
        }
    }
}
