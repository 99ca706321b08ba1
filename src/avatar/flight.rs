//! [`Flights`]: one refresh of an avatar at a time, shared by all who wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::filling::Filling;
use crate::model::{AvatarId, Provider};
use crate::store::Held;

/// How a refresh ended.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// What is held now; its `trouble` tells whether the attempt failed.
    Held(Arc<Held>),
    /// The directory has no such connection.
    Unknown,
    /// It did not take place: the directory cannot be asked, the queue is full, or the avatar was purged meanwhile.
    /// Whoever waited falls back to what he holds.
    Unavailable,
}

/// What those who wait see.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    Pending,
    /// It waits for a place among the refreshes of that provider.
    Queued(Provider),
    Streaming(Arc<Filling>),
    Done(Outcome),
}

/// One refresh under way.
#[derive(Debug)]
pub(super) struct Flight {
    progress: watch::Sender<Progress>,
}

impl Flight {
    /// Lets all who wait read along. Only while nothing is held: whoever has last good bytes gets whole pictures.
    pub(super) fn stream(&self, filling: Arc<Filling>) {
        self.progress.send_replace(Progress::Streaming(filling));
    }

    fn has_landed(&self) -> bool {
        matches!(*self.progress.borrow(), Progress::Done(_))
    }

    /// It waits for a place, or (`None`) has one.
    pub(super) fn queue_for(&self, provider: Option<Provider>) {
        self.progress.send_if_modified(|progress| {
            let is_early = matches!(progress, Progress::Pending | Progress::Queued(_));
            if is_early {
                *progress = provider.map_or(Progress::Pending, Progress::Queued);
            }
            is_early
        });
    }

    /// The first thing there is to show, or that it waits for a provider whose turn comes too late; `None` after `patience`.
    pub(super) async fn wait(
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
    pub(super) async fn ended(&self, patience: Duration) -> Option<Outcome> {
        let mut progress = self.progress.subscribe();
        let ended = progress.wait_for(|progress| matches!(progress, Progress::Done(_)));
        match tokio::time::timeout(patience, ended).await.ok()?.ok()?.clone() {
            Progress::Done(outcome) => Some(outcome),
            Progress::Pending | Progress::Queued(_) | Progress::Streaming(_) => None,
        }
    }
}

/// The flights under way, by avatar.
#[derive(Debug)]
pub(super) struct Flights {
    capacity: usize,
    // A plain mutex: held for a map operation, never across an await, and a hit that needs no refresh does not come here.
    under_way: Mutex<HashMap<AvatarId, Arc<Flight>>>,
}

/// What a caller gets of a flight.
pub(super) enum Boarding {
    /// Nobody refreshes this avatar: the caller leads.
    Leader(Lead),
    /// Somebody does already.
    Waiter(Arc<Flight>),
    /// Too many flights are under way.
    Full,
}

/// The leader's duty: to end the flight. Whatever ends the leader (return, error, panic) frees the key.
#[derive(Debug)]
pub(super) struct Lead {
    flights: Arc<Flights>,
    id: AvatarId,
    flight: Arc<Flight>,
}

impl Flights {
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { capacity, under_way: Mutex::default() })
    }

    /// Joins the flight of an avatar, or begins one. Whoever wants an attempt that begins now is no waiter of one whose
    /// outcome is known and is only being told to the other instances.
    pub(super) fn board(self: &Arc<Self>, id: &AvatarId, anew: bool) -> Boarding {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = under_way.get(id).filter(|flight| !(anew && flight.has_landed())) {
            return Boarding::Waiter(flight.clone());
        }
        if under_way.len() >= self.capacity {
            return Boarding::Full;
        }
        let (progress, _) = watch::channel(Progress::Pending);
        let flight = Arc::new(Flight { progress });
        under_way.insert(id.clone(), flight.clone());
        Boarding::Leader(Lead { flights: self.clone(), id: id.clone(), flight })
    }

    /// How many are under way.
    pub(super) fn count(&self) -> usize {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Lead {
    /// The flight itself.
    pub(super) fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// Whose.
    pub(super) fn id(&self) -> &AvatarId {
        &self.id
    }

    /// Gives the result to all who wait, whether or not a store took it, and to those who board before the flight ends.
    pub(super) fn tell(&self, outcome: Outcome) {
        self.flight.progress.send_replace(Progress::Done(outcome));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.flight.progress.send_if_modified(|progress| {
            if let Progress::Streaming(filling) = &progress {
                filling.end(false);
            }
            let landed = matches!(progress, Progress::Done(_));
            if !landed {
                *progress = Progress::Done(Outcome::Unavailable);
            }
            !landed
        });
        let mut under_way = self.flights.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        // Another one may have begun since this one's outcome is known.
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
    async fn all_who_board_wait_for_one_leader() {
        let (flights, id) = (Flights::new(10), AvatarId::parse("a").unwrap());
        let Boarding::Leader(lead) = flights.board(&id, false) else { panic!("the first leads") };
        let Boarding::Waiter(flight) = flights.board(&id, false) else { panic!("the second waits") };
        lead.tell(Outcome::Unknown);
        drop(lead);
        assert!(matches!(flight.wait(LONG, never).await, Some(Progress::Done(Outcome::Unknown))));
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test]
    async fn a_leader_that_panics_frees_the_key_and_wakes_the_waiters() {
        let (flights, id) = (Flights::new(10), AvatarId::parse("a").unwrap());
        let Boarding::Leader(lead) = flights.board(&id, false) else { panic!("the first leads") };
        let Boarding::Waiter(flight) = flights.board(&id, false) else { panic!("the second waits") };
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _lead = lead;
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert!(matches!(flight.ended(LONG).await, Some(Outcome::Unavailable)));
        assert!(matches!(flights.board(&id, false), Boarding::Leader(_)));
    }

    #[tokio::test]
    async fn whoever_wants_an_attempt_that_begins_now_does_not_take_the_outcome_of_the_last_one() {
        let (flights, id) = (Flights::new(10), AvatarId::parse("a").unwrap());
        let Boarding::Leader(first) = flights.board(&id, false) else { panic!("the first leads") };
        assert!(matches!(flights.board(&id, true), Boarding::Waiter(_)), "what is still under way may serve");
        first.tell(Outcome::Unknown);
        assert!(matches!(flights.board(&id, false), Boarding::Waiter(_)));
        let Boarding::Leader(second) = flights.board(&id, true) else { panic!("another one begins") };
        drop(first);
        assert!(matches!(flights.board(&id, true), Boarding::Waiter(_)), "the second is under way");
        drop(second);
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_leaves_after_its_own_patience() {
        let (flights, id) = (Flights::new(10), AvatarId::parse("a").unwrap());
        let Boarding::Leader(lead) = flights.board(&id, false) else { panic!("the first leads") };
        assert!(lead.flight().wait(LONG, never).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_leaves_at_once_where_the_turn_comes_later_than_his_patience() {
        let (flights, id) = (Flights::new(10), AvatarId::parse("a").unwrap());
        let Boarding::Leader(lead) = flights.board(&id, false) else { panic!("the first leads") };
        let flight = lead.flight();
        let of_facebook = |provider| provider == Provider::Facebook;
        flight.queue_for(Some(Provider::Facebook));
        assert!(matches!(flight.wait(LONG, of_facebook).await, Some(Progress::Queued(_))));
        assert!(flight.wait(LONG, never).await.is_none(), "he has the patience, and waits");
        flight.queue_for(None);
        assert!(flight.wait(LONG, of_facebook).await.is_none(), "it has a place now");
        lead.tell(Outcome::Unknown);
        flight.queue_for(Some(Provider::Facebook));
        assert!(matches!(flight.wait(LONG, never).await, Some(Progress::Done(_))));
    }

    #[test]
    fn their_number_is_bounded() {
        let flights = Flights::new(1);
        let _lead = flights.board(&AvatarId::parse("a").unwrap(), false);
        assert!(matches!(flights.board(&AvatarId::parse("b").unwrap(), false), Boarding::Full));
    }
}
