//! A purge in the tiers: numbered, recorded, carried out, made known to the other instances.

use std::collections::BTreeSet;

use super::Tiers;
use crate::model::{AvatarId, Generation, Provider, PurgeKind, PurgeScope};
use crate::store::{Acks, EntryMeta, LastPurges, PurgeCommand, StoredPurge, Unavailable, Validity};

impl Tiers {
    /// A purge command that everything older than now obeys. `Err` carries one that Redis has not numbered: the other
    /// instances cannot hear of it yet.
    pub(in crate::avatar) async fn number(
        &self,
        scope: PurgeScope,
        kind: PurgeKind,
    ) -> Result<PurgeCommand, PurgeCommand> {
        let redis = &self.parts.redis;
        let local = self.parts.purge_log.next();
        match redis.next_generation(local).await {
            Ok(generation) => Ok(redis.command(scope, kind, generation)),
            Err(Unavailable) => Err(redis.command(scope, kind, local)),
        }
    }

    /// Notes a purge: everything that began before it is refused from now on.
    pub(in crate::avatar) fn note(&self, order: &PurgeCommand) {
        self.parts.purge_log.record(&order.scope, order.purges());
    }

    /// Refuses what is under way for an avatar that is about to be deleted.
    pub(in crate::avatar) fn refuse(&self, id: &AvatarId) {
        let purged = LastPurges::new(PurgeKind::Hard, self.parts.purge_log.next());
        self.parts.purge_log.record(&PurgeScope::one(id), purged);
    }

    /// Records a purge over restarts, for instances that do not know of it yet.
    pub(in crate::avatar) async fn record(&self, order: &PurgeCommand, published: bool) {
        if self.parts.redis.is_on() {
            let PurgeCommand { scope, kind, generation, .. } = order.clone();
            let purge = StoredPurge { scope, kind, generation, published };
            self.parts.disk.put_purges(vec![purge]).await;
        }
    }

    /// Records that Redis has these purges now, which it could not be given before.
    pub(in crate::avatar) async fn record_published(&self, purges: Vec<StoredPurge>) {
        self.parts.disk.put_purges(purges).await;
    }

    /// What the purges that are known mean for an avatar of which this is known.
    pub(in crate::avatar) fn validity(&self, kept: &EntryMeta) -> Validity {
        self.parts.purge_log.validity(&kept.id, kept.provider, kept.generation, kept.soft_purged_at)
    }

    /// Whether a hard purge could miss bytes: the disk's file is configured and cannot be opened.
    pub(in crate::avatar) fn may_hide_bytes(&self) -> bool {
        self.parts.disk.is_unavailable()
    }

    /// Carries a purge out in Redis and makes it known to every instance, adding to `found` the avatars of which Redis
    /// held something.
    pub(in crate::avatar) async fn broadcast(
        &self,
        order: &PurgeCommand,
        found: &mut BTreeSet<AvatarId>,
    ) -> Result<Acks, Unavailable> {
        let redis = &self.parts.redis;
        found.extend(redis.purge(order).await?);
        let acknowledged = redis.broadcast(order).await;
        found.extend(redis.delete_covered(order).await?);
        Ok(acknowledged)
    }

    /// Has a purge published once Redis is back.
    pub(in crate::avatar) fn publish_later(&self, order: PurgeCommand) {
        self.parts.redis.publish_later(order.scope, order.kind);
    }

    /// Answers the instance that asked for a purge.
    pub(in crate::avatar) async fn acknowledge(&self, from: &str, order: &PurgeCommand) {
        self.parts.redis.acknowledge(from, order).await;
    }

    /// Learns the purges of these avatars from Redis, and those of their providers that are not in `asked` yet.
    pub(in crate::avatar) async fn learn_purges(
        &self,
        page: &[EntryMeta],
        asked: &mut BTreeSet<Provider>,
    ) -> Result<(), Unavailable> {
        for provider in page.iter().map(|kept| kept.provider) {
            if asked.insert(provider) {
                let purged = self.parts.redis.purged_of(provider).await?;
                self.parts.purge_log.record(&PurgeScope::Provider(provider), purged);
            }
        }
        let ids: Vec<AvatarId> = page.iter().map(|kept| kept.id.clone()).collect();
        let purged = self.parts.redis.purged(&ids).await?;
        for (id, purged) in ids.into_iter().zip(purged) {
            self.parts.purge_log.record(&PurgeScope::Avatars(vec![id]), purged);
        }
        Ok(())
    }

    /// The providers whose purges the subscription has asked for already.
    pub(in crate::avatar) fn known_providers(&self) -> BTreeSet<Provider> {
        self.parts.purge_log.providers()
    }

    /// The generation now: what a refresh that starts carries.
    pub(in crate::avatar) fn generation(&self) -> Generation {
        self.parts.purge_log.current()
    }

    /// Whether an avatar, its provider or all were purged after `generation`.
    pub(in crate::avatar) fn purged_since(
        &self,
        id: &AvatarId,
        provider: Provider,
        generation: Generation,
    ) -> bool {
        self.parts.purge_log.purged(id, provider).last() > generation
    }

    /// Whether what began at `generation` was deleted since, by any purge.
    pub(in crate::avatar) fn is_deleted(
        &self,
        id: &AvatarId,
        provider: Provider,
        generation: Generation,
    ) -> bool {
        self.parts.purge_log.validity(id, provider, generation, generation) == Validity::Deleted
    }

    /// Whether this avatar was deleted since `generation`, by name.
    pub(in crate::avatar) fn deleted_since(&self, id: &AvatarId, generation: Generation) -> bool {
        self.parts.purge_log.deleted_since(id, generation)
    }
}
