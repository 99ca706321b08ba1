//! The sweep: compares every id in the tiers with the directory, so that deleted avatars without views go, too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Jobs, SweepReport};
use crate::model::{AvatarId, Timestamp};
use crate::store::EntryMeta;

/// Ids in one query.
pub(super) const DIRECTORY_BATCH: usize = 200;
/// A sweep that is due at the start begins this much later: the first answers go before it.
const AFTER_START: Duration = Duration::from_secs(30);

/// What memory and disk hold.
#[derive(Default)]
struct Scanned {
    held: BTreeSet<AvatarId>,
    /// Not confirmed within `avatar.forget_after`.
    expired: Vec<AvatarId>,
    /// Their tokens end soon as the provider says, and no event was emitted.
    ending: BTreeSet<AvatarId>,
    /// Confirmed in the future, by a wrong clock.
    ahead: Vec<AvatarId>,
}

impl Jobs {
    /// Sweeps each time `interval` has passed, until the task is dropped; `None` = never. The time counts from the last
    /// sweep of an earlier process.
    pub async fn sweep_regularly(self: Arc<Self>, interval: Option<Duration>) {
        let Some(interval) = interval else { return };
        let mut next = (self.last_sweep().await + interval).max(self.started_at + AFTER_START.min(interval));
        loop {
            self.parts.clock.reached(next).await;
            let now = self.parts.clock.now();
            let sweeps_redis = self.parts.tiers.may_sweep_redis(interval).await;
            self.sweep_tiers(sweeps_redis).await;
            self.parts.tiers.record_sweep(now).await;
            next = now + interval;
        }
    }

    /// When the last sweep began; a first process counts from its start.
    async fn last_sweep(&self) -> Timestamp {
        let now = self.parts.clock.now();
        if let Some(last) = self.parts.tiers.last_sweep().await.filter(|last| last.age(now).is_some()) {
            return last;
        }
        self.parts.tiers.record_sweep(now).await;
        now
    }

    /// Compares everything that this instance and Redis hold with the directory once, and deletes what is past its time.
    pub async fn sweep(self: &Arc<Self>) -> SweepReport {
        self.sweep_tiers(true).await
    }

    /// The same; one instance looks at Redis for all.
    async fn sweep_tiers(self: &Arc<Self>, sweeps_redis: bool) -> SweepReport {
        let now = self.parts.clock.now();
        let Scanned { mut held, expired, mut ending, ahead } = self.scan(now).await;
        for id in &ahead {
            self.parts.tiers.correct(id, now).await;
        }
        if sweeps_redis {
            held.extend(self.parts.tiers.ids_in_redis().await);
        }
        let held: Vec<AvatarId> = held.into_iter().collect();
        for id in &expired {
            tracing::info!(connection = %id, "forgotten: not confirmed within avatar.forget_after");
        }
        for batch in expired.chunks(DIRECTORY_BATCH) {
            // In this instance alone: another one may have confirmed it since.
            self.parts.purger.remove(batch).await;
        }
        let Some(missing) = self.missing_rows(&held).await else { return SweepReport::Failed };
        missing.iter().for_each(|id| _ = ending.remove(id));
        self.check_token_ends(&held, &ending, now).await;
        // SECURITY: a wrong schema or an emptied table must not delete everything. One avatar alone may always go.
        if missing.len() > (held.len() / 5).max(1) {
            tracing::error!(
                missing = missing.len(),
                held = held.len(),
                "sweep: more than a fifth would be deleted; nothing is"
            );
            return SweepReport::Stopped(missing.len(), held.len());
        }
        for id in &missing {
            tracing::info!(connection = %id, "sweep: the row is gone: deleted from every store");
        }
        for batch in missing.chunks(DIRECTORY_BATCH) {
            self.parts.purger.disconnect(batch).await;
        }
        SweepReport::Deleted(missing.len(), held.len())
    }

    /// The ids that no row has; `None` where the directory cannot be asked.
    async fn missing_rows(&self, held: &[AvatarId]) -> Option<Vec<AvatarId>> {
        let mut missing = Vec::new();
        for batch in held.chunks(DIRECTORY_BATCH) {
            match self.parts.directory.existing(batch).await {
                Ok(existing) => missing.extend(batch.iter().filter(|id| !existing.contains(*id)).cloned()),
                Err(error) => {
                    tracing::warn!(%error, "sweep: the directory cannot be asked; nothing is deleted");
                    return None;
                }
            }
        }
        Some(missing)
    }

    /// Walks over memory and disk.
    async fn scan(&self, now: Timestamp) -> Scanned {
        let mut scanned = Scanned::default();
        let mut pages = self.parts.tiers.scan();
        while let Some(page) = pages.next().await {
            for EntryMeta { id, verified_at, token_end, .. } in page {
                let was_never_verified = verified_at == Timestamp::EPOCH;
                match verified_at.age(now) {
                    Some(age) if !was_never_verified && age >= self.parts.windows.forget => {
                        scanned.expired.push(id);
                        continue;
                    }
                    Some(_) => {}
                    None => scanned.ahead.push(id.clone()),
                }
                if token_end
                    .is_some_and(|end| end.is_from_provider && end.noted_at.is_none() && end.is_soon(now))
                {
                    scanned.ending.insert(id.clone());
                }
                scanned.held.insert(id);
            }
        }
        scanned
    }
}
