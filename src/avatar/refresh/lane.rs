//! [`Lanes`]: the state of the queue: for each provider the refreshes that run, and those that wait by their last view.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::model::{AvatarId, LONGEST_PAUSE, Provider, Timestamp};

/// When a waiting avatar was last viewed, and its number in the order of arrival.
pub(super) type WaiterKey = (Timestamp, u64);

/// How slowly a provider is asked whose quota is nearly used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Between two refreshes.
    pub(super) interval: Duration,
    /// The pace ends then, if no new reply extends it.
    pub(super) until: Timestamp,
}

/// All lanes, one for each provider that was asked, so no more than are configured. `P` is the permit.
#[derive(Debug)]
pub(super) struct Lanes<P> {
    lanes: BTreeMap<Provider, Lane<P>>,
    arrivals: u64,
    keys: HashMap<AvatarId, (Provider, WaiterKey)>,
    /// A task waits for this time, at which a pace allows the next refresh.
    pub(super) watched: Option<Timestamp>,
}

/// The refreshes of one provider.
#[derive(Debug)]
pub(super) struct Lane<P> {
    pub(super) running: usize,
    /// How many of those began whatever the pace.
    pub(super) unpaced: usize,
    waiting: BTreeMap<WaiterKey, Waiter<P>>,
    /// `None` = as fast as there are permits.
    pub(super) pace: Option<Pace>,
    /// When the next refresh may begin.
    pub(super) next: Timestamp,
}

#[derive(Debug)]
struct Waiter<P> {
    id: AvatarId,
    admit: oneshot::Sender<P>,
}

impl<P> Default for Lanes<P> {
    fn default() -> Self {
        Self { lanes: BTreeMap::new(), arrivals: 0, keys: HashMap::new(), watched: None }
    }
}

impl<P> Lanes<P> {
    /// The lane of a provider that was asked before.
    pub(super) fn get(&self, provider: Provider) -> Option<&Lane<P>> {
        self.lanes.get(&provider)
    }

    /// The lane of a provider.
    pub(super) fn lane(&mut self, provider: Provider) -> &mut Lane<P> {
        self.lanes.entry(provider).or_insert(Lane {
            running: 0,
            unpaced: 0,
            waiting: BTreeMap::new(),
            pace: None,
            next: Timestamp::EPOCH,
        })
    }

    /// Refreshes that run.
    pub(super) fn running(&self) -> usize {
        self.lanes.values().map(|lane| lane.running).sum()
    }

    /// Refreshes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.keys.len()
    }

    /// Adds a refresh that waits. The receiver gets its permit; it fails when the refresh falls out.
    pub(super) fn wait(
        &mut self,
        id: &AvatarId,
        provider: Provider,
        viewed_at: Timestamp,
    ) -> oneshot::Receiver<P> {
        let (admit, admitted) = oneshot::channel();
        let key = (viewed_at, self.arrivals);
        self.arrivals += 1;
        self.lane(provider).waiting.insert(key, Waiter { id: id.clone(), admit });
        self.keys.insert(id.clone(), (provider, key));
        admitted
    }

    /// Moves a waiting avatar forward that was viewed again.
    pub(super) fn view(&mut self, id: &AvatarId, at: Timestamp) {
        let Some(&(provider, old)) = self.keys.get(id) else { return };
        let lane = self.lane(provider);
        let Some(waiter) = lane.waiting.remove(&old) else { return };
        let key = (at.max(old.0), old.1);
        lane.waiting.insert(key, waiter);
        self.keys.insert(id.clone(), (provider, key));
    }

    /// Drops the waiting avatar that was viewed least recently.
    pub(super) fn drop_oldest(&mut self) {
        let first = |(provider, lane): (&Provider, &Lane<P>)| Some((*lane.waiting.keys().next()?, *provider));
        if let Some((key, provider)) = self.lanes.iter().filter_map(first).min() {
            self.take(provider, key);
        }
    }

    /// Takes the sender of the waiting avatar that was viewed last among the lanes that have room, and its provider.
    pub(super) fn take_newest(
        &mut self,
        has_room: impl Fn(&Self, Provider) -> bool,
    ) -> Option<(Provider, oneshot::Sender<P>)> {
        let last = |(provider, lane): (&Provider, &Lane<P>)| {
            Some((*lane.waiting.keys().next_back()?, *provider)).filter(|_| has_room(self, *provider))
        };
        let (key, provider) = self.lanes.iter().filter_map(last).max()?;
        Some((provider, self.take(provider, key)?))
    }

    fn take(&mut self, provider: Provider, key: WaiterKey) -> Option<oneshot::Sender<P>> {
        let waiter = self.lane(provider).waiting.remove(&key)?;
        self.keys.remove(&waiter.id);
        Some(waiter.admit)
    }

    /// Drops every refresh that waits.
    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.lanes.values_mut().for_each(|lane| lane.waiting.clear());
    }

    /// When the first pace with a waiting refresh allows the next one, or ends. Where that time has come already, a
    /// running refresh will admit it.
    pub(super) fn next_look(&self, now: Timestamp) -> Option<Timestamp> {
        let waited_for = self.lanes.values().filter(|lane| !lane.waiting.is_empty());
        let paced = waited_for.filter_map(|lane| Some([lane.next, lane.pace(now)?.until]));
        paced.flatten().filter(|next| now < *next).min()
    }
}

impl<P> Lane<P> {
    /// Notes that a refresh begins.
    pub(super) fn begin(&mut self, now: Timestamp) {
        self.running += 1;
        if let Some(pace) = self.pace {
            self.next = now + pace.interval;
        }
    }

    /// How many run that the pace has admitted.
    pub(super) fn paced(&self) -> usize {
        self.running - self.unpaced
    }

    /// The pace, unless it has ended.
    pub(super) fn pace(&self, now: Timestamp) -> Option<Pace> {
        self.pace.filter(|pace| pace.until.is_ahead(LONGEST_PAUSE, now))
    }

    /// Whether the pace does not allow the next refresh yet.
    pub(super) fn rests(&self, pace: &Pace, now: Timestamp) -> bool {
        self.next.is_ahead(pace.interval, now)
    }
}
