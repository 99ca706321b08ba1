//! [`Queue`]: how many refreshes run at one time, and which avatar is next.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::lane::{Lanes, Pace};
use crate::clock::Clock;
use crate::model::{AvatarId, Provider, Timestamp};
use crate::task_pool::TaskPool;

/// The permit to run one refresh; its drop frees it.
#[derive(Debug)]
pub(super) struct Permit {
    queue: Arc<Queue>,
    provider: Provider,
    /// Given whatever the pace, for a refresh that begins without a call.
    unpaced: bool,
}

impl Permit {
    /// Whether it counts among the permits of that provider.
    pub(super) fn is_for(&self, provider: Provider) -> bool {
        self.provider == provider
    }

    /// Whether it allows no call of the provider's API: it was given whatever the pace, and others wait for theirs.
    pub(super) fn forbids_calls(&self) -> bool {
        self.unpaced && self.queue.next_permit(self.provider).is_some()
    }
}

/// Why there is no permit. The avatar's next view asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The queue is full of avatars that were viewed later, or this one fell out of it.
    Full,
    /// The process stops.
    Stopping,
}

/// The bounds of a [`Queue`].
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// Refreshes at one time.
    pub(super) permits: usize,
    /// Refreshes that wait.
    pub(super) waiting: usize,
    /// Refreshes of one provider at one time, where it has a bound of its own.
    pub(super) of_provider: HashMap<Provider, usize>,
}

/// A bounded number of permits, and a bounded queue for them in which the most recently viewed avatar is next.
///
/// A provider gets at most three quarters of the permits, so that one that hangs leaves room for the others. A provider
/// whose quota is nearly used up gets one permit at a time, and no sooner than its pace allows.
#[derive(Debug)]
pub(super) struct Queue {
    bounds: Bounds,
    clock: Clock,
    background: TaskPool,
    /// The time that a task waits for has changed.
    changed: Notify,
    closed: CancellationToken,
    // A plain mutex: held for map operations, never across an await, and a hit does not come here.
    lanes: Mutex<Lanes<Permit>>,
}

impl Queue {
    pub(super) fn new(bounds: Bounds, clock: Clock, background: TaskPool) -> Arc<Self> {
        let (changed, closed) = (Notify::new(), CancellationToken::new());
        Arc::new(Self { bounds, clock, background, changed, closed, lanes: Mutex::default() })
    }

    /// A permit now, or when one is free and no avatar that was viewed later waits for it.
    pub(super) async fn enter(
        self: &Arc<Self>,
        id: &AvatarId,
        provider: Provider,
        viewed_at: Timestamp,
    ) -> Result<Permit, Refused> {
        let now = self.clock.now();
        let admitted = {
            let mut lanes = self.lanes.lock();
            if self.closed.is_cancelled() {
                return Err(Refused::Stopping);
            }
            if self.has_room(&lanes, provider, now) {
                lanes.lane(provider).begin(now);
                return Ok(Permit { queue: self.clone(), provider, unpaced: false });
            }
            let admitted = lanes.wait(id, provider, viewed_at);
            while lanes.waiting() > self.bounds.waiting {
                lanes.drop_oldest();
            }
            self.watch(&mut lanes, now);
            admitted
        };
        admitted.await.map_err(|_| if self.closed.is_cancelled() { Refused::Stopping } else { Refused::Full })
    }

    /// A permit now or not at all, whatever the provider's pace: for a refresh that begins without a call of its API.
    pub(super) fn enter_unpaced(self: &Arc<Self>, provider: Provider) -> Option<Permit> {
        let mut lanes = self.lanes.lock();
        let running = lanes.get(provider).map_or(0, |lane| lane.running);
        let has_room = lanes.running() < self.bounds.permits && running < self.share_of(provider);
        (has_room && !self.closed.is_cancelled()).then(|| {
            let lane = lanes.lane(provider);
            (lane.running, lane.unpaced) = (lane.running + 1, lane.unpaced + 1);
            Permit { queue: self.clone(), provider, unpaced: true }
        })
    }

    /// Sets the interval between two refreshes of a provider; `None` = as fast as there are permits.
    pub(super) fn set_pace(self: &Arc<Self>, provider: Provider, pace: Option<Pace>) {
        let now = self.clock.now();
        let mut lanes = self.lanes.lock();
        let lane = lanes.lane(provider);
        let interval = |pace: Option<Pace>| pace.map(|pace| pace.interval);
        let before = std::mem::replace(&mut lane.pace, pace);
        if interval(before) != interval(pace) {
            lane.next = pace.map_or(Timestamp::EPOCH, |pace| now + pace.interval);
            drop(lanes);
            self.admit();
        }
    }

    /// When the next refresh of a provider may begin at the earliest, where its pace does not allow one now.
    pub(super) fn next_permit(&self, provider: Provider) -> Option<Timestamp> {
        let now = self.clock.now();
        let lanes = self.lanes.lock();
        let lane = lanes.get(provider)?;
        lane.pace(now)
            .filter(|pace| lane.rests(pace, now) || lane.paced() > 0)
            .map(|pace| lane.next.min(pace.until))
    }

    /// Notes that an avatar was viewed again, which may wait.
    pub(super) fn viewed(&self, id: &AvatarId, at: Timestamp) {
        self.lanes.lock().view(id, at);
    }

    /// Refuses every refresh that waits, and every one that comes: the process stops.
    pub(super) fn close(&self) {
        let mut lanes = self.lanes.lock();
        // Under the lock: a refresh that found the queue open is among those that wait.
        self.closed.cancel();
        lanes.clear();
    }

    /// Returns when it is closed.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// How many run and how many wait.
    pub(super) fn depth(&self) -> (usize, usize) {
        let lanes = self.lanes.lock();
        (lanes.running(), lanes.waiting())
    }

    /// How many refreshes of a provider may run at one time.
    fn share_of(&self, provider: Provider) -> usize {
        let share = (self.bounds.permits * 3).div_ceil(4);
        self.bounds.of_provider.get(&provider).map_or(share, |bound| share.min(*bound))
    }

    fn has_room(&self, lanes: &Lanes<Permit>, provider: Provider, now: Timestamp) -> bool {
        let is_free = lanes.running() < self.bounds.permits;
        is_free
            && lanes.get(provider).is_none_or(|lane| match lane.pace(now) {
                Some(pace) => lane.paced() == 0 && !lane.rests(&pace, now),
                None => lane.running < self.share_of(provider),
            })
    }

    /// Has a task wait for the time at which a pace allows the next refresh: no permit is freed then that would admit it.
    ///
    /// `now` is the time at which there was no room, or a permit that a pace allows in between would be missed.
    fn watch(self: &Arc<Self>, lanes: &mut Lanes<Permit>, now: Timestamp) {
        let Some(next) = lanes.next_look(now) else { return };
        match lanes.watched.replace(next) {
            Some(watched) if watched <= next => lanes.watched = Some(watched),
            Some(_) => self.changed.notify_one(),
            None => {
                let queue = self.clone();
                self.background.spawn(async move {
                    tokio::select! {
                        () = queue.clock.reached(next) => {}
                        () = queue.changed.notified() => {}
                        () = queue.closed() => {}
                    }
                    queue.lanes.lock().watched = None;
                    queue.admit();
                });
            }
        }
    }

    /// Gives free permits to the avatars that were viewed last.
    fn admit(self: &Arc<Self>) {
        let now = self.clock.now();
        let mut lanes = self.lanes.lock();
        // Permits whose waiter has left are dropped after the lock: dropping one comes here again.
        let mut refused = Vec::new();
        let has_room = |lanes: &Lanes<Permit>, provider| self.has_room(lanes, provider, now);
        while let Some((provider, admit)) = lanes.take_newest(has_room) {
            lanes.lane(provider).begin(now);
            refused.extend(admit.send(Permit { queue: self.clone(), provider, unpaced: false }).err());
        }
        self.watch(&mut lanes, now);
        drop(lanes);
        drop(refused);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut lanes = self.queue.lanes.lock();
            let lane = lanes.lane(self.provider);
            (lane.running, lane.unpaced) = (lane.running - 1, lane.unpaced - usize::from(self.unpaced));
        }
        self.queue.admit();
    }
}
