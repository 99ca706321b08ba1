//! [`Turn`]: one refresh of an avatar among all instances.

use std::pin::pin;
use std::sync::Arc;

use super::flight::{Flight, Lead, Outcome};
use super::outcome::Failure;
use super::queue::{Full, Place};
use super::service::{Service, Urgency};
use super::shared::is_later;
use crate::clock::monotonic;
use crate::directory::Row;
use crate::model::{AvatarId, Content, Decision, Entry, Provider, Timestamp, Trouble, TroubleClass, decide};
use crate::store::{Budget, Held, Lease, LeaseOutcome};

/// What comes of waiting for one's turn.
pub(super) enum Turn {
    /// Climb, from what is held now. Without a lease where Redis is away, slow or not there at all.
    Ours(Place, Option<Lease>, Option<Arc<Held>>),
    /// Nothing is to be done, or another instance has done it.
    Over(Outcome),
}

/// What a refresh wants to know of itself while it waits.
pub(super) struct Wanted<'a> {
    pub(super) id: &'a AvatarId,
    pub(super) flight: &'a Flight,
    pub(super) row: &'a Row,
    pub(super) urgency: Urgency,
    pub(super) began: Timestamp,
}

impl Service {
    /// A place before the row is read, where the provider is known: a storm of stale avatars must not become one of
    /// queries, and a row is newer that is read after the wait.
    pub(super) async fn early_place(&self, lead: &Lead, seen: Option<&Held>) -> Result<Option<Place>, Full> {
        let Some(seen) = seen else { return Ok(None) };
        self.place(lead.id(), lead.flight(), seen.entry.provider, seen.viewed_at()).await.map(Some)
    }

    async fn place(
        &self,
        id: &AvatarId,
        flight: &Flight,
        provider: Provider,
        viewed_at: Timestamp,
    ) -> Result<Place, Full> {
        let mut entering = pin!(self.queue.enter(id, provider, viewed_at));
        let place = tokio::select! {
            biased;
            place = &mut entering => place,
            () = std::future::ready(()) => {
                flight.queue_for(Some(provider));
                let place = entering.await;
                flight.queue_for(None);
                place
            }
        };
        place.inspect_err(|Full| self.tell_no_room(id))
    }

    /// Waits for a place in this process, if none is held yet, and for the lease among all. Whoever must wait for another
    /// instance gives his place back, is told by publish/subscribe, and takes over what that one brought.
    pub(super) async fn turn(
        &self,
        wanted: &Wanted<'_>,
        early: Option<Place>,
        seen: Option<Arc<Held>>,
        mut held: Option<Arc<Held>>,
        budget: &mut Budget,
    ) -> Turn {
        let Wanted { id, flight, row, .. } = *wanted;
        let provider = row.connection.provider;
        let mut early = early.filter(|place| place.is_for(provider));
        let mut watch = self.parts.redis.watch(id);
        let until = monotonic() + self.parts.request_timeout;
        loop {
            if let Some(over) = self.over(wanted, seen.as_deref(), held.as_ref()) {
                return Turn::Over(over);
            }
            let viewed_at = held.as_ref().map_or(wanted.began, |held| held.viewed_at());
            let at_once =
                || self.asks_nobody(row, held.as_deref()).then(|| self.queue.enter_at_once(provider));
            let place = match early.take().or_else(|| at_once().flatten()) {
                Some(place) => place,
                None => match self.place(id, flight, provider, viewed_at).await {
                    Ok(place) => place,
                    Err(Full) => return Turn::Over(Outcome::Unavailable),
                },
            };
            let left = match self.parts.redis.lease(id, budget).await {
                Err(_) => return Turn::Ours(place, None, held),
                Ok(LeaseOutcome::Acquired(lease)) => {
                    // Another may have ended in this moment.
                    held = self.reconciled(id, held, self.parts.clock.now(), budget).await;
                    let Some(over) = self.over(wanted, seen.as_deref(), held.as_ref()) else {
                        return Turn::Ours(place, Some(lease), held);
                    };
                    // Told to the others: one of them may have met this lease and wait for its end.
                    self.parts.redis.publish(None, Some(lease)).await;
                    return Turn::Over(over);
                }
                Ok(LeaseOutcome::HeldElsewhere(left)) => left,
            };
            drop(place);
            let told = async {
                match &mut watch {
                    Some(watch) => watch.refreshed().await,
                    None => std::future::pending().await,
                }
            };
            let waited = tokio::time::timeout_at(until, tokio::time::timeout(left, told)).await;
            if waited.is_err() {
                return Turn::Over(Outcome::Unavailable);
            }
            held = self.reconciled(id, held, self.parts.clock.now(), budget).await;
        }
    }

    /// Whether the refresh needs no climb (any more): pauses forbid it, or another has brought what was wanted.
    fn over(&self, wanted: &Wanted<'_>, seen: Option<&Held>, held: Option<&Arc<Held>>) -> Option<Outcome> {
        let held = held?;
        let now = self.parts.clock.now();
        let paused = self.paused(wanted.row, now);
        let over = !self.may_climb(held, wanted, paused.as_ref(), now)
            || seen.is_none_or(|seen| is_later(&held.entry, &seen.entry))
                && self.has_landed(wanted, &held.entry, now);
        over.then(|| Outcome::Held(held.clone()))
    }

    fn has_landed(&self, wanted: &Wanted<'_>, entry: &Entry, now: Timestamp) -> bool {
        entry.fingerprint == wanted.row.fingerprint
            && match wanted.urgency {
                Urgency::View => decide(Some(entry), now, &self.parts.config.windows) == Decision::Serve,
                Urgency::Forced => entry.verified_at >= wanted.began,
            }
    }

    /// A later flight, the row or an operator may have changed what the caller saw.
    fn may_climb(&self, held: &Held, wanted: &Wanted<'_>, paused: Option<&Failure>, now: Timestamp) -> bool {
        let trouble =
            held.entry.trouble.as_ref().filter(|trouble| trouble.fingerprint == Some(wanted.row.fingerprint));
        let rested = held.entry.rest_until.is_none_or(|until| until <= now);
        let allowed =
            wanted.urgency == Urgency::Forced || rested && trouble.is_none_or(|trouble| trouble.allows(now));
        // With nothing held the row's own address costs no API call, so even a paused app may climb once.
        let never_tried =
            matches!(held.entry.content, Content::Nothing) && trouble.is_none_or(Trouble::is_forgiven);
        allowed && (paused.is_none() || never_tried)
    }

    /// Whether the climb begins without a call of the provider's API: the row's own address is likely to bring a first
    /// picture, or the app may not be asked anyway.
    fn asks_nobody(&self, row: &Row, held: Option<&Held>) -> bool {
        let nothing = held.is_none_or(|held| matches!(held.entry.content, Content::Nothing));
        let now = self.parts.clock.now();
        let by_row = || self.parts.providers.stored_link(&row.connection, now).is_some();
        nothing && (self.paused(row, now).is_some() || by_row())
    }

    /// Why a refresh may not call the provider's API: its whole app is paused, or others wait for their turn.
    pub(super) fn forbidden(&self, row: &Row, place: &Place, now: Timestamp) -> Option<Failure> {
        let out_of_turn =
            || Failure::new(TroubleClass::Transient, "the app is asked slowly: its turn comes later");
        self.paused(row, now).or_else(|| place.is_out_of_turn().then(out_of_turn))
    }

    /// The pause of the row's whole app, as a failure.
    pub(super) fn paused(&self, row: &Row, now: Timestamp) -> Option<Failure> {
        let until = self.pauses.until(row.connection.provider, now)?;
        Some(Failure {
            retry_after: Some(until.since(now)),
            ..Failure::new(TroubleClass::Throttled, "the whole app is paused")
        })
    }
}
