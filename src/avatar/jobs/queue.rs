//! [`JobQueue`]: avatars to refresh that no view waits for: their connections were created or updated.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::avatar::refresh::Urgency;
use crate::model::{AvatarId, Generation};

/// Jobs that wait or run at one time.
const MAX_JOBS: usize = 10_000;

/// Too many jobs are left: none was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobQueueFull;

/// Jobs in the order of their arrival, and the workers that run them. The workers are few, so that views find room in the
/// queue of refreshes.
#[derive(Debug)]
pub(super) struct JobQueue {
    room: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    closed: CancellationToken,
    added: Notify,
    ended: Notify,
    // A plain mutex: held for map operations, never across an await, and no view comes here.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many were ever accepted.
    accepted: u64,
    failed: u64,
    waiting: BTreeMap<u64, AvatarId>,
    jobs: HashMap<AvatarId, Waiting>,
    under_way: BTreeSet<u64>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    urgency: Urgency,
    generation: Generation,
    failures: Option<Failures>,
    room: OwnedSemaphorePermit,
}

/// How many jobs of one caller brought no current picture.
pub(super) type Failures = Arc<AtomicU64>;

/// Room for jobs that are about to be added.
#[derive(Debug)]
pub(super) struct Room(OwnedSemaphorePermit);

/// One avatar to refresh; the job is done when this is dropped.
#[derive(Debug)]
pub(super) struct Job<'b> {
    pub(super) id: AvatarId,
    pub(super) urgency: Urgency,
    /// The generation of its hook: a later deletion calls it off.
    pub(super) generation: Generation,
    number: u64,
    failures: Option<Failures>,
    queue: &'b JobQueue,
    _room: OwnedSemaphorePermit,
}

impl JobQueue {
    /// A queue with this many workers.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(MAX_JOBS)),
            workers: Arc::new(Semaphore::new(workers)),
            closed: CancellationToken::new(),
            added: Notify::new(),
            ended: Notify::new(),
            state: Mutex::default(),
        }
    }

    /// Room for this many jobs, all or none: a caller that is refused sends the same hook again.
    ///
    /// # Errors
    /// Too many jobs are left, or the process stops and would run none of them.
    pub(super) fn reserve(&self, count: usize) -> Result<Room, JobQueueFull> {
        if self.is_closed() {
            return Err(JobQueueFull);
        }
        let count = u32::try_from(count).map_err(|_| JobQueueFull)?;
        self.room.clone().try_acquire_many_owned(count).map(Room).map_err(|_| JobQueueFull)
    }

    /// Adds jobs, and returns the number up to which all must be done for these to be. A job that waits already keeps its
    /// place and takes the higher urgency of the two. A job that fails is counted in `failures`.
    pub(super) fn add(
        &self,
        mut room: Room,
        ids: &[AvatarId],
        urgency: Urgency,
        generation: Generation,
        failures: Option<&Failures>,
    ) -> u64 {
        let mut state = self.state.lock();
        for id in ids {
            if let Some(waiting) = state.jobs.get_mut(id) {
                waiting.generation = generation;
                waiting.failures = waiting.failures.take().or_else(|| failures.cloned());
                if urgency == Urgency::Forced {
                    waiting.urgency = urgency;
                }
                continue;
            }
            // The room has a permit for each id.
            let Some(room) = room.0.split(1) else { break };
            let number = state.accepted;
            state.accepted += 1;
            state.waiting.insert(number, id.clone());
            let failures = failures.cloned();
            state.jobs.insert(id.clone(), Waiting { number, urgency, generation, failures, room });
        }
        self.added.notify_one();
        state.accepted
    }

    /// The next job.
    pub(super) fn next(&self) -> Option<Job<'_>> {
        if self.is_closed() {
            return None;
        }
        let mut state = self.state.lock();
        let (_, id) = state.waiting.pop_first()?;
        let Waiting { number, urgency, generation, failures, room } = state.jobs.remove(&id)?;
        state.under_way.insert(number);
        Some(Job { id, urgency, generation, number, failures, queue: self, _room: room })
    }

    /// As many workers as are free and find a job.
    pub(super) fn workers(&self) -> Vec<OwnedSemaphorePermit> {
        if self.is_closed() {
            return Vec::new();
        }
        let waiting = self.state.lock().waiting.len();
        (0..waiting).map_while(|_| self.workers.clone().try_acquire_owned().ok()).collect()
    }

    /// How many were accepted, up to which number all are done, and how many failed.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let state = self.state.lock();
        let oldest = [state.waiting.keys().next(), state.under_way.first()].into_iter().flatten().min();
        (state.accepted, oldest.copied().unwrap_or(state.accepted), state.failed)
    }

    /// Up to which number all jobs are done. `None` once the queue is closed: a job may have been given up since.
    pub(super) fn done(&self) -> Option<u64> {
        let (_, done, _) = self.counts();
        (!self.is_closed()).then_some(done)
    }

    /// How many jobs wait for a worker.
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Returns when jobs were added since the last call; false once the queue is closed. For one caller.
    pub(super) async fn added(&self) -> bool {
        tokio::select! {
            () = self.added.notified() => true,
            () = self.closed() => false,
        }
    }

    /// Returns when a job has ended since the last call. For one caller.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }

    /// Drops the jobs that wait and ends their pauses: the process stops.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    /// Whether the process stops.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Returns when it is closed.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }
}

impl Job<'_> {
    /// Counts it among those that brought no current picture.
    pub(super) fn fail(&self) {
        self.queue.state.lock().failed += 1;
        if let Some(failures) = &self.failures {
            failures.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        self.queue.state.lock().under_way.remove(&self.number);
        self.queue.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Vec<AvatarId> {
        names.iter().map(|name| AvatarId::parse(name).unwrap()).collect()
    }

    fn add(queue: &JobQueue, names: &[&str], urgency: Urgency) -> u64 {
        add_counted(queue, names, urgency, None)
    }

    fn add_counted(queue: &JobQueue, names: &[&str], urgency: Urgency, failures: Option<&Failures>) -> u64 {
        let room = queue.reserve(names.len()).unwrap();
        queue.add(room, &ids(names), urgency, Generation(1), failures)
    }

    #[test]
    fn a_failure_is_counted_for_the_first_caller_that_asked_for_a_count() {
        let (queue, first, second) = (JobQueue::new(1), Failures::default(), Failures::default());
        add(&queue, &["hook"], Urgency::View);
        assert_eq!(add_counted(&queue, &["a", "b"], Urgency::View, Some(&first)), 3);
        assert_eq!(add_counted(&queue, &["b", "c"], Urgency::View, Some(&second)), 4);
        std::iter::from_fn(|| queue.next()).for_each(|job| job.fail());
        assert_eq!((first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)), (2, 1));
        assert_eq!(queue.counts(), (4, 4, 4));
    }

    #[tokio::test]
    async fn a_closed_queue_does_not_say_which_jobs_are_done() {
        let queue = JobQueue::new(1);
        add(&queue, &["a", "b"], Urgency::View);
        drop(queue.next());
        assert_eq!((queue.done(), queue.waiting()), (Some(1), 1));
        assert!(queue.added().await);
        queue.close();
        assert_eq!(queue.done(), None);
        assert!(!queue.added().await);
    }

    #[test]
    fn jobs_run_in_the_order_of_their_arrival() {
        let queue = JobQueue::new(1);
        add(&queue, &["a", "b"], Urgency::View);
        add(&queue, &["c"], Urgency::View);
        let order: Vec<String> = std::iter::from_fn(|| queue.next()).map(|job| job.id.to_string()).collect();
        assert_eq!(order, ["a", "b", "c"]);
    }

    #[test]
    fn progress_ends_before_the_oldest_job_that_is_not_done() {
        let queue = JobQueue::new(2);
        add(&queue, &["a", "b", "c"], Urgency::View);
        assert_eq!(queue.counts(), (3, 0, 0));
        let (a, b) = (queue.next().unwrap(), queue.next().unwrap());
        drop(b);
        assert_eq!(queue.counts(), (3, 0, 0), "the oldest is under way");
        a.fail();
        drop(a);
        assert_eq!(queue.counts(), (3, 2, 1));
        drop(queue.next());
        assert_eq!(queue.counts(), (3, 3, 1));
    }

    #[test]
    fn a_job_that_is_added_twice_runs_once_with_the_higher_urgency() {
        let queue = JobQueue::new(1);
        add(&queue, &["a"], Urgency::View);
        add(&queue, &["a"], Urgency::Forced);
        add(&queue, &["a"], Urgency::View);
        assert_eq!(queue.next().map(|job| job.urgency), Some(Urgency::Forced));
        assert!(queue.next().is_none());
    }

    #[test]
    fn the_queue_is_bounded_and_takes_all_jobs_of_a_hook_or_none() {
        let queue = JobQueue::new(1);
        let names: Vec<String> = (0..MAX_JOBS - 1).map(|n| n.to_string()).collect();
        add(&queue, &names.iter().map(String::as_str).collect::<Vec<_>>(), Urgency::View);
        assert_eq!(queue.reserve(2).unwrap_err(), JobQueueFull);
        assert_eq!(queue.state.lock().waiting.len(), MAX_JOBS - 1);
        drop(queue.next());
        assert!(queue.reserve(2).is_ok());
        add(&queue, &["1", "2"], Urgency::View);
        assert!(queue.reserve(2).is_ok(), "a job that waited already took no room");
    }

    #[test]
    fn there_are_never_more_workers_than_jobs_and_none_after_the_close() {
        let queue = JobQueue::new(3);
        assert_eq!(queue.workers().len(), 0);
        add(&queue, &["a", "b"], Urgency::View);
        let workers = queue.workers();
        assert_eq!((workers.len(), queue.workers().len()), (2, 1));
        queue.close();
        assert!(queue.next().is_none() && queue.workers().is_empty());
        assert_eq!(queue.reserve(1).unwrap_err(), JobQueueFull, "no job is accepted that would not run");
    }
}
