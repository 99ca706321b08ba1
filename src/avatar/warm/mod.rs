//! Warming: fetches the avatar of every connection in the directory ahead of its first view.
//!
//! Reading order: [`Warmer`] here (begin, stop, progress), `walk` (one walk, page by page), `saved` (what the disk store
//! keeps of it).

mod saved;
mod walk;

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::backlog::Backlog;
use crate::background::Background;
use crate::clock::Clock;
use crate::directory::{Directory, Place};
use crate::model::Timestamp;
use crate::store::{Disk, Generations};
use saved::SavedWalk;
use walk::Walk;

/// Avatars a second, 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct WarmRate(u16);

/// How a walk is going, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmState {
    /// It is under way.
    Running,
    /// The server stops. Its next start continues the walk, if there is a disk store.
    Interrupted,
    /// An operator stopped it.
    Stopped,
    /// A person has to act: the directory cannot be read as it is configured.
    Failed,
    /// It has visited every connection.
    Done,
}

/// A walk, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WarmStatus {
    /// How it is going, or how it ended.
    pub state: WarmState,
    /// Its upper bound.
    pub rate: WarmRate,
    /// When it began. A resumed walk keeps it, so it tells one walk from another.
    pub started_at: Timestamp,
    /// Avatars that were refreshed or found fresh.
    pub done: u64,
    /// Those of them that have no current picture.
    pub failed: u64,
    /// Rows in the directory, once the database has counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Why it failed, or why it waits while it is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Why no walk was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WarmRefused {
    /// This one is under way.
    Running(WarmStatus),
    /// The server stops.
    Stopping,
}

/// Runs at most one walk over the directory.
pub struct Warmer {
    directory: Arc<Directory>,
    queue: Arc<Backlog>,
    generations: Arc<Generations>,
    disk: Disk,
    clock: Clock,
    background: Background,
    /// The walk that is under way, or the last one.
    current: watch::Sender<Option<Current>>,
    stopping: CancellationToken,
}

/// A walk, as this process knows it.
struct Current {
    status: WarmStatus,
    /// All connections before it are done; `None` = none are.
    place: Option<Place>,
    stop: CancellationToken,
}

impl Warmer {
    /// Reads how far an earlier process came. Its walk stands still until [`Warmer::resume_interrupted`].
    pub(super) async fn open(
        directory: Arc<Directory>,
        queue: Arc<Backlog>,
        generations: Arc<Generations>,
        disk: Disk,
        clock: Clock,
        background: Background,
    ) -> Arc<Self> {
        let saved = disk.walk().await.and_then(|text| SavedWalk::read(&text));
        let (current, _) = watch::channel(saved.map(|saved| Current::new(saved.status, saved.place)));
        let stopping = CancellationToken::new();
        Arc::new(Self { directory, queue, generations, disk, clock, background, current, stopping })
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
            outcome = Ok((begun.status.clone(), begun.place.clone(), begun.stop.clone()));
            *current = Some(begun);
            true
        });
        let (status, place, stop) = outcome?;
        self.background.spawn(Walk::new(self.clone(), rate, place).run(stop));
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

    /// Notes that all connections before `place` are done; the end of the last page is no place.
    fn note_done(&self, done: u64, failed: u64, place: Option<Place>) {
        self.current.send_modify(|current| {
            if let Some(Current { status, place: before, .. }) = current {
                status.done += done;
                status.failed += failed;
                *before = place.or(before.take());
            }
        });
    }

    async fn save(&self) {
        let saved = self.current.borrow().as_ref().and_then(|current| SavedWalk::text(current, |_| {}));
        self.disk.put_walk(saved).await;
    }

    /// Saves the end of a walk before anybody can see it: a new walk must not be overwritten by the old one.
    async fn end(&self, state: WarmState, problem: Option<String>) {
        let ended = |status: &mut WarmStatus| (status.state, status.problem) = (state, problem.clone());
        let saved = self.current.borrow().as_ref().and_then(|current| SavedWalk::text(current, ended));
        self.disk.put_walk(saved).await;
        self.update(ended);
    }
}

impl Current {
    fn new(status: WarmStatus, place: Option<Place>) -> Self {
        Self { status, place, stop: CancellationToken::new() }
    }

    fn begun(rate: WarmRate, started_at: Timestamp) -> Self {
        let (state, done, failed, total, problem) = (WarmState::Running, 0, 0, None, None);
        Self::new(WarmStatus { state, rate, started_at, done, failed, total, problem }, None)
    }

    fn resumed(self, rate: WarmRate) -> Self {
        let status = WarmStatus { state: WarmState::Running, rate, problem: None, ..self.status };
        Self::new(status, self.place)
    }

    fn is_running(&self) -> bool {
        self.status.state == WarmState::Running
    }
}

impl WarmRate {
    fn per_second(self) -> usize {
        usize::from(self.0)
    }
}

impl Default for WarmRate {
    fn default() -> Self {
        Self(10)
    }
}

impl TryFrom<u16> for WarmRate {
    type Error = &'static str;

    fn try_from(rate: u16) -> Result<Self, Self::Error> {
        if (1..=1000).contains(&rate) { Ok(Self(rate)) } else { Err("a rate is 1 to 1000 avatars a second") }
    }
}

impl From<WarmRate> for u16 {
    fn from(rate: WarmRate) -> Self {
        rate.0
    }
}
