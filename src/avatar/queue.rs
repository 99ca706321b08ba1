//! [`Queue`]: how many refreshes run at one time, and who is next.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::background::Background;
use crate::clock::Clock;
use crate::model::{AvatarId, Provider, Timestamp};

/// The right to run one refresh; freed when dropped.
#[derive(Debug)]
pub(super) struct Place {
    queue: Arc<Queue>,
    provider: Provider,
    /// Taken whatever the pace, for a refresh that begins without a call.
    at_once: bool,
}

impl Place {
    /// Whether it is one among those of that provider.
    pub(super) fn is_for(&self, provider: Provider) -> bool {
        self.provider == provider
    }

    /// Whether it must not end in a call of the provider's API: it was taken out of turn, and others wait for theirs.
    pub(super) fn is_out_of_turn(&self) -> bool {
        self.at_once && self.queue.next_turn(self.provider).is_some()
    }
}

/// Why a refresh got no place. The avatar's next view asks for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// The queue is full of avatars that were viewed later.
    Full,
    /// The process stops.
    Closed,
}

/// How slowly a provider is asked whose quota is nearly used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Between two refreshes.
    pub(super) every: Duration,
    /// Then it is over, if nothing more was heard.
    pub(super) until: Timestamp,
}

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
    background: Background,
    /// The watched time is another.
    changed: Notify,
    closed: CancellationToken,
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
    /// A task waits for this time, at which a pace allows the next one.
    watched: Option<Timestamp>,
}

/// The refreshes of one provider.
#[derive(Debug)]
struct Lane {
    running: usize,
    /// So many of them were begun whatever the pace.
    at_once: usize,
    waiting: BTreeMap<Key, Waiter>,
    /// None = as fast as there are places.
    pace: Option<Pace>,
    /// When the next may begin.
    next: Timestamp,
}

#[derive(Debug)]
struct Waiter {
    id: AvatarId,
    admit: oneshot::Sender<Place>,
}

impl Queue {
    pub(super) fn new(bounds: Bounds, clock: Clock, background: Background) -> Arc<Self> {
        let (changed, closed) = (Notify::new(), CancellationToken::new());
        Arc::new(Self { bounds, clock, background, changed, closed, state: Mutex::default() })
    }

    /// A place now or when one is free and nobody who was viewed later waits for it.
    pub(super) async fn enter(
        self: &Arc<Self>,
        id: &AvatarId,
        provider: Provider,
        viewed_at: Timestamp,
    ) -> Result<Place, NoPlace> {
        let now = self.clock.now();
        let admitted = {
            let mut state = self.lock();
            if self.closed.is_cancelled() {
                return Err(NoPlace::Closed);
            }
            if self.has_room(&state, provider, now) {
                state.lane(provider).begin(now);
                return Ok(Place { queue: self.clone(), provider, at_once: false });
            }
            let (admit, admitted) = oneshot::channel();
            let key = (viewed_at, state.next);
            state.next += 1;
            state.lane(provider).waiting.insert(key, Waiter { id: id.clone(), admit });
            state.keys.insert(id.clone(), (provider, key));
            self.shed(&mut state);
            self.watch(&mut state, now);
            admitted
        };
        admitted.await.map_err(|_| match self.closed.is_cancelled() {
            true => NoPlace::Closed,
            false => NoPlace::Full,
        })
    }

    /// A place now or not at all, whatever the provider's pace: for a refresh that does not begin with a call of its API.
    pub(super) fn enter_at_once(self: &Arc<Self>, provider: Provider) -> Option<Place> {
        let mut state = self.lock();
        let running = state.lanes.get(&provider).map_or(0, |lane| lane.running);
        let has_room = state.running() < self.bounds.places && running < self.share_of(provider);
        (has_room && !self.closed.is_cancelled()).then(|| {
            let lane = state.lane(provider);
            (lane.running, lane.at_once) = (lane.running + 1, lane.at_once + 1);
            Place { queue: self.clone(), provider, at_once: true }
        })
    }

    /// Sets how long a provider is left alone between two refreshes; `None` = as fast as there are places.
    pub(super) fn pace(self: &Arc<Self>, provider: Provider, pace: Option<Pace>) {
        let now = self.clock.now();
        let mut state = self.lock();
        let lane = state.lane(provider);
        let every = |pace: Option<Pace>| pace.map(|pace| pace.every);
        let before = std::mem::replace(&mut lane.pace, pace);
        if every(before) != every(pace) {
            lane.next = pace.map_or(Timestamp::EPOCH, |pace| now + pace.every);
            drop(state);
            self.admit();
        }
    }

    /// When the next refresh of a provider may begin at the earliest, where its pace does not allow one now.
    pub(super) fn next_turn(&self, provider: Provider) -> Option<Timestamp> {
        let now = self.clock.now();
        let state = self.lock();
        let lane = state.lanes.get(&provider)?;
        lane.pace(now).filter(|_| now < lane.next || lane.asking() > 0).map(|pace| lane.next.min(pace.until))
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
        // Under the lock: whoever found it open is among those who wait.
        self.closed.cancel();
        state.keys.clear();
        state.lanes.values_mut().for_each(|lane| lane.waiting.clear());
    }

    /// Returns when it is closed.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
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
    fn share_of(&self, provider: Provider) -> usize {
        let share = (self.bounds.places * 3).div_ceil(4);
        self.bounds.of_provider.get(&provider).map_or(share, |bound| share.min(*bound))
    }

    fn has_room(&self, state: &State, provider: Provider, now: Timestamp) -> bool {
        let Some(lane) = state.lanes.get(&provider) else { return state.running() < self.bounds.places };
        state.running() < self.bounds.places
            && match lane.pace(now) {
                Some(_) => lane.asking() == 0 && lane.next <= now,
                None => lane.running < self.share_of(provider),
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

    /// Nobody leaves when a pace allows the next one, so a task waits for that time while somebody waits for it.
    ///
    /// `now` is the time at which there was no room for them, or a turn between the two would be missed.
    fn watch(self: &Arc<Self>, state: &mut State, now: Timestamp) {
        let Some(next) = state.next_look(now) else { return };
        match state.watched.replace(next) {
            Some(watched) if watched <= next => state.watched = Some(watched),
            Some(_) => self.changed.notify_one(),
            None => {
                let queue = self.clone();
                self.background.spawn(async move {
                    tokio::select! {
                        () = queue.clock.reached(next) => {}
                        () = queue.changed.notified() => {}
                        () = queue.closed() => {}
                    }
                    queue.lock().watched = None;
                    queue.admit();
                });
            }
        }
    }

    /// Gives free places to those who were viewed last.
    fn admit(self: &Arc<Self>) {
        let now = self.clock.now();
        let mut state = self.lock();
        // Places whose waiter has gone are dropped after the lock: dropping one comes here again.
        let mut refused = Vec::new();
        while let Some((key, provider)) = state
            .lanes
            .iter()
            .filter(|(provider, _)| self.has_room(&state, **provider, now))
            .filter_map(|(provider, lane)| Some((*lane.waiting.keys().next_back()?, *provider)))
            .max()
        {
            let Some(waiter) = state.lane(provider).waiting.remove(&key) else { break };
            state.keys.remove(&waiter.id);
            state.lane(provider).begin(now);
            if let Err(place) = waiter.admit.send(Place { queue: self.clone(), provider, at_once: false }) {
                refused.push(place);
            }
        }
        self.watch(&mut state, now);
        drop(state);
        drop(refused);
    }
}

impl State {
    fn lane(&mut self, provider: Provider) -> &mut Lane {
        self.lanes.entry(provider).or_insert(Lane {
            running: 0,
            at_once: 0,
            waiting: BTreeMap::new(),
            pace: None,
            next: Timestamp::EPOCH,
        })
    }

    fn running(&self) -> usize {
        self.lanes.values().map(|lane| lane.running).sum()
    }

    /// When the first of the paces for which somebody waits allows the next one, or is over. Where that time has come,
    /// those who are running are waited for.
    fn next_look(&self, now: Timestamp) -> Option<Timestamp> {
        let waited_for = self.lanes.values().filter(|lane| !lane.waiting.is_empty());
        let paced = waited_for.filter_map(|lane| Some([lane.next, lane.pace(now)?.until]));
        paced.flatten().filter(|next| now < *next).min()
    }
}

impl Lane {
    fn begin(&mut self, now: Timestamp) {
        self.running += 1;
        if let Some(pace) = self.pace {
            self.next = now + pace.every;
        }
    }

    /// Those that the pace has admitted.
    fn asking(&self) -> usize {
        self.running - self.at_once
    }

    /// Unless it is over.
    fn pace(&self, now: Timestamp) -> Option<Pace> {
        self.pace.filter(|pace| now < pace.until)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        {
            let mut state = self.queue.lock();
            let lane = state.lane(self.provider);
            (lane.running, lane.at_once) = (lane.running - 1, lane.at_once - usize::from(self.at_once));
        }
        self.queue.admit();
    }
}
