//! Warming: fetches the avatar of every connection in the directory ahead of its first view.
//!
//! Reading order: [`Warmer`] here (begin, stop, progress), `walk` (one walk, page by page), `record` (the saved
//! form of a walk).

mod current;
mod record;
mod status;
mod walk;

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::queue::JobQueue;
use crate::avatar::tiers::Tiers;
use crate::clock::Clock;
use crate::directory::{Cursor, Directory};
use crate::task_pool::TaskPool;
use current::Current;
use record::WalkRecord;

pub use status::{WarmRate, WarmRefused, WarmState, WarmStatus};

/// Runs at most one walk over the directory.
pub struct Warmer {
    directory: Arc<Directory>,
    queue: Arc<JobQueue>,
    tiers: Arc<Tiers>,
    clock: Clock,
    background: TaskPool,
    /// The walk that is under way, or the last one.
    current: watch::Sender<Option<Current>>,
    stopping: CancellationToken,
}

impl Warmer {
    /// Reads how far an earlier process came. Its walk stands still until [`Warmer::resume_interrupted`].
    pub(super) async fn open(
        directory: Arc<Directory>,
        queue: Arc<JobQueue>,
        tiers: Arc<Tiers>,
        clock: Clock,
        background: TaskPool,
    ) -> Arc<Self> {
        let saved = tiers.recorded_walk().await.and_then(|text| WalkRecord::read(&text));
        let (current, _) = watch::channel(saved.map(|saved| Current::new(saved.status, saved.cursor)));
        let stopping = CancellationToken::new();
        Arc::new(Self { directory, queue, tiers, clock, background, current, stopping })
    }

    /// Begins a walk. With `resume` it continues the last one, unless that has visited every connection.
    ///
    /// # Errors
    /// A walk is under way, or the server stops.
    pub fn begin(self: &Arc<Self>, rate: WarmRate, resume: bool) -> Result<WarmStatus, WarmRefused> {
        if self.stopping.is_cancelled() {
            return Err(WarmRefused::Stopping);
        }
        let now = self.clock.now();
        let mut outcome = Err(WarmRefused::Stopping);
        self.current.send_if_modified(|current| {
            if let Some(Current { status, .. }) = current.as_ref().filter(|current| current.is_running()) {
                outcome = Err(WarmRefused::Running(status.clone()));
                return false;
            }
            let last = current.take().filter(|last| resume && last.status.state != WarmState::Done);
            let begun = last.map_or_else(|| Current::begun(rate, now), |last| last.resumed(rate));
            outcome = Ok((begun.status.clone(), begun.cursor.clone(), begun.stop.clone()));
            *current = Some(begun);
            true
        });
        let (status, cursor, stop) = outcome?;
        self.background.spawn(self.clone().walk(rate, cursor, stop));
        Ok(status)
    }

    /// Continues the walk that was under way when an earlier process ended.
    pub fn resume_interrupted(self: &Arc<Self>) {
        let status = self.status().filter(|status| status.state == WarmState::Interrupted);
        if let Some(status) = status {
            // It is refused where the server is stopping already.
            let _ = self.begin(status.rate, true);
        }
    }

    /// Stops the walk and returns when it has stopped. Avatars that are queued, at most one page, are still refreshed.
    pub async fn stop(&self) -> Option<WarmStatus> {
        let mut current = self.current.subscribe();
        if let Some(current) = &*current.borrow() {
            current.stop.cancel();
        }
        let stopped = current.wait_for(|current| !current.as_ref().is_some_and(Current::is_running)).await;
        stopped.ok()?.as_ref().map(|current| current.status.clone())
    }

    /// Ends the walk because the process ends; the next process continues it.
    pub fn interrupt(&self) {
        self.stopping.cancel();
    }

    /// The walk that is under way, or the last one.
    pub fn status(&self) -> Option<WarmStatus> {
        self.current.borrow().as_ref().map(|current| current.status.clone())
    }

    fn update(&self, change: impl FnOnce(&mut WarmStatus)) {
        self.current.send_modify(|current| _ = current.as_mut().map(|current| change(&mut current.status)));
    }

    /// Notes that all connections before `cursor` are done; the last page ends without one.
    fn note_done(&self, done: u64, failed: u64, cursor: Option<Cursor>) {
        self.current.send_modify(|current| {
            if let Some(Current { status, cursor: before, .. }) = current {
                status.done += done;
                status.failed += failed;
                *before = cursor.or(before.take());
            }
        });
    }

    async fn save(&self) {
        let saved = self.current.borrow().as_ref().and_then(|current| WalkRecord::text(current, |_| {}));
        self.tiers.record_walk(saved).await;
    }

    /// Saves the end of a walk before its status shows it: the old walk must not overwrite a new one.
    async fn end(&self, state: WarmState, problem: Option<String>) {
        let ended = |status: &mut WarmStatus| (status.state, status.problem) = (state, problem.clone());
        let saved = self.current.borrow().as_ref().and_then(|current| WalkRecord::text(current, ended));
        self.tiers.record_walk(saved).await;
        self.update(ended);
    }
}
