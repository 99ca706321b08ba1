//! Purges: soft (stale now, still shown) and hard (no byte is left), of some avatars, a provider or all, here and in every
//! other instance.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::service::Service;
use crate::model::{AvatarId, Entry, Generation, Provider, PurgeKind, PurgeScope, Timestamp, Trouble};
use crate::store::{Acks, EntryMeta, Held, LastPurges, PurgeCommand, StoredPurge, Unavailable, Validity};

/// How a purge went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeReport {
    /// Avatars of which this instance or Redis held something.
    pub avatars: usize,
    /// False: the disk store failed; memory is clean.
    pub disk: bool,
    /// Who else has done it.
    pub acknowledged: Acks,
}

impl Service {
    /// Purges, and answers when every instance that can be reached has.
    pub async fn purge(self: &Arc<Self>, scope: PurgeScope, kind: PurgeKind) -> PurgeReport {
        let service = self.clone();
        self.whoever_waits(async move { service.purge_everywhere(scope, kind).await }).await
    }

    /// A purge in a task of its own: a caller that leaves stops nothing.
    pub(super) async fn whoever_waits<F>(&self, purge: F) -> PurgeReport
    where
        F: Future<Output = PurgeReport> + Send + 'static,
    {
        let failed = || PurgeReport { avatars: 0, disk: false, acknowledged: Acks::Unavailable };
        self.parts.background.spawn(purge).await.unwrap_or_else(|_| failed())
    }

    /// Whether it is a provider's name that means something: one that is configured, or of which this instance or Redis
    /// holds an avatar still.
    pub async fn knows(&self, provider: Provider) -> bool {
        if self.parts.providers.names().contains(&provider) {
            return true;
        }
        let mut pages = self.all_kept();
        while let Some(page) = pages.next().await {
            if page.iter().any(|kept| kept.provider == provider) {
                return true;
            }
        }
        let redis = &self.parts.redis;
        let mut walk = redis.scan();
        while let Ok(Some(page)) = walk.page().await {
            for id in page {
                if redis.provider(&id, &mut redis.unhurried()).await == Ok(Some(provider)) {
                    return true;
                }
            }
        }
        false
    }

    pub(super) async fn purge_everywhere(
        self: &Arc<Self>,
        scope: PurgeScope,
        kind: PurgeKind,
    ) -> PurgeReport {
        let redis = &self.parts.redis;
        let local = self.parts.purge_log.next();
        let numbered = redis.next_generation(local).await;
        let order = redis.command(scope, kind, numbered.unwrap_or(local));
        // Kept as untold first: should this process end in the middle of it, the next one begins again.
        self.keep(&order, false).await;
        let mut found = BTreeSet::new();
        let disk = self.carry_out(&order, &mut found).await;
        let shared = match numbered {
            Ok(_) => self.share(&order, &mut found).await,
            Err(Unavailable) => Err(Unavailable),
        };
        let acknowledged = shared.unwrap_or(Acks::Unavailable);
        if acknowledged == Acks::Unavailable {
            redis.publish_later(order.scope, order.kind);
        } else {
            self.keep(&order, true).await;
        }
        PurgeReport { avatars: found.len(), disk, acknowledged }
    }

    /// Carries an order out in Redis and tells the others.
    async fn share(&self, order: &PurgeCommand, found: &mut BTreeSet<AvatarId>) -> Result<Acks, Unavailable> {
        let redis = &self.parts.redis;
        found.extend(redis.purge(order).await?);
        let acknowledged = redis.broadcast(order).await;
        found.extend(redis.delete_covered(order).await?);
        Ok(acknowledged)
    }

    /// Keeps an order over a restart, for whoever does not know of it yet.
    pub(super) async fn keep(&self, order: &PurgeCommand, published: bool) {
        if self.parts.redis.is_on() {
            let PurgeCommand { scope, kind, generation, .. } = order.clone();
            self.parts.disk.put_purges(vec![StoredPurge { scope, kind, generation, published }]).await;
        }
    }

    /// Removes an avatar from every store of this instance now; the other instances hear of it in the background.
    pub(super) async fn erase(self: &Arc<Self>, id: &AvatarId, kind: PurgeKind) {
        self.erase_here(id).await;
        if self.parts.redis.is_on() {
            let (service, scope) = (self.clone(), PurgeScope::one(id));
            self.parts.background.spawn(async move { _ = service.purge_everywhere(scope, kind).await });
        }
    }

    /// Removes an avatar from memory and disk; what is under way is refused.
    pub(super) async fn erase_here(&self, id: &AvatarId) -> bool {
        self.refuse(id);
        self.remove_here(std::slice::from_ref(id)).await
    }

    /// Refuses what is under way for an avatar that is about to be deleted.
    pub(super) fn refuse(&self, id: &AvatarId) {
        let purged = LastPurges::new(PurgeKind::Hard, self.parts.purge_log.next());
        self.parts.purge_log.record(&PurgeScope::one(id), purged);
    }

    /// Does in this instance what an order says, to all that began before it.
    pub(super) async fn carry_out(&self, order: &PurgeCommand, found: &mut BTreeSet<AvatarId>) -> bool {
        self.parts.purge_log.record(&order.scope, order.purges());
        let mut kept = Vec::new();
        for id in order.scope.avatars() {
            self.parts.directory.forget(id);
            kept.extend(self.kept(id).await);
        }
        found.extend(kept.iter().map(|kept| kept.id.clone()));
        if !order.scope.is_wide() {
            return match order.kind.deletes() {
                // Whatever its generation: somebody wants it gone. What is newer is fetched again.
                true => self.remove_here(order.scope.avatars()).await,
                false => self.judge(&kept, &mut BTreeSet::new()).await,
            };
        }
        // A file that cannot be opened may hold what is to be deleted.
        let (mut disk, mut pages) =
            (!(order.kind.deletes() && self.parts.disk.is_unavailable()), self.all_kept());
        while let Some(page) = pages.next().await {
            disk &= self.judge(&page, found).await;
        }
        disk
    }

    /// Has what this instance keeps obey the purges that are known: what is to go goes, what is to be stale is stale.
    /// False: the disk store failed.
    pub(super) async fn judge(&self, kept: &[EntryMeta], found: &mut BTreeSet<AvatarId>) -> bool {
        let mut gone = Vec::new();
        for EntryMeta { id, provider, generation, soft_purged_at, .. } in kept {
            match self.parts.purge_log.validity(id, *provider, *generation, *soft_purged_at) {
                Validity::Current => continue,
                Validity::Deleted => gone.push(id.clone()),
                Validity::Stale(purge) => self.make_stale(id, purge).await,
            }
            found.insert(id.clone());
        }
        gone.is_empty() || self.remove_here(&gone).await
    }

    /// The next view refreshes it, and is shown it meanwhile.
    async fn make_stale(&self, id: &AvatarId, purge: Generation) {
        let entry = match self.parts.memory.get(id.as_str()) {
            Some(held) => Some(held.entry.clone()),
            None => self.parts.disk.get(id, self.parts.clock.now()).await,
        };
        self.parts.directory.forget(id);
        if let Some(entry) = entry.filter(|entry| entry.generation.max(entry.soft_purged_at) < purge) {
            let stale = Arc::new(Held::new(id.clone(), self.stale(id, &entry, purge), Timestamp::EPOCH));
            self.parts.memory.put(stale.clone());
            self.parts.disk.put(stale).await;
        }
    }

    /// Removes avatars from memory and disk. The caller has noted their purge before.
    pub(super) async fn remove_here(&self, ids: &[AvatarId]) -> bool {
        for id in ids {
            self.parts.memory.remove(id);
            self.parts.directory.forget(id);
        }
        let removed = self.parts.disk.remove(ids.to_vec()).await;
        // What was read from the disk meanwhile.
        ids.iter().for_each(|id| self.parts.memory.remove(id));
        removed
    }

    /// What a soft purge leaves of an entry: stale now, and without a link, so that the provider is asked.
    pub(super) fn stale(&self, id: &AvatarId, entry: &Entry, purge: Generation) -> Entry {
        let forgiven = match self.parts.purge_log.is_named(id, purge) {
            true => Trouble::forgiven,
            false => Trouble::forgiven_with_all,
        };
        Entry {
            verified_at: entry.verified_at.min(self.parts.clock.now() - self.parts.config.windows.s1),
            link: None,
            trouble: entry.trouble.clone().map(forgiven),
            soft_purged_at: purge,
            ..entry.clone()
        }
    }

    /// What this instance keeps of an avatar, in memory or on disk.
    pub(super) async fn kept(&self, id: &AvatarId) -> Option<EntryMeta> {
        match self.parts.memory.get(id.as_str()) {
            Some(held) => Some(EntryMeta::of(&held)),
            None => self.parts.disk.meta(id).await,
        }
    }
}
