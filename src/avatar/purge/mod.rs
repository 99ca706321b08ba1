//! [`Purger`]: soft purges (stale now, still shown), hard purges (no byte is left) and disconnections, of some avatars, a
//! provider or all, here and in every other instance.

mod disconnect;
mod remote;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::tiers::{Forgotten, Holding, Tiers};
use crate::clock::Clock;
use crate::directory::Directory;
use crate::model::{AvatarId, PurgeKind, PurgeScope, Timestamp};
use crate::store::{Acks, Budget, EntryMeta, Held, PurgeCommand, Validity};
use crate::task_pool::TaskPool;

/// How a purge went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeReport {
    /// Avatars of which this instance or Redis held something.
    pub avatars: usize,
    /// False: the disk store failed; memory is clean.
    pub disk: bool,
    /// Which instances have carried it out.
    pub acknowledged: Acks,
}

/// Carries purges out.
pub struct Purger {
    tiers: Arc<Tiers>,
    directory: Arc<Directory>,
    clock: Clock,
    background: TaskPool,
}

impl Purger {
    /// A purger of these tiers; rows that the directory holds are forgotten with them.
    pub(super) fn new(
        tiers: Arc<Tiers>,
        directory: Arc<Directory>,
        clock: Clock,
        background: TaskPool,
    ) -> Arc<Self> {
        Arc::new(Self { tiers, directory, clock, background })
    }

    /// Purges, and answers when every instance that can be reached has. A caller that leaves stops nothing.
    pub async fn purge(self: &Arc<Self>, scope: PurgeScope, kind: PurgeKind) -> PurgeReport {
        let purger = self.clone();
        self.detached(async move { purger.purge_everywhere(scope, kind).await }).await
    }

    /// Runs a purge in a task of its own.
    async fn detached<F>(&self, purge: F) -> PurgeReport
    where
        F: Future<Output = PurgeReport> + Send + 'static,
    {
        let failed = || PurgeReport { avatars: 0, disk: false, acknowledged: Acks::Unavailable };
        self.background.spawn(purge).await.unwrap_or_else(|_| failed())
    }

    async fn purge_everywhere(&self, scope: PurgeScope, kind: PurgeKind) -> PurgeReport {
        let numbered = self.tiers.number(scope, kind).await;
        let is_shared = numbered.is_ok();
        let order = numbered.unwrap_or_else(|order| order);
        // Recorded as unpublished first: should this process end in between, the next one publishes it.
        self.tiers.record(&order, false).await;
        let mut found = BTreeSet::new();
        let disk = self.apply(&order, &mut found, self.clock.now()).await;
        let acknowledged = match is_shared {
            true => self.tiers.broadcast(&order, &mut found).await.unwrap_or(Acks::Unavailable),
            false => Acks::Unavailable,
        };
        if acknowledged == Acks::Unavailable {
            self.tiers.publish_later(order);
        } else {
            self.tiers.record(&order, true).await;
        }
        PurgeReport { avatars: found.len(), disk, acknowledged }
    }

    /// Carries an order out in this instance, on everything that began before it. Returns false where the disk store
    /// failed.
    async fn apply(&self, order: &PurgeCommand, found: &mut BTreeSet<AvatarId>, now: Timestamp) -> bool {
        self.tiers.note(order);
        let mut known = Vec::new();
        for id in order.scope.avatars() {
            self.directory.forget(id);
            known.extend(self.tiers.meta(id).await);
        }
        found.extend(known.iter().map(|kept| kept.id.clone()));
        if !order.scope.is_wide() {
            return match order.kind.deletes() {
                // Whatever its generation: an operator wants it gone, and a newer picture can be fetched again.
                true => self.remove(order.scope.avatars()).await,
                false => self.enforce(&known, &mut BTreeSet::new(), now).await,
            };
        }
        let mut disk = !(order.kind.deletes() && self.tiers.may_hide_bytes());
        let mut pages = self.tiers.scan();
        while let Some(page) = pages.next().await {
            disk &= self.enforce(&page, found, now).await;
        }
        disk
    }

    /// Applies the purges that are known to what this instance holds. Returns false where the disk store failed.
    async fn enforce(&self, page: &[EntryMeta], found: &mut BTreeSet<AvatarId>, now: Timestamp) -> bool {
        let mut deleted = Vec::new();
        for kept in page {
            match self.tiers.validity(kept) {
                Validity::Current => continue,
                Validity::Deleted => deleted.push(kept.id.clone()),
                Validity::Stale(purge) => {
                    self.directory.forget(&kept.id);
                    self.tiers.invalidate(&kept.id, purge, now).await;
                }
            }
            found.insert(kept.id.clone());
        }
        deleted.is_empty() || self.remove(&deleted).await
    }

    /// The entry of an avatar. An entry that the lookup finds to be past its time is deleted first.
    pub(super) async fn lookup(
        self: &Arc<Self>,
        id: &AvatarId,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Option<Arc<Held>> {
        match self.tiers.lookup(id, now, budget).await {
            Holding::Forgotten(why) => self.forget(id, why, now, budget).await,
            holding => holding.held(),
        }
    }

    /// The later of what this instance and Redis hold, as [`Purger::lookup`].
    pub(super) async fn reconcile(
        self: &Arc<Self>,
        id: &AvatarId,
        held: Option<Arc<Held>>,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Option<Arc<Held>> {
        match self.tiers.reconcile(id, held, now, budget).await {
            Holding::Forgotten(why) => self.forget(id, why, now, budget).await,
            holding => holding.held(),
        }
    }

    /// Deletes an entry that a lookup found to be past its time, and returns the entry that is left.
    async fn forget(
        self: &Arc<Self>,
        id: &AvatarId,
        why: Forgotten,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Option<Arc<Held>> {
        match why {
            Forgotten::Expired => {
                tracing::info!(connection = %id, "forgotten: not confirmed within avatar.forget_after");
                self.delete(id, PurgeKind::Hard).await;
                None
            }
            Forgotten::Purged => {
                tracing::info!(connection = %id, "purged by another instance");
                self.remove(std::slice::from_ref(id)).await;
                self.tiers.reconcile(id, None, now, budget).await.held()
            }
        }
    }

    /// Deletes an avatar from every store of this instance now; the other instances hear of it in the background.
    async fn delete(self: &Arc<Self>, id: &AvatarId, kind: PurgeKind) {
        self.tiers.refuse(id);
        self.remove(std::slice::from_ref(id)).await;
        if self.tiers.are_shared() {
            let (purger, scope) = (self.clone(), PurgeScope::one(id));
            self.background.spawn(async move { _ = purger.purge_everywhere(scope, kind).await });
        }
    }

    /// Removes avatars from this instance, after the caller has noted their purge.
    pub(super) async fn remove(&self, ids: &[AvatarId]) -> bool {
        ids.iter().for_each(|id| self.directory.forget(id));
        self.tiers.remove(ids).await
    }
}
