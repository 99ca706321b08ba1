//! A connection is gone: every byte of its picture goes too, and the dashboard is told.

use std::sync::Arc;

use super::service::Service;
use crate::model::{AvatarId, EventKind, Happened, Provider};

impl Service {
    /// The row of an avatar is gone: deletes it from every store, and tells. An operator's purge is no such thing.
    pub(super) async fn gone(self: &Arc<Self>, id: &AvatarId) {
        tracing::info!(connection = %id, "the row is gone: deleted from every store");
        self.tell_gone(std::slice::from_ref(id)).await;
        self.erase(id).await;
    }

    /// Tells that connections are gone, those of which anything is held. Before they are deleted: a process that ends in
    /// between finds them once more. What is still under way for them is refused from here on, or it would be told behind.
    pub(super) async fn tell_gone(&self, ids: &[AvatarId]) {
        if !self.parts.events.is_on() {
            return;
        }
        // Before they are refused: a view in between would delete what is looked for.
        let held = self.held_of(ids).await;
        ids.iter().for_each(|id| self.refuse(id));
        self.tell(held).await;
    }

    /// That they are gone of which anything is held.
    async fn held_of(&self, ids: &[AvatarId]) -> Vec<Happened> {
        let (mut happened, at) = (Vec::new(), self.parts.clock.now());
        for id in ids {
            if let Some(provider) = self.provider_of(id).await {
                let (id, kind, mark) = (id.clone(), EventKind::Deleted, String::new());
                happened.push(Happened { id, provider, kind, at, mark, reason: None, etag: None });
            }
        }
        happened
    }

    /// Whose picture is held, in whichever store.
    async fn provider_of(&self, id: &AvatarId) -> Option<Provider> {
        if let Some(held) = self.parts.memory.get(id.as_str()) {
            return Some(held.entry.provider);
        }
        if let Some(kept) = self.parts.disk.kept(id).await {
            return Some(kept.provider);
        }
        let redis = &self.parts.redis;
        redis.provider(id, &mut redis.unhurried()).await.ok().flatten()
    }
}
