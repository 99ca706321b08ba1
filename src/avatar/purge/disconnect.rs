//! A connection is deleted: every byte of its picture goes, and the dashboard receives `avatar.deleted`.

use std::sync::Arc;

use super::{PurgeReport, Purger};
use crate::model::{AvatarEvent, AvatarId, EventKind, Provider, PurgeKind, PurgeScope};
use crate::store::PurgeCommand;

impl Purger {
    /// The row of an avatar is gone: deletes it from every store and emits the event. An operator's purge emits none.
    pub(in crate::avatar) async fn on_row_deleted(self: &Arc<Self>, id: &AvatarId) {
        tracing::info!(connection = %id, "the row is gone: deleted from every store");
        self.emit_deleted(std::slice::from_ref(id)).await;
        self.delete(id, PurgeKind::Disconnect).await;
    }

    /// Deletes these connections' avatars in every instance, with their events. A caller that leaves stops nothing: the
    /// events would be emitted, and the deletion not done.
    pub async fn disconnect(self: &Arc<Self>, ids: &[AvatarId]) -> PurgeReport {
        let (purger, ids) = (self.clone(), ids.to_vec());
        self.detached(async move {
            purger.emit_deleted(&ids).await;
            purger.purge_everywhere(PurgeScope::Avatars(ids), PurgeKind::Disconnect).await
        })
        .await
    }

    /// Emits `avatar.deleted` for those connections of which anything is held. Before they are deleted: a process that
    /// ends in between finds them once more. What is under way for them is refused from here on, or its events would
    /// follow.
    async fn emit_deleted(&self, ids: &[AvatarId]) {
        if !self.tiers.emits_events() {
            return;
        }
        // Before they are refused: a view in between would delete what this looks for.
        let mut events = Vec::new();
        for id in ids {
            let provider = match self.provider_here(id).await {
                Some(provider) => Some(provider),
                None => self.tiers.provider_in_redis(id).await,
            };
            events.extend(provider.map(|provider| self.deleted(id, provider)));
        }
        ids.iter().for_each(|id| self.tiers.refuse(id));
        self.tiers.emit(events).await;
    }

    /// The same where another instance has found the connections deleted: that instance has looked in Redis, and may hold
    /// nothing of them itself.
    pub(super) async fn emit_deleted_by(&self, order: &PurgeCommand) {
        if !self.tiers.emits_events() {
            return;
        }
        let mut events = Vec::new();
        for id in order.scope.avatars() {
            events.extend(self.provider_here(id).await.map(|provider| self.deleted(id, provider)));
        }
        self.tiers.note(order);
        self.tiers.emit(events).await;
    }

    fn deleted(&self, id: &AvatarId, provider: Provider) -> AvatarEvent {
        let (id, kind, at) = (id.clone(), EventKind::Deleted, self.clock.now());
        AvatarEvent { id, provider, kind, at, discriminator: String::new(), reason: None, etag: None }
    }

    /// Whose picture this instance holds.
    async fn provider_here(&self, id: &AvatarId) -> Option<Provider> {
        self.tiers.meta(id).await.map(|kept| kept.provider)
    }
}
