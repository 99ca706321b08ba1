//! [`Admission`]: one refresh of an avatar among all instances, and a bounded number in this one.

use std::pin::pin;
use std::sync::Arc;

use super::failure::Failure;
use super::flight::{Flight, Leader, Outcome};
use super::queue::{Permit, Refused};
use super::{Refresher, Urgency};
use crate::avatar::tiers::{Slot, is_later};
use crate::clock::monotonic;
use crate::directory::Row;
use crate::model::{
    AvatarId, Content, Decision, Entry, FlightFailure, Provider, Timestamp, Trouble, TroubleClass, decide,
};
use crate::store::{Budget, Held, Lease};

/// What comes of asking for a permit and the lease.
pub(super) enum Admission {
    /// Make an attempt, from the entry that is held now. Without a lease where Redis is away, slow or not configured.
    Admitted(Permit, Option<Lease>, Option<Arc<Held>>),
    /// No attempt is due, or another instance has made it.
    Over(Outcome),
}

/// The refresh that asks.
pub(super) struct Wanted<'a> {
    pub(super) id: &'a AvatarId,
    pub(super) flight: &'a Flight,
    pub(super) row: &'a Row,
    pub(super) urgency: Urgency,
    pub(super) began: Timestamp,
}

impl Refresher {
    /// A permit before the row is read, where the provider is known: a storm of stale avatars must not become one of
    /// queries, and a row that is read after the wait is newer.
    pub(super) async fn early_permit(
        &self,
        leader: &Leader,
        seen: Option<&Held>,
    ) -> Result<Option<Permit>, Refused> {
        let Some(seen) = seen else { return Ok(None) };
        self.permit(leader.id(), leader.flight(), seen.entry.provider, seen.viewed_at()).await.map(Some)
    }

    async fn permit(
        &self,
        id: &AvatarId,
        flight: &Flight,
        provider: Provider,
        viewed_at: Timestamp,
    ) -> Result<Permit, Refused> {
        let mut entering = pin!(self.queue.enter(id, provider, viewed_at));
        let permit = tokio::select! {
            biased;
            permit = &mut entering => permit,
            () = std::future::ready(()) => {
                flight.queue_for(Some(provider));
                let permit = entering.await;
                flight.queue_for(None);
                permit
            }
        };
        permit.inspect_err(|refused| match refused {
            Refused::Full => self.log_queue_full(id),
            Refused::Stopping => {}
        })
    }

    /// Waits for a permit in this process, unless `early` is one, and for the lease among all instances. While another
    /// instance refreshes, the permit goes back to the queue, and the other's result is adopted when it is published.
    pub(super) async fn admit(
        &self,
        wanted: &Wanted<'_>,
        early: Option<Permit>,
        seen: Option<Arc<Held>>,
        mut held: Option<Arc<Held>>,
        budget: &mut Budget,
    ) -> Admission {
        let Wanted { id, flight, row, .. } = *wanted;
        let (tiers, provider) = (&self.parts.tiers, row.connection.provider);
        let mut early = early.filter(|permit| permit.is_for(provider));
        let mut watch = tiers.watch(id);
        let until = monotonic() + self.parts.request_timeout;
        loop {
            if let Some(over) = self.over(wanted, seen.as_deref(), held.as_ref()) {
                return Admission::Over(over);
            }
            let viewed_at = held.as_ref().map_or(wanted.began, |held| held.viewed_at());
            let unpaced =
                || self.begins_without_call(row, held.as_deref()).then(|| self.queue.enter_unpaced(provider));
            let permit = match early.take().or_else(|| unpaced().flatten()) {
                Some(permit) => permit,
                None => match self.permit(id, flight, provider, viewed_at).await {
                    Ok(permit) => permit,
                    Err(refused) => return Admission::Over(Outcome::Unavailable(refused.into())),
                },
            };
            let left = match tiers.lease(id, budget).await {
                Slot::Ours(None) => return Admission::Admitted(permit, None, held),
                Slot::Ours(Some(lease)) => {
                    // Another instance may have ended in this moment.
                    held = self.parts.purger.reconcile(id, held, self.parts.clock.now(), budget).await;
                    let Some(over) = self.over(wanted, seen.as_deref(), held.as_ref()) else {
                        return Admission::Admitted(permit, Some(lease), held);
                    };
                    // Published, since another instance may have met this lease and wait for its end.
                    tiers.publish(None, Some(lease)).await;
                    return Admission::Over(over);
                }
                Slot::Theirs(left) => left,
            };
            drop(permit);
            let published = async {
                match &mut watch {
                    Some(watch) => watch.refreshed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The other instance brings the result: a stop does not wait for it.
                () = self.queue.closed() => {
                    return Admission::Over(Outcome::Unavailable(FlightFailure::Stopping));
                }
                waited = tokio::time::timeout_at(until, tokio::time::timeout(left, published)) => {
                    if waited.is_err() {
                        return Admission::Over(Outcome::Unavailable(FlightFailure::OtherInstance));
                    }
                }
            }
            held = self.parts.purger.reconcile(id, held, self.parts.clock.now(), budget).await;
        }
    }

    /// Whether no attempt is due (any more): pauses forbid it, or another instance has brought the result.
    fn over(&self, wanted: &Wanted<'_>, seen: Option<&Held>, held: Option<&Arc<Held>>) -> Option<Outcome> {
        let held = held?;
        let now = self.parts.clock.now();
        let paused = self.paused(wanted.row, now);
        let is_over = !self.may_attempt(held, wanted, paused.as_ref(), now)
            || seen.is_none_or(|seen| is_later(&held.entry, &seen.entry))
                && self.is_answered(wanted, &held.entry, now);
        is_over.then(|| Outcome::Held(held.clone()))
    }

    /// Whether an entry is the result that this refresh was begun for.
    fn is_answered(&self, wanted: &Wanted<'_>, entry: &Entry, now: Timestamp) -> bool {
        entry.fingerprint == wanted.row.fingerprint
            && match wanted.urgency {
                Urgency::View => decide(Some(entry), now, &self.parts.config.windows) == Decision::Hit,
                Urgency::Forced => entry.verified_at >= wanted.began,
            }
    }

    /// A later flight, the row or an operator may have changed the entry that the caller saw.
    fn may_attempt(
        &self,
        held: &Held,
        wanted: &Wanted<'_>,
        paused: Option<&Failure>,
        now: Timestamp,
    ) -> bool {
        let trouble =
            held.entry.trouble.as_ref().filter(|trouble| trouble.fingerprint == Some(wanted.row.fingerprint));
        let is_rested = held.entry.rests_until(now).is_none();
        let is_allowed = wanted.urgency == Urgency::Forced
            || is_rested && trouble.is_none_or(|trouble| trouble.allows(now));
        // With nothing held the row's own address costs no API call, so even a paused app allows one attempt.
        let is_first =
            matches!(held.entry.content, Content::Nothing) && trouble.is_none_or(Trouble::is_cleared);
        is_allowed && (paused.is_none() || is_first)
    }

    /// Whether the attempt begins without a call of the provider's API: the row's own address is likely to bring a first
    /// picture, or the app may not be called anyway.
    fn begins_without_call(&self, row: &Row, held: Option<&Held>) -> bool {
        let holds_nothing = held.is_none_or(|held| matches!(held.entry.content, Content::Nothing));
        let now = self.parts.clock.now();
        let has_address = || self.parts.providers.stored_link(&row.connection, now).is_some();
        holds_nothing && (self.paused(row, now).is_some() || has_address())
    }

    /// Why an attempt may not call the provider's API: its whole app is paused, or other avatars wait for a permit.
    pub(super) fn forbidden(&self, row: &Row, permit: &Permit, now: Timestamp) -> Option<Failure> {
        let waits = || {
            Failure::new(TroubleClass::Transient, "the app is asked slowly: others wait for its next call")
        };
        self.paused(row, now).or_else(|| permit.forbids_calls().then(waits))
    }

    /// The pause of the row's whole app, as a failure.
    fn paused(&self, row: &Row, now: Timestamp) -> Option<Failure> {
        let until = self.parts.tiers.cooldown(row.connection.provider, now)?;
        Some(Failure {
            retry_after: Some(until.since(now)),
            ..Failure::new(TroubleClass::Throttled, "the whole app is paused")
        })
    }
}
