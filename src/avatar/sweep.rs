//! The sweep: all kept ids are held against the directory, so that what nobody views goes too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::service::Service;
use crate::model::{AvatarId, Timestamp};
use crate::store::Kept;

/// Ids asked for in one query.
const BATCH: usize = 200;
/// How often the loop looks at the clock.
const TICK: Duration = Duration::from_secs(30);

/// What is in memory and on disk.
#[derive(Default)]
struct Walked {
    kept: BTreeSet<AvatarId>,
    /// Too old to be kept.
    old: Vec<AvatarId>,
    /// Their tokens end soon by the provider's word, and nobody has noted it.
    ending: BTreeSet<AvatarId>,
}

/// How a sweep went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// So many avatars were deleted, of so many.
    Deleted(usize, usize),
    /// More than a fifth would have gone: nothing was deleted.
    Stopped(usize, usize),
    /// The directory could not be asked: nothing was deleted.
    Failed,
}

impl Service {
    /// Sweeps each time `every` has passed, until the task is dropped; `None` = never. What an earlier process left to do
    /// is done after the first tick, when the start is over.
    pub async fn sweep_regularly(self: Arc<Self>, every: Option<Duration>) {
        let Some(every) = every else { return };
        let mut last = self.last_sweep().await;
        loop {
            tokio::time::sleep(TICK.min(every)).await;
            let now = self.parts.clock.now();
            if now.since(last) >= every {
                last = now;
                let shared = self.parts.redis.may_sweep(every).await.unwrap_or(false);
                self.sweep_all(shared).await;
                self.parts.disk.put_swept(last).await;
            }
        }
    }

    /// When the last sweep was; a first process counts from its start.
    async fn last_sweep(&self) -> Timestamp {
        let now = self.parts.clock.now();
        // One in the future was kept by a clock that was wrong.
        if let Some(last) = self.parts.disk.swept().await.filter(|last| *last <= now) {
            return last;
        }
        self.parts.disk.put_swept(now).await;
        now
    }

    /// Holds all kept ids against the directory once, those in Redis, too, and forgets what is too old.
    pub async fn sweep(self: &Arc<Self>) -> Swept {
        self.sweep_all(true).await
    }

    /// The same; what lies in Redis alone is looked at by one instance for all.
    async fn sweep_all(self: &Arc<Self>, shared: bool) -> Swept {
        let Walked { mut kept, old, mut ending } = self.walk().await;
        if shared {
            kept.extend(self.kept_in_redis().await);
        }
        let kept: Vec<AvatarId> = kept.into_iter().collect();
        // Here alone: another instance may have confirmed it since.
        for id in &old {
            tracing::info!(connection = %id, "forgotten: not confirmed within avatar.forget_after");
        }
        for batch in old.chunks(BATCH) {
            self.remove_here(batch).await;
        }
        let mut gone = Vec::new();
        for batch in kept.chunks(BATCH) {
            match self.parts.directory.existing(batch).await {
                Ok(existing) => gone.extend(batch.iter().filter(|id| !existing.contains(*id)).cloned()),
                Err(error) => {
                    tracing::warn!(%error, "sweep: the directory cannot be asked; nothing is deleted");
                    return Swept::Failed;
                }
            }
        }
        gone.iter().for_each(|id| _ = ending.remove(id));
        self.look_at_token_ends(&kept, &ending).await;
        // SECURITY: a wrong schema or an emptied table must not wipe what is held. One alone may always go.
        if gone.len() > (kept.len() / 5).max(1) {
            tracing::error!(
                gone = gone.len(),
                kept = kept.len(),
                "sweep: more than a fifth would be deleted; nothing is"
            );
            return Swept::Stopped(gone.len(), kept.len());
        }
        for id in &gone {
            tracing::info!(connection = %id, "sweep: the row is gone: deleted from every store");
        }
        for batch in gone.chunks(BATCH) {
            self.disconnect(batch).await;
        }
        Swept::Deleted(gone.len(), kept.len())
    }

    /// Looks through memory and disk.
    async fn walk(&self) -> Walked {
        let now = self.parts.clock.now();
        let mut walked = Walked::default();
        let mut pages = self.all_kept();
        while let Some(page) = pages.next().await {
            for Kept { id, verified_at, token_end, .. } in page {
                let never = verified_at == Timestamp::EPOCH;
                if !never && now.since(verified_at) >= self.parts.config.windows.forget {
                    walked.old.push(id);
                    continue;
                }
                if token_end
                    .is_some_and(|end| end.is_from_provider && end.noted_at.is_none() && end.is_soon(now))
                {
                    walked.ending.insert(id.clone());
                }
                walked.kept.insert(id);
            }
        }
        walked
    }

    /// The ids in Redis; as many as it tells while it is there.
    async fn kept_in_redis(&self) -> BTreeSet<AvatarId> {
        let (mut kept, mut walk) = (BTreeSet::new(), self.parts.redis.walk());
        while let Ok(Some(page)) = walk.page().await {
            kept.extend(page);
        }
        kept
    }
}
