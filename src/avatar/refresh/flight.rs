//! [`Flights`]: one refresh of an avatar at a time, shared by everyone who waits for it (single flight).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::queue::Refused;
use super::stream_buffer::StreamBuffer;
use crate::model::{AvatarId, FlightFailure, Provider};
use crate::store::Held;

/// How a refresh ended.
#[derive(Debug, Clone)]
pub(in crate::avatar) enum Outcome {
    /// The entry that is held now; its `trouble` says whether the attempt failed.
    Held(Arc<Held>),
    /// The directory has no such connection.
    Unknown,
    /// It brought nothing: a waiter falls back to the entry that it holds.
    Unavailable(FlightFailure),
}

impl From<Refused> for FlightFailure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::QueueFull,
            Refused::Stopping => Self::Stopping,
        }
    }
}

/// What waiters see.
#[derive(Debug, Clone)]
pub(in crate::avatar) enum Progress {
    Pending,
    /// It waits for a permit among the refreshes of that provider.
    Queued(Provider),
    Streaming(Arc<StreamBuffer>),
    Done(Outcome),
}

/// One refresh under way.
#[derive(Debug)]
pub(in crate::avatar) struct Flight {
    progress: watch::Sender<Progress>,
}

impl Flight {
    /// Lets waiters read along. Only while nothing is held: a waiter with last good bytes gets whole pictures.
    pub(super) fn stream(&self, buffer: Arc<StreamBuffer>) {
        self.progress.send_replace(Progress::Streaming(buffer));
    }

    fn is_over(&self) -> bool {
        matches!(*self.progress.borrow(), Progress::Done(_))
    }

    /// It waits for a permit, or (`None`) has one.
    pub(super) fn queue_for(&self, provider: Option<Provider>) {
        self.progress.send_if_modified(|progress| {
            let is_early = matches!(progress, Progress::Pending | Progress::Queued(_));
            if is_early {
                *progress = provider.map_or(Progress::Pending, Progress::Queued);
            }
            is_early
        });
    }

    /// The first thing there is to show, or that it queues for a provider whose next permit comes too late; `None` after
    /// `patience`.
    pub(in crate::avatar) async fn wait(
        &self,
        patience: Duration,
        is_too_late: impl Fn(Provider) -> bool,
    ) -> Option<Progress> {
        let mut progress = self.progress.subscribe();
        let shown = progress.wait_for(|progress| match progress {
            Progress::Pending => false,
            Progress::Queued(provider) => is_too_late(*provider),
            Progress::Streaming(_) | Progress::Done(_) => true,
        });
        tokio::time::timeout(patience, shown).await.ok()?.ok().map(|progress| progress.clone())
    }

    /// The end of it, or `None` after `patience`.
    pub(in crate::avatar) async fn ended(&self, patience: Duration) -> Option<Outcome> {
        let mut progress = self.progress.subscribe();
        let ended = progress.wait_for(|progress| matches!(progress, Progress::Done(_)));
        match tokio::time::timeout(patience, ended).await.ok()?.ok()?.clone() {
            Progress::Done(outcome) => Some(outcome),
            Progress::Pending | Progress::Queued(_) | Progress::Streaming(_) => None,
        }
    }
}

/// The flights under way, by avatar. Their number is bounded.
#[derive(Debug)]
pub(super) struct Flights {
    capacity: usize,
    // A plain mutex: held for a map operation, never across an await, and a hit that needs no refresh does not come here.
    under_way: Mutex<HashMap<AvatarId, Arc<Flight>>>,
}

/// A caller's part in a flight.
pub(super) enum Joined {
    /// This avatar was not being refreshed: the caller leads.
    Leader(Leader),
    /// A refresh is under way: the caller waits for it.
    Waiter(Arc<Flight>),
    /// Too many flights are under way.
    Full,
}

/// The leader's duty to end the flight. Its drop frees the avatar however the leader ends: return, error or panic.
#[derive(Debug)]
pub(super) struct Leader {
    flights: Arc<Flights>,
    id: AvatarId,
    flight: Arc<Flight>,
}

impl Flights {
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { capacity, under_way: Mutex::default() })
    }

    /// Joins the flight of an avatar, or begins one. With `anew` the attempt must begin now: a flight whose outcome is known,
    /// and is only being published to the other instances, is not joined.
    pub(super) fn join_or_lead(self: &Arc<Self>, id: &AvatarId, anew: bool) -> Joined {
        let mut under_way = self.under_way.lock();
        if let Some(flight) = under_way.get(id).filter(|flight| !(anew && flight.is_over())) {
            return Joined::Waiter(flight.clone());
        }
        if under_way.len() >= self.capacity {
            return Joined::Full;
        }
        let (progress, _) = watch::channel(Progress::Pending);
        let flight = Arc::new(Flight { progress });
        under_way.insert(id.clone(), flight.clone());
        Joined::Leader(Leader { flights: self.clone(), id: id.clone(), flight })
    }

    /// How many are under way.
    pub(super) fn count(&self) -> usize {
        self.under_way.lock().len()
    }
}

impl Leader {
    /// The flight itself.
    pub(super) fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// The avatar.
    pub(super) fn id(&self) -> &AvatarId {
        &self.id
    }

    /// Gives the result to the waiters, whether or not a store took it, and to those that join before the flight ends.
    pub(super) fn finish(&self, outcome: Outcome) {
        self.flight.progress.send_replace(Progress::Done(outcome));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.flight.progress.send_if_modified(|progress| {
            if let Progress::Streaming(buffer) = &progress {
                buffer.end(false);
            }
            let is_over = matches!(progress, Progress::Done(_));
            if !is_over {
                // A leader that is dropped without a panic was cut off by the end of its runtime.
                let reason = if std::thread::panicking() {
                    FlightFailure::LeaderPanicked
                } else {
                    FlightFailure::Stopping
                };
                *progress = Progress::Done(Outcome::Unavailable(reason));
            }
            !is_over
        });
        let mut under_way = self.flights.under_way.lock();
        // Another flight may have begun since the outcome of this one is known.
        if under_way.get(&self.id).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            under_way.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn never(_: Provider) -> bool {
        false
    }

    #[tokio::test]
    async fn callers_that_join_wait_for_one_leader() {
        let (flights, id) = (Flights::new(10), AvatarId::parse("a").unwrap());
        let Joined::Leader(leader) = flights.join_or_lead(&id, false) else { panic!("the first leads") };
        let Joined::Waiter(flight) = flights.join_or_lead(&id, false) else { panic!("the second waits") };
        leader.finish(Outcome::Unknown);
        drop(leader);
        assert!(matches!(flight.wait(LONG, never).await, Some(Progress::Done(Outcome::Unknown))));
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test]
    async fn a_leader_that_panics_frees_the_key_and_wakes_the_waiters() {
        let (flights, id) = (Flights::new(10), AvatarId::parse("a").unwrap());
        let Joined::Leader(leader) = flights.join_or_lead(&id, false) else { panic!("the first leads") };
        let Joined::Waiter(flight) = flights.join_or_lead(&id, false) else { panic!("the second waits") };
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _leader = leader;
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert!(matches!(
            flight.ended(LONG).await,
            Some(Outcome::Unavailable(FlightFailure::LeaderPanicked))
        ));
        assert!(matches!(flights.join_or_lead(&id, false), Joined::Leader(_)));
    }

    #[tokio::test]
    async fn a_caller_that_needs_a_new_attempt_does_not_take_the_outcome_of_the_last_one() {
        let (flights, id) = (Flights::new(10), AvatarId::parse("a").unwrap());
        let Joined::Leader(first) = flights.join_or_lead(&id, false) else { panic!("the first leads") };
        assert!(
            matches!(flights.join_or_lead(&id, true), Joined::Waiter(_)),
            "what is still under way may serve"
        );
        first.finish(Outcome::Unknown);
        assert!(matches!(flights.join_or_lead(&id, false), Joined::Waiter(_)));
        let Joined::Leader(second) = flights.join_or_lead(&id, true) else { panic!("another one begins") };
        drop(first);
        assert!(matches!(flights.join_or_lead(&id, true), Joined::Waiter(_)), "the second is under way");
        drop(second);
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_leaves_after_its_own_patience() {
        let (flights, id) = (Flights::new(10), AvatarId::parse("a").unwrap());
        let Joined::Leader(leader) = flights.join_or_lead(&id, false) else { panic!("the first leads") };
        assert!(leader.flight().wait(LONG, never).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_leaves_at_once_where_the_next_permit_comes_later_than_its_patience() {
        let (flights, id) = (Flights::new(10), AvatarId::parse("a").unwrap());
        let Joined::Leader(leader) = flights.join_or_lead(&id, false) else { panic!("the first leads") };
        let flight = leader.flight();
        let of_facebook = |provider| provider == Provider::Facebook;
        flight.queue_for(Some(Provider::Facebook));
        assert!(matches!(flight.wait(LONG, of_facebook).await, Some(Progress::Queued(_))));
        assert!(flight.wait(LONG, never).await.is_none(), "it has the patience, and waits");
        flight.queue_for(None);
        assert!(flight.wait(LONG, of_facebook).await.is_none(), "it has a permit now");
        leader.finish(Outcome::Unknown);
        flight.queue_for(Some(Provider::Facebook));
        assert!(matches!(flight.wait(LONG, never).await, Some(Progress::Done(_))));
    }

    #[test]
    fn the_number_of_flights_is_bounded() {
        let flights = Flights::new(1);
        let _leader = flights.join_or_lead(&AvatarId::parse("a").unwrap(), false);
        assert!(matches!(flights.join_or_lead(&AvatarId::parse("b").unwrap(), false), Joined::Full));
    }
}
