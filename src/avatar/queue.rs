//! [`Queue`]: how many refreshes run at one time, and who is next.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::model::{AvatarId, Provider, Timestamp};

/// How often it is looked at the clock while somebody waits for a pace.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The right to run one refresh; freed when dropped.
#[derive(Debug)]
pub(super) struct Place {
    queue: Arc<Queue>,
    provider: Provider,
}

/// The queue is full of avatars that were viewed later, this one fell out of it, or the process ends. It comes back with
/// its next view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// The bounds of a [`Queue`].
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// Refreshes at one time.
    pub(super) places: usize,
    /// Refreshes that wait.
    pub(super) waiting: usize,
    /// Refreshes of one provider at one time, where it has a bound of its own.
    pub(super) of_provider: HashMap<Provider, usize>,
}

/// A bounded number of places, and a bounded queue before them in which the most recently viewed is next.
///
/// A provider gets at most three quarters of the places, so that one that hangs leaves room for the others. One whose
/// quota is nearly used up gets one place at a time, and that not before its pace allows.
#[derive(Debug)]
pub(super) struct Queue {
    bounds: Bounds,
    clock: Clock,
    tracker: TaskTracker,
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
    /// A task looks at the clock for those who wait for a pace.
    is_watched: bool,
    is_closed: bool,
}

/// The refreshes of one provider.
#[derive(Debug)]
struct Lane {
    running: usize,
    waiting: BTreeMap<Key, Waiter>,
    /// Between two refreshes; none = as fast as there are places.
    every: Option<Duration>,
    /// When the next may begin.
    next: Timestamp,
}

#[derive(Debug)]
struct Waiter {
    id: AvatarId,
    admit: oneshot::Sender<Place>,
}

impl Queue {
    pub(super) fn new(bounds: Bounds, clock: Clock, tracker: TaskTracker) -> Arc<Self> {
        Arc::new(Self { bounds, clock, tracker, state: Mutex::default() })
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
            if state.is_closed {
                return Err(Full);
            }
            if self.has_room(&state, provider) {
                self.begin(&mut state, provider);
                return Ok(Place { queue: self.clone(), provider });
            }
            let (admit, admitted) = oneshot::channel();
            let key = (viewed_at, state.next);
            state.next += 1;
            state.lane(provider).waiting.insert(key, Waiter { id: id.clone(), admit });
            state.keys.insert(id.clone(), (provider, key));
            self.shed(&mut state);
            self.watch(&mut state);
            admitted
        };
        admitted.await.map_err(|_| Full)
    }

    /// Sets how long a provider is left alone between two refreshes; `None` = as fast as there are places.
    pub(super) fn pace(self: &Arc<Self>, provider: Provider, every: Option<Duration>) {
        let now = self.clock.now();
        let mut state = self.lock();
        let lane = state.lane(provider);
        if lane.every != every {
            lane.every = every;
            lane.next = every.map_or(Timestamp::EPOCH, |every| now + every);
            self.watch(&mut state);
            drop(state);
            self.admit();
        }
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

    /// Sends away all who wait, and who come from now on: the process ends.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.keys.clear();
        state.lanes.values_mut().for_each(|lane| lane.waiting.clear());
    }

    /// How many run and how many wait.
    pub(super) fn depth(&self) -> (usize, usize) {
        let state = self.lock();
        (state.running(), state.keys.len())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many refreshes of a provider may run at one time.
    fn share(&self, provider: Provider, lane: Option<&Lane>) -> usize {
        match lane.and_then(|lane| lane.every) {
            Some(_) => 1,
            None => {
                let share = (self.bounds.places * 3).div_ceil(4);
                self.bounds.of_provider.get(&provider).map_or(share, |bound| share.min(*bound))
            }
        }
    }

    fn has_room(&self, state: &State, provider: Provider) -> bool {
        let lane = state.lanes.get(&provider);
        state.running() < self.bounds.places
            && lane.map_or(0, |lane| lane.running) < self.share(provider, lane)
            && lane.is_none_or(|lane| lane.every.is_none() || lane.next <= self.clock.now())
    }

    fn begin(&self, state: &mut State, provider: Provider) {
        let lane = state.lane(provider);
        lane.running += 1;
        if let Some(every) = lane.every {
            lane.next = self.clock.now() + every;
        }
    }

    /// Lets the least recently viewed fall out while too many wait: its sender is dropped.
    fn shed(&self, state: &mut State) {
        while state.keys.len() > self.bounds.waiting {
            let lanes = state.lanes.iter();
            let oldest =
                lanes.filter_map(|(provider, lane)| Some((*lane.waiting.keys().next()?, *provider))).min();
            let Some((key, provider)) = oldest else { return };
            if let Some(waiter) = state.lane(provider).waiting.remove(&key) {
                state.keys.remove(&waiter.id);
            }
        }
    }

    /// Nobody leaves when a pace allows the next one, so the clock is looked at while somebody waits for it.
    fn watch(self: &Arc<Self>, state: &mut State) {
        if state.is_watched || !state.waits_for_pace() {
            return;
        }
        state.is_watched = true;
        let queue = self.clone();
        self.tracker.spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                queue.admit();
                let mut state = queue.lock();
                state.is_watched = state.waits_for_pace();
                if !state.is_watched {
                    return;
                }
            }
        });
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
            let Some(waiter) = state.lane(provider).waiting.remove(&key) else { break };
            state.keys.remove(&waiter.id);
            self.begin(&mut state, provider);
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
        self.lanes.entry(provider).or_insert(Lane {
            running: 0,
            waiting: BTreeMap::new(),
            every: None,
            next: Timestamp::EPOCH,
        })
    }

    fn running(&self) -> usize {
        self.lanes.values().map(|lane| lane.running).sum()
    }

    fn waits_for_pace(&self) -> bool {
        self.lanes.values().any(|lane| lane.every.is_some() && !lane.waiting.is_empty())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.lock().lane(self.provider).running -= 1;
        self.queue.admit();
    }
}
