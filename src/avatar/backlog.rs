//! [`Backlog`]: avatars to refresh for which nobody waits, because somebody told that they are new or have changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::urgency::Urgency;
use crate::model::{AvatarId, Generation};

/// Chores that wait or are done at one time.
const MOST: usize = 10_000;

/// Too many chores are left: nothing was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BacklogFull;

/// Chores in the order in which they came, and the hands that do them. They are few, so that views find room in the queue
/// of refreshes.
#[derive(Debug)]
pub(super) struct Backlog {
    room: Arc<Semaphore>,
    hands: Arc<Semaphore>,
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
    chores: HashMap<AvatarId, Waiting>,
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

/// How many chores of one caller brought no current picture.
pub(super) type Failures = Arc<AtomicU64>;

/// Places for chores that are about to be added.
#[derive(Debug)]
pub(super) struct Room(OwnedSemaphorePermit);

/// One avatar to refresh; it is done when this is dropped.
#[derive(Debug)]
pub(super) struct Chore<'b> {
    pub(super) id: AvatarId,
    pub(super) urgency: Urgency,
    /// When it was asked for: a later deletion calls it off.
    pub(super) generation: Generation,
    number: u64,
    failures: Option<Failures>,
    backlog: &'b Backlog,
    _room: OwnedSemaphorePermit,
}

impl Backlog {
    /// With so many hands.
    pub(super) fn new(hands: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(MOST)),
            hands: Arc::new(Semaphore::new(hands)),
            closed: CancellationToken::new(),
            added: Notify::new(),
            ended: Notify::new(),
            state: Mutex::default(),
        }
    }

    /// Places for so many chores, all or none: who is refused sends the same once more.
    pub(super) fn reserve(&self, count: usize) -> Result<Room, BacklogFull> {
        let count = u32::try_from(count).map_err(|_| BacklogFull)?;
        self.room.clone().try_acquire_many_owned(count).map(Room).map_err(|_| BacklogFull)
    }

    /// Adds chores; all of them are done when the first so many are, as returned. One that waits already keeps its place, and
    /// becomes as urgent as the more urgent of the two. A chore that fails is counted in `failures`.
    pub(super) fn add(
        &self,
        mut room: Room,
        ids: &[AvatarId],
        urgency: Urgency,
        generation: Generation,
        failures: Option<&Failures>,
    ) -> u64 {
        let mut state = self.lock();
        for id in ids {
            if let Some(waiting) = state.chores.get_mut(id) {
                waiting.generation = generation;
                waiting.failures = waiting.failures.take().or_else(|| failures.cloned());
                if urgency == Urgency::Forced {
                    waiting.urgency = urgency;
                }
                continue;
            }
            // There is one for each id.
            let Some(room) = room.0.split(1) else { break };
            let number = state.accepted;
            state.accepted += 1;
            state.waiting.insert(number, id.clone());
            let failures = failures.cloned();
            state.chores.insert(id.clone(), Waiting { number, urgency, generation, failures, room });
        }
        self.added.notify_one();
        state.accepted
    }

    /// The next chore.
    pub(super) fn next(&self) -> Option<Chore<'_>> {
        if self.closed.is_cancelled() {
            return None;
        }
        let mut state = self.lock();
        let (_, id) = state.waiting.pop_first()?;
        let Waiting { number, urgency, generation, failures, room } = state.chores.remove(&id)?;
        state.under_way.insert(number);
        Some(Chore { id, urgency, generation, number, failures, backlog: self, _room: room })
    }

    /// As many hands as are free and find something to do.
    pub(super) fn hands(&self) -> Vec<OwnedSemaphorePermit> {
        if self.closed.is_cancelled() {
            return Vec::new();
        }
        let waiting = self.lock().waiting.len();
        (0..waiting).map_while(|_| self.hands.clone().try_acquire_owned().ok()).collect()
    }

    /// How many were accepted, how many of the first are all done, and how many failed.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let state = self.lock();
        let oldest = [state.waiting.keys().next(), state.under_way.first()].into_iter().flatten().min();
        (state.accepted, oldest.copied().unwrap_or(state.accepted), state.failed)
    }

    /// How many of the first are all done. `None` once it is closed: a chore may have been given up since.
    pub(super) fn done(&self) -> Option<u64> {
        let (_, done, _) = self.counts();
        (!self.closed.is_cancelled()).then_some(done)
    }

    /// How many wait for a worker.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Returns when chores were added since the last call; false once it is closed. For one caller.
    pub(super) async fn added(&self) -> bool {
        tokio::select! {
            () = self.added.notified() => true,
            () = self.closed() => false,
        }
    }

    /// Returns when a chore has ended since the last call. For one caller.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }

    /// Chores that wait are dropped, and pauses end: the process stops.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    /// Returns when it is closed.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chore<'_> {
    /// Counts it as one that brought no current picture.
    pub(super) fn fail(&self) {
        self.backlog.lock().failed += 1;
        if let Some(failures) = &self.failures {
            failures.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Chore<'_> {
    fn drop(&mut self) {
        self.backlog.lock().under_way.remove(&self.number);
        self.backlog.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Vec<AvatarId> {
        names.iter().map(|name| AvatarId::parse(name).unwrap()).collect()
    }

    fn add(backlog: &Backlog, names: &[&str], urgency: Urgency) -> u64 {
        add_counted(backlog, names, urgency, None)
    }

    fn add_counted(backlog: &Backlog, names: &[&str], urgency: Urgency, failures: Option<&Failures>) -> u64 {
        let room = backlog.reserve(names.len()).unwrap();
        backlog.add(room, &ids(names), urgency, Generation(1), failures)
    }

    #[test]
    fn the_first_that_came_is_the_first_that_is_done() {
        let backlog = Backlog::new(1);
        add(&backlog, &["a", "b"], Urgency::View);
        add(&backlog, &["c"], Urgency::View);
        let order: Vec<String> =
            std::iter::from_fn(|| backlog.next()).map(|chore| chore.id.to_string()).collect();
        assert_eq!(order, ["a", "b", "c"]);
    }

    #[test]
    fn what_is_done_ends_before_the_oldest_that_is_not() {
        let backlog = Backlog::new(2);
        add(&backlog, &["a", "b", "c"], Urgency::View);
        assert_eq!(backlog.counts(), (3, 0, 0));
        let (a, b) = (backlog.next().unwrap(), backlog.next().unwrap());
        drop(b);
        assert_eq!(backlog.counts(), (3, 0, 0), "the oldest is under way");
        a.fail();
        drop(a);
        assert_eq!(backlog.counts(), (3, 2, 1));
        drop(backlog.next());
        assert_eq!(backlog.counts(), (3, 3, 1));
    }

    #[test]
    fn one_that_waits_twice_is_done_once_and_as_urgently_as_the_more_urgent() {
        let backlog = Backlog::new(1);
        add(&backlog, &["a"], Urgency::View);
        add(&backlog, &["a"], Urgency::Forced);
        add(&backlog, &["a"], Urgency::View);
        assert_eq!(backlog.next().map(|chore| chore.urgency), Some(Urgency::Forced));
        assert!(backlog.next().is_none());
    }

    #[test]
    fn a_failure_is_counted_for_the_first_caller_who_asked_for_a_count() {
        let (backlog, first, second) = (Backlog::new(1), Failures::default(), Failures::default());
        add(&backlog, &["hook"], Urgency::View);
        assert_eq!(add_counted(&backlog, &["a", "b"], Urgency::View, Some(&first)), 3);
        assert_eq!(add_counted(&backlog, &["b", "c"], Urgency::View, Some(&second)), 4);
        std::iter::from_fn(|| backlog.next()).for_each(|chore| chore.fail());
        assert_eq!((first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)), (2, 1));
        assert_eq!(backlog.counts(), (4, 4, 4));
    }

    #[tokio::test]
    async fn once_it_is_closed_it_does_not_say_what_is_done() {
        let backlog = Backlog::new(1);
        add(&backlog, &["a", "b"], Urgency::View);
        drop(backlog.next());
        assert_eq!((backlog.done(), backlog.waiting()), (Some(1), 1));
        assert!(backlog.added().await);
        backlog.close();
        assert_eq!(backlog.done(), None);
        assert!(!backlog.added().await);
    }

    #[test]
    fn it_is_bounded_and_takes_all_of_a_request_or_nothing() {
        let backlog = Backlog::new(1);
        let names: Vec<String> = (0..MOST - 1).map(|n| n.to_string()).collect();
        add(&backlog, &names.iter().map(String::as_str).collect::<Vec<_>>(), Urgency::View);
        assert_eq!(backlog.reserve(2).unwrap_err(), BacklogFull);
        assert_eq!(backlog.lock().waiting.len(), MOST - 1);
        drop(backlog.next());
        assert!(backlog.reserve(2).is_ok());
        add(&backlog, &["1", "2"], Urgency::View);
        assert!(backlog.reserve(2).is_ok(), "what waited already took no place");
    }

    #[test]
    fn there_are_never_more_hands_than_chores_and_none_after_the_end() {
        let backlog = Backlog::new(3);
        assert_eq!(backlog.hands().len(), 0);
        add(&backlog, &["a", "b"], Urgency::View);
        let hands = backlog.hands();
        assert_eq!((hands.len(), backlog.hands().len()), (2, 1));
        backlog.close();
        assert!(backlog.next().is_none() && backlog.hands().is_empty());
    }
}
