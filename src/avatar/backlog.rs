//! [`Backlog`]: avatars to refresh for which nobody waits, because somebody told that they are new or have changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::service::Urgency;
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
    room: OwnedSemaphorePermit,
}

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
            state: Mutex::default(),
        }
    }

    /// Places for so many chores, all or none: who is refused sends the same once more.
    ///
    /// # Errors
    /// Too many chores are left, or the process stops and would do none of them.
    pub(super) fn reserve(&self, count: usize) -> Result<Room, BacklogFull> {
        if self.is_closed() {
            return Err(BacklogFull);
        }
        let count = u32::try_from(count).map_err(|_| BacklogFull)?;
        self.room.clone().try_acquire_many_owned(count).map(Room).map_err(|_| BacklogFull)
    }

    /// Adds chores. One that waits already keeps its place, and becomes as urgent as the more urgent of the two.
    pub(super) fn add(&self, mut room: Room, ids: &[AvatarId], urgency: Urgency, generation: Generation) {
        let mut state = self.lock();
        for id in ids {
            if let Some(waiting) = state.chores.get_mut(id) {
                waiting.generation = generation;
                if urgency == Urgency::Forced {
                    waiting.urgency = urgency;
                }
                continue;
            }
            let Some(room) = room.0.split(1) else { return };
            let number = state.accepted;
            state.accepted += 1;
            state.waiting.insert(number, id.clone());
            state.chores.insert(id.clone(), Waiting { number, urgency, generation, room });
        }
    }

    /// The next chore.
    pub(super) fn next(&self) -> Option<Chore<'_>> {
        if self.is_closed() {
            return None;
        }
        let mut state = self.lock();
        let (_, id) = state.waiting.pop_first()?;
        let Waiting { number, urgency, generation, room } = state.chores.remove(&id)?;
        state.under_way.insert(number);
        Some(Chore { id, urgency, generation, number, backlog: self, _room: room })
    }

    /// As many hands as are free and find something to do.
    pub(super) fn hands(&self) -> Vec<OwnedSemaphorePermit> {
        if self.is_closed() {
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

    /// Chores that wait are dropped, and pauses end: the process stops.
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chore<'_> {
    /// Counts it as one that brought no current picture.
    pub(super) fn fail(&self) {
        self.backlog.lock().failed += 1;
    }
}

impl Drop for Chore<'_> {
    fn drop(&mut self) {
        self.backlog.lock().under_way.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Vec<AvatarId> {
        names.iter().map(|name| AvatarId::parse(name).unwrap()).collect()
    }

    fn add(backlog: &Backlog, names: &[&str], urgency: Urgency) {
        let room = backlog.reserve(names.len()).unwrap();
        backlog.add(room, &ids(names), urgency, Generation(1));
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
        assert_eq!(backlog.reserve(1).unwrap_err(), BacklogFull, "nothing is accepted that nobody would do");
    }
}
