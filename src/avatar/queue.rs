//! [`Queue`]: how many refreshes run at one time, and who is next.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::model::{AvatarId, Provider, Timestamp};

/// The right to run one refresh; freed when dropped.
#[derive(Debug)]
pub(super) struct Place {
    queue: Arc<Queue>,
    provider: Provider,
}

/// The queue is full of avatars that were viewed later, or this one fell out of it. It comes back with its next view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// A bounded number of places, and a bounded queue before them in which the most recently viewed is next.
///
/// A provider gets at most three quarters of the places, so that one that hangs leaves room for the others.
#[derive(Debug)]
pub(super) struct Queue {
    places: usize,
    capacity: usize,
    // A plain mutex: held for map operations, never across an await, and a hit does not come here.
    state: Mutex<State>,
}

type Key = (Timestamp, u64);

#[derive(Debug, Default)]
struct State {
    /// Of each provider that has been asked, so no more than are configured.
    lanes: BTreeMap<Provider, Lane>,
    next: u64,
    keys: HashMap<AvatarId, (Provider, Key)>,
}

/// The refreshes of one provider.
#[derive(Debug, Default)]
struct Lane {
    running: usize,
    waiting: BTreeMap<Key, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    id: AvatarId,
    admit: oneshot::Sender<Place>,
}

impl Queue {
    pub(super) fn new(places: usize, capacity: usize) -> Arc<Self> {
        Arc::new(Self { places, capacity, state: Mutex::default() })
    }

    /// A place now or when one is free and nobody who was viewed later waits for it.
    pub(super) async fn enter(
        self: &Arc<Self>,
        id: &AvatarId,
        provider: Provider,
        viewed_at: Timestamp,
    ) -> Result<Place, Full> {
        let admitted = {
            let mut state = self.lock();
            if self.has_room(&state, provider) {
                state.lane(provider).running += 1;
                return Ok(Place { queue: self.clone(), provider });
            }
            let (admit, admitted) = oneshot::channel();
            let key = (viewed_at, state.next);
            state.next += 1;
            state.lane(provider).waiting.insert(key, Waiter { id: id.clone(), admit });
            state.keys.insert(id.clone(), (provider, key));
            self.shed(&mut state);
            admitted
        };
        admitted.await.map_err(|_| Full)
    }

    /// Notes that one who waits was viewed again.
    pub(super) fn viewed(&self, id: &AvatarId, at: Timestamp) {
        let mut state = self.lock();
        let Some(&(provider, old)) = state.keys.get(id) else { return };
        let lane = state.lane(provider);
        let Some(waiter) = lane.waiting.remove(&old) else { return };
        let key = (at.max(old.0), old.1);
        lane.waiting.insert(key, waiter);
        state.keys.insert(id.clone(), (provider, key));
    }

    /// How many run and how many wait.
    pub(super) fn depth(&self) -> (usize, usize) {
        let state = self.lock();
        (state.running(), state.keys.len())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn share(&self) -> usize {
        (self.places * 3).div_ceil(4)
    }

    fn has_room(&self, state: &State, provider: Provider) -> bool {
        let running = state.lanes.get(&provider).map_or(0, |lane| lane.running);
        state.running() < self.places && running < self.share()
    }

    /// Lets the least recently viewed fall out while too many wait: its sender is dropped.
    fn shed(&self, state: &mut State) {
        while state.keys.len() > self.capacity {
            let lanes = state.lanes.iter();
            let oldest =
                lanes.filter_map(|(provider, lane)| Some((*lane.waiting.keys().next()?, *provider))).min();
            let Some((key, provider)) = oldest else { return };
            if let Some(waiter) = state.lane(provider).waiting.remove(&key) {
                state.keys.remove(&waiter.id);
            }
        }
    }

    /// Gives free places to those who were viewed last.
    fn admit(self: &Arc<Self>) {
        let mut state = self.lock();
        // Places whose waiter has gone are dropped after the lock: dropping one comes here again.
        let mut refused = Vec::new();
        while let Some((key, provider)) = state
            .lanes
            .iter()
            .filter(|(provider, _)| self.has_room(&state, **provider))
            .filter_map(|(provider, lane)| Some((*lane.waiting.keys().next_back()?, *provider)))
            .max()
        {
            let lane = state.lane(provider);
            let Some(waiter) = lane.waiting.remove(&key) else { break };
            lane.running += 1;
            state.keys.remove(&waiter.id);
            if let Err(place) = waiter.admit.send(Place { queue: self.clone(), provider }) {
                refused.push(place);
            }
        }
        drop(state);
        drop(refused);
    }
}

impl State {
    fn lane(&mut self, provider: Provider) -> &mut Lane {
        self.lanes.entry(provider).or_default()
    }

    fn running(&self) -> usize {
        self.lanes.values().map(|lane| lane.running).sum()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.lock().lane(self.provider).running -= 1;
        self.queue.admit();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    fn id(text: &str) -> AvatarId {
        AvatarId::parse(text).unwrap()
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[tokio::test]
    async fn the_most_recently_viewed_is_next() {
        let queue = Queue::new(1, 10);
        let running = queue.enter(&id("a"), Provider::Facebook, at(0)).await.unwrap();
        let (b, c) = (id("b"), id("c"));
        let mut old = Box::pin(queue.enter(&b, Provider::Facebook, at(1)));
        let mut new = Box::pin(queue.enter(&c, Provider::Facebook, at(2)));
        assert!(futures_util::poll!(&mut old).is_pending());
        assert!(futures_util::poll!(&mut new).is_pending());
        drop(running);
        assert!(futures_util::poll!(&mut old).is_pending());
        assert!(matches!(futures_util::poll!(&mut new), Poll::Ready(Ok(_))));
    }

    #[tokio::test]
    async fn a_new_view_moves_one_forward() {
        let queue = Queue::new(1, 10);
        let running = queue.enter(&id("a"), Provider::Facebook, at(0)).await.unwrap();
        let (b, c) = (id("b"), id("c"));
        let mut first = Box::pin(queue.enter(&b, Provider::Facebook, at(1)));
        let mut second = Box::pin(queue.enter(&c, Provider::Facebook, at(2)));
        assert!(futures_util::poll!(&mut first).is_pending());
        assert!(futures_util::poll!(&mut second).is_pending());
        queue.viewed(&b, at(3));
        drop(running);
        let admitted = futures_util::poll!(&mut first);
        assert!(matches!(admitted, Poll::Ready(Ok(_))));
        assert!(futures_util::poll!(&mut second).is_pending());
    }

    #[tokio::test]
    async fn beyond_its_capacity_the_least_recently_viewed_falls_out() {
        let queue = Queue::new(1, 1);
        let _running = queue.enter(&id("a"), Provider::Facebook, at(0)).await.unwrap();
        let (b, c) = (id("b"), id("c"));
        let mut old = Box::pin(queue.enter(&b, Provider::Facebook, at(1)));
        assert!(futures_util::poll!(&mut old).is_pending());
        let mut new = Box::pin(queue.enter(&c, Provider::Telegram, at(2)));
        assert!(futures_util::poll!(&mut new).is_pending());
        assert_eq!(old.await.unwrap_err(), Full);
        assert_eq!(queue.depth(), (1, 1));
    }

    #[tokio::test]
    async fn a_provider_that_hangs_leaves_room_for_the_others() {
        let queue = Queue::new(4, 10);
        let mut places = Vec::new();
        for name in ["a", "b", "c"] {
            places.push(queue.enter(&id(name), Provider::Instagram, at(0)).await.unwrap());
        }
        let d = id("d");
        let mut fourth = Box::pin(queue.enter(&d, Provider::Instagram, at(9)));
        assert!(futures_util::poll!(&mut fourth).is_pending());
        assert!(queue.enter(&id("e"), Provider::Telegram, at(1)).await.is_ok());
    }

    #[tokio::test]
    async fn a_place_whose_waiter_has_gone_goes_to_the_next() {
        let queue = Queue::new(1, 10);
        let running = queue.enter(&id("a"), Provider::Facebook, at(0)).await.unwrap();
        let (b, c) = (id("b"), id("c"));
        let mut stays = Box::pin(queue.enter(&b, Provider::Facebook, at(1)));
        let mut leaves = Box::pin(queue.enter(&c, Provider::Facebook, at(2)));
        assert!(futures_util::poll!(&mut stays).is_pending());
        assert!(futures_util::poll!(&mut leaves).is_pending());
        drop(leaves);
        drop(running);
        assert!(stays.await.is_ok());
        assert_eq!(queue.depth(), (0, 0));
    }
}
