//! A connection is gone: every byte of its picture goes too, and the dashboard is told.

use std::sync::Arc;

use super::service::Service;
use crate::model::{AvatarId, EventKind, Happened, Provider, PurgeKind};
use crate::store::PurgeCommand;

impl Service {
    /// The row of an avatar is gone: deletes it from every store, and tells. An operator's purge is no such thing.
    pub(super) async fn gone(self: &Arc<Self>, id: &AvatarId) {
        tracing::info!(connection = %id, "the row is gone: deleted from every store");
        self.tell_gone(std::slice::from_ref(id)).await;
        self.erase(id, PurgeKind::Disconnect).await;
    }

    /// Tells that connections are gone, those of which anything is held. Before they are deleted: a process that ends in
    /// between finds them once more. What is still under way for them is refused from here on, or it would be told behind.
    pub(super) async fn tell_gone(&self, ids: &[AvatarId]) {
        if !self.parts.events.is_on() {
            return;
        }
        // Before they are refused: a view in between would delete what is looked for.
        let mut held = Vec::new();
        for id in ids {
            let provider = match self.provider_here(id).await {
                Some(provider) => Some(provider),
                None => self.provider_in_redis(id).await,
            };
            held.extend(provider.map(|provider| self.deleted(id, provider)));
        }
        ids.iter().for_each(|id| self.refuse(id));
        self.tell(held).await;
    }

    /// The same where another instance has found that they are gone, and may have held nothing of them itself. It has looked
    /// in Redis.
    pub(super) async fn tell_gone_by(&self, order: &PurgeCommand) {
        if !self.parts.events.is_on() {
            return;
        }
        let mut held = Vec::new();
        for id in order.scope.avatars() {
            held.extend(self.provider_here(id).await.map(|provider| self.deleted(id, provider)));
        }
        self.parts.purge_log.record(&order.scope, order.purges());
        self.tell(held).await;
    }

    fn deleted(&self, id: &AvatarId, provider: Provider) -> Happened {
        let (id, kind, at) = (id.clone(), EventKind::Deleted, self.parts.clock.now());
        Happened { id, provider, kind, at, mark: String::new(), reason: None, etag: None }
    }

    /// Whose picture this instance holds.
    async fn provider_here(&self, id: &AvatarId) -> Option<Provider> {
        self.kept(id).await.map(|kept| kept.provider)
    }

    async fn provider_in_redis(&self, id: &AvatarId) -> Option<Provider> {
        let redis = &self.parts.redis;
        redis.provider(id, &mut redis.unhurried()).await.ok().flatten()
    }
}
