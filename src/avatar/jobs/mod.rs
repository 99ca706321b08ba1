//! [`Jobs`]: work that no view waits for.
//!
//! Reading order: `hooks` (the dashboard's), `queue` and `workers` (avatars to refresh), `warm` (the whole directory),
//! `row_check` (rows that are read again), `sweep` and `token_expiry` (avatars without views).

mod hooks;
mod queue;
mod row_check;
mod sweep;
mod token_expiry;
mod warm;
mod workers;

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::purge::Purger;
use super::refresh::Refresher;
use super::tiers::Tiers;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::model::{Timestamp, Windows};
use crate::task_pool::TaskPool;
use queue::JobQueue;

pub use queue::JobQueueFull;
pub use warm::{WarmRate, WarmRefused, WarmState, WarmStatus, Warmer};

/// What jobs work with.
pub(super) struct JobsParts {
    pub(super) windows: Windows,
    /// Refreshes that views and jobs may run together.
    pub(super) max_refreshes: usize,
    pub(super) clock: Clock,
    pub(super) directory: Arc<Directory>,
    pub(super) tiers: Arc<Tiers>,
    pub(super) purger: Arc<Purger>,
    pub(super) refresher: Arc<Refresher>,
    pub(super) background: TaskPool,
}

/// Runs jobs.
pub struct Jobs {
    parts: JobsParts,
    queue: Arc<JobQueue>,
    warmer: Arc<Warmer>,
    row_checks: Arc<Semaphore>,
    started_at: Timestamp,
}

/// How far the jobs of accepted hooks are, since the start of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookProgress {
    /// Jobs accepted so far: the number of the last one.
    pub accepted: u64,
    /// All jobs up to this number are done.
    pub done: u64,
    /// How many of the jobs that are done brought no current picture.
    pub failed: u64,
    /// When the process began: jobs of an earlier one are done or lost.
    pub started_at: Timestamp,
}

/// How a sweep went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepReport {
    /// The numbers of avatars that were deleted, and that were compared.
    Deleted(usize, usize),
    /// More than a fifth would have gone: nothing was deleted.
    Stopped(usize, usize),
    /// The directory could not be asked: nothing was deleted.
    Failed,
}

/// Rows that are read in the background at one time; a later view has the others read.
const ROW_CHECKS: usize = 64;

/// Jobs get one permit of this many, views the others.
const WORKERS_SHARE: usize = 4;

impl Jobs {
    /// Starts the workers, and reads how far an earlier process came with warming.
    pub(super) async fn start(parts: JobsParts) -> Arc<Self> {
        let queue = Arc::new(JobQueue::new((parts.max_refreshes / WORKERS_SHARE).max(1)));
        let (directory, tiers) = (parts.directory.clone(), parts.tiers.clone());
        let (clock, background) = (parts.clock.clone(), parts.background.clone());
        let warmer = Warmer::open(directory, queue.clone(), tiers, clock, background).await;
        let jobs = Arc::new(Self {
            queue,
            warmer,
            row_checks: Arc::new(Semaphore::new(ROW_CHECKS)),
            started_at: parts.clock.now(),
            parts,
        });
        jobs.run_workers();
        jobs
    }

    /// Walks the directory ahead of the first views.
    pub fn warmer(&self) -> &Arc<Warmer> {
        &self.warmer
    }

    /// Begins no more jobs: the process stops.
    pub fn close(&self) {
        // First: a refresh that the stop refuses must not count as a visited connection.
        self.warmer.interrupt();
        self.queue.close();
    }
}
