//! Warming: fetches the avatar of every connection in the directory ahead of its first view.
//!
//! Reading order: [`Warmer`] here (begin, stop, progress), `walk` (one walk, page by page), `record` (what the disk store
//! saves of it).

mod record;
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
use record::WalkRecord;
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
    record: WalkRecord,
    total: Option<u64>,
    problem: Option<String>,
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
        let saved = disk.walk().await.and_then(|text| WalkRecord::read(&text));
        let (current, _) = watch::channel(saved.map(|record| Current::new(record.interrupted())));
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
        let is_begun = self.current.send_if_modified(|current| {
            if current.as_ref().is_some_and(Current::is_running) {
                return false;
            }
            let last = current.take().map(|last| last.record);
            let last = last.filter(|last| resume && last.state != WarmState::Done);
            let record = last.map_or_else(|| WalkRecord::new(rate, now), |last| last.resumed(rate));
            *current = Some(Current::new(record));
            true
        });
        let (status, place, stop) = match &*self.current.borrow() {
            Some(current) => (current.status(), current.record.place.clone(), current.stop.clone()),
            // Nothing takes the walk away again.
            None => return Err(WarmRefused::Stopping),
        };
        if !is_begun {
            return Err(WarmRefused::Running(status));
        }
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
        stopped.ok()?.as_ref().map(Current::status)
    }

    /// Ends the walk because the process ends; the next process continues it.
    pub fn interrupt(&self) {
        self.stopping.cancel();
    }

    /// The walk that is under way, or the last one.
    pub fn status(&self) -> Option<WarmStatus> {
        self.current.borrow().as_ref().map(Current::status)
    }

    fn update(&self, change: impl FnOnce(&mut Current)) {
        self.current.send_modify(|current| _ = current.as_mut().map(change));
    }

    async fn save(&self) {
        let record = self.current.borrow().as_ref().map(|current| current.record.clone());
        self.disk.put_walk(record.and_then(|record| record.to_saved())).await;
    }

    /// Notes that all before `place` are done; the end of the last page is no place.
    fn note_done(&self, done: u64, failed: u64, place: Option<Place>) {
        self.update(|Current { record, .. }| {
            record.done += done;
            record.failed += failed;
            record.place = place.or(record.place.take());
        });
    }

    /// Saves the end of a walk before anybody can see it: a new walk must not be overwritten by the old one.
    async fn end(&self, state: WarmState, problem: Option<String>) {
        let record = self.current.borrow().as_ref().map(|current| current.record.clone());
        let saved = record.and_then(|record| record.with(state).to_saved());
        self.disk.put_walk(saved).await;
        self.update(|current| {
            current.record.state = state;
            current.problem = problem;
        });
    }
}

impl Current {
    fn new(record: WalkRecord) -> Self {
        Self { record, total: None, problem: None, stop: CancellationToken::new() }
    }

    fn is_running(&self) -> bool {
        self.record.state == WarmState::Running
    }

    fn status(&self) -> WarmStatus {
        let WalkRecord { state, rate, started_at, done, failed, .. } = self.record;
        let problem = self.problem.clone();
        WarmStatus { state, rate, started_at, done, failed, total: self.total, problem }
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
