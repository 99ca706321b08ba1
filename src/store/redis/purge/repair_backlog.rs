//! [`RepairBacklog`]: which purges Redis lacks, as far as this instance knows.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::model::{Generation, PurgeKind, PurgeScope};
use crate::store::StoredPurge;

/// Unpublished purges that wait.
const MAX_UNPUBLISHED: usize = 1000;
/// Redis lacks no purge that it once had.
const NOTHING_LOST: u64 = u64::MAX;

/// Redis lost some purges, and others were made while it was away. [`repair`](super::repair) gives it both.
#[derive(Debug)]
pub(in crate::store::redis) struct RepairBacklog {
    /// Redis may have lost purges that are later than this generation.
    lost_since: AtomicU64,
    // A mutex that blocks: held to push or take, never across an await.
    unpublished: Mutex<Vec<(PurgeScope, PurgeKind)>>,
    due: Notify,
}

impl RepairBacklog {
    /// `stored` are the purges that an earlier process stored: Redis may have been emptied since.
    pub(in crate::store::redis) fn new(stored: Vec<StoredPurge>) -> Self {
        let lost_since = AtomicU64::new(if stored.is_empty() { NOTHING_LOST } else { 0 });
        let backlog = Self { lost_since, unpublished: Mutex::default(), due: Notify::new() };
        let (mut hard, mut soft) = (Vec::new(), Vec::new());
        for StoredPurge { scope, kind, .. } in stored.into_iter().filter(|purge| !purge.published) {
            match (scope, kind.deletes()) {
                // The disk stores each avatar by itself. All of them count as one purge here, since each purge counts.
                (PurgeScope::Avatars(ids), true) => hard.extend(ids),
                (PurgeScope::Avatars(ids), false) => soft.extend(ids),
                (wide @ (PurgeScope::Provider(_) | PurgeScope::All), _) => backlog.unpublished(wide, kind),
            }
        }
        for (ids, kind) in [(hard, PurgeKind::Hard), (soft, PurgeKind::Soft)] {
            if !ids.is_empty() {
                backlog.unpublished(PurgeScope::Avatars(ids), kind);
            }
        }
        backlog
    }

    /// Redis may have lost the purges that are later than this generation.
    pub(in crate::store::redis) fn lost_since(&self, generation: Generation) {
        self.postpone(generation);
        self.due.notify_one();
    }

    /// They could not be put back. [`RepairBacklog::try_again`] has it done.
    pub(super) fn postpone(&self, lost_since: Generation) {
        self.lost_since.fetch_min(lost_since.0, Ordering::SeqCst);
    }

    /// A purge could not be published. [`RepairBacklog::try_again`] has it done.
    pub(in crate::store::redis) fn unpublished(&self, scope: PurgeScope, kind: PurgeKind) {
        let mut unpublished = self.unpublished.lock();
        if unpublished.len() < MAX_UNPUBLISHED {
            unpublished.push((scope, kind));
        } else {
            tracing::error!(
                ?scope,
                ?kind,
                "too many purges wait for Redis: other instances never learn of this one"
            );
        }
    }

    /// Redis answers: what could not be repaired before is due.
    pub(in crate::store::redis) fn try_again(&self) {
        if self.lost_since.load(Ordering::SeqCst) != NOTHING_LOST || !self.unpublished.lock().is_empty() {
            self.due.notify_one();
        }
    }

    /// Returns when a repair is due. For one caller.
    pub(super) async fn due(&self) {
        self.due.notified().await;
    }

    /// The generation since which Redis may have lost purges. It is the caller's now.
    pub(super) fn take_lost(&self) -> Option<Generation> {
        let since = self.lost_since.swap(NOTHING_LOST, Ordering::SeqCst);
        (since != NOTHING_LOST).then_some(Generation(since))
    }

    /// All unpublished purges. They are the caller's now.
    pub(super) fn take_unpublished(&self) -> Vec<(PurgeScope, PurgeKind)> {
        std::mem::take(&mut self.unpublished.lock())
    }
}
