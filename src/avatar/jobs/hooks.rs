//! The dashboard's hooks: a connection was created, updated or deleted.
//!
//! Created and updated connections are refreshed behind the answer, by jobs that use the flights and the queue of views. A
//! deletion is answered when it is done.

use std::sync::Arc;

use super::queue::JobQueueFull;
use super::{HookProgress, Jobs};
use crate::avatar::purge::PurgeReport;
use crate::avatar::refresh::Urgency;
use crate::model::{AvatarId, PurgeKind, PurgeScope};
use crate::store::Acks;

impl Jobs {
    /// Created connections: their avatars are fetched, unless a fresh entry of the same row is held.
    ///
    /// # Errors
    /// Too many jobs are left: none was accepted.
    pub fn on_created(self: &Arc<Self>, ids: &[AvatarId]) -> Result<HookProgress, JobQueueFull> {
        let room = self.queue.reserve(ids.len())?;
        // A view may have come before the row did.
        ids.iter().for_each(|id| self.parts.directory.forget(id));
        self.queue.add(room, ids, Urgency::View, self.parts.tiers.generation(), None);
        Ok(self.progress())
    }

    /// Updated rows, or owners who logged in again: every instance reads the row anew and asks the provider, whatever it
    /// failed with before; this instance at once. Also says which instances have heard of it.
    ///
    /// # Errors
    /// As [`Jobs::on_created`].
    pub async fn on_updated(
        self: &Arc<Self>,
        ids: &[AvatarId],
    ) -> Result<(HookProgress, Acks), JobQueueFull> {
        let room = self.queue.reserve(ids.len())?;
        let purged = self.parts.purger.purge(PurgeScope::Avatars(ids.to_vec()), PurgeKind::Soft).await;
        self.queue.add(room, ids, Urgency::Forced, self.parts.tiers.generation(), None);
        Ok((self.progress(), purged.acknowledged))
    }

    /// Deleted connections: no byte of their avatars is left in any tier when all instances have answered. Their jobs are
    /// called off.
    pub async fn on_deleted(&self, ids: &[AvatarId]) -> PurgeReport {
        self.parts.purger.disconnect(ids).await
    }

    /// How far the jobs of accepted hooks are.
    pub fn progress(&self) -> HookProgress {
        let (accepted, done, failed) = self.queue.counts();
        HookProgress { accepted, done, failed, started_at: self.started_at }
    }
}
