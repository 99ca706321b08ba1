//! What the leader of a flight does: read the row, get a permit and the lease, make an attempt, commit its result.

use std::sync::Arc;
use std::time::Duration;

use super::admission::{Admission, Wanted};
use super::attempt::Attempt;
use super::flight::{Leader, Outcome};
use super::lane::Pace;
use super::queue::Permit;
use super::report::{report, report_directory, report_retry, report_token_end};
use super::settle::{AttemptResult, Finding, apply};
use super::{Refresher, Urgency};
use crate::avatar::tiers::Cause;
use crate::clock::Stopwatch;
use crate::directory::{Lookup, Row};
use crate::model::{AvatarId, FlightFailure, Generation, Provider, Timestamp};
use crate::provider::Quota;
use crate::store::{Budget, Held, Lease};

/// What is left to do when a flight's outcome is known.
enum Completion {
    /// Nothing: no attempt was made.
    None,
    /// Publish the result, if Redis is there, and free the lease, if there was one.
    Publish(Option<Lease>),
}

impl Refresher {
    /// One flight: its outcome goes to the waiters, then to the other instances.
    ///
    /// Thousands of flights may wait for a permit, so what a flight needs afterwards is allocated only then.
    pub(super) async fn lead(
        self: Arc<Self>,
        leader: Leader,
        held: Option<Arc<Held>>,
        urgency: Urgency,
        mut budget: Budget,
    ) {
        let (outcome, completion) = match self.early_permit(&leader, held.as_deref()).await {
            Ok(early) => Box::pin(self.refresh(&leader, early, held, urgency, &mut budget)).await,
            Err(refused) => (Outcome::Unavailable(refused.into()), Completion::None),
        };
        let committed = match &outcome {
            Outcome::Held(held) => Some(held.clone()),
            Outcome::Unknown | Outcome::Unavailable(_) => None,
        };
        // The flight stays until the other instances know: a request that joins meanwhile is given its outcome.
        leader.finish(outcome);
        if let Completion::Publish(lease) = completion {
            Box::pin(self.parts.tiers.publish(committed.as_deref(), lease)).await;
        }
    }

    /// One refresh, from the row to the stores of this instance.
    async fn refresh(
        self: &Arc<Self>,
        leader: &Leader,
        early: Option<Permit>,
        seen: Option<Arc<Held>>,
        urgency: Urgency,
        budget: &mut Budget,
    ) -> (Outcome, Completion) {
        let (id, tiers) = (leader.id(), &self.parts.tiers);
        let before_row = tiers.generation();
        let row = match self.parts.directory.lookup(id, self.parts.clock.now()).await {
            Ok(Lookup::Found(row)) => row,
            Ok(Lookup::Unknown) => {
                if seen.is_some() {
                    self.parts.purger.on_row_deleted(id).await;
                }
                return (Outcome::Unknown, Completion::None);
            }
            Err(error) => {
                report_directory(&error);
                return (Outcome::Unavailable(FlightFailure::DirectoryDown), Completion::None);
            }
        };
        tracing::Span::current().record("provider", row.connection.provider.as_str());
        // Another flight may have ended between the caller's lookup and its joining, or a deletion may have come: the
        // entry that the caller saw must not be stored once more.
        let held = tiers
            .in_memory(id, self.parts.clock.now())
            .or_else(|| seen.clone())
            .filter(|held| tiers.accepts(held));
        let position = tiers.position(id);
        let wanted =
            Wanted { id, flight: leader.flight(), row: &row, urgency, began: self.parts.clock.now() };
        let (permit, lease, held) = match self.admit(&wanted, early, seen, held, budget).await {
            Admission::Over(outcome) => return (outcome, Completion::None),
            Admission::Admitted(permit, lease, held) => (permit, lease, held),
        };
        let generation = tiers.generation();
        if tiers.purged_since(id, row.connection.provider, before_row) {
            // The row may be gone or another by now, and what it leads to would be stored as current.
            return (Outcome::Unavailable(FlightFailure::Purged), Completion::Publish(lease));
        }
        let held = held.filter(|held| tiers.accepts(held));
        let took = Stopwatch::start();
        let result = Attempt {
            clock: &self.parts.clock,
            windows: &self.parts.config.windows,
            keyring: &self.parts.keyring,
            providers: &self.parts.providers,
            row: &row,
            held: held.as_ref().map(|held| &held.entry),
            flight: leader.flight(),
            generation,
            images: self.parts.images,
            paused: self.forbidden(&row, &permit, self.parts.clock.now()),
        }
        .run()
        .await;
        drop(permit);
        let outcome = self.conclude(id, held, result, &row, generation, took).await;
        // Without the lease another instance may have published something later meanwhile.
        if let (Outcome::Held(new), Some(_)) = (&outcome, &lease) {
            tiers.trust(new, position);
        }
        (outcome, Completion::Publish(lease))
    }

    /// Commits the result of an attempt and logs it.
    async fn conclude(
        self: &Arc<Self>,
        id: &AvatarId,
        held: Option<Arc<Held>>,
        result: AttemptResult,
        row: &Arc<Row>,
        generation: Generation,
        took: Stopwatch,
    ) -> Outcome {
        let now = self.parts.clock.now();
        let is_confirmed =
            result.failure.is_none() && matches!(result.finding, Finding::Same | Finding::Picture(..));
        self.obey_quotas(row.connection.provider, now).await;
        report(&result, took.elapsed());
        let old = held.as_ref().map(|held| &held.entry);
        let entry = apply(result, id, old, row, generation, now, &self.parts.config);
        report_token_end(id, old, &entry, now);
        report_retry(entry.trouble.as_ref(), now);
        let committed = self.parts.tiers.commit(id, held.as_ref(), entry, row.read_at, Cause::Refresh).await;
        let Some(new) = committed else { return Outcome::Unavailable(FlightFailure::Purged) };
        if is_confirmed && self.parts.write_back {
            self.write_back(row.clone(), &new);
        }
        Outcome::Held(new)
    }

    /// Pauses apps that have used up their quota, in every instance and over a restart: the next call would be answered
    /// with code 4, which stops every account of the app. Before that an app is asked more and more slowly.
    async fn obey_quotas(&self, provider: Provider, now: Timestamp) {
        for (provider, until) in self.parts.providers.take_new_stops() {
            let pause = until.since(now);
            tracing::warn!(%provider, ?pause, "the provider throttles the whole app: no instance asks until then");
            self.parts.tiers.pause_app(provider, until, now).await;
        }
        // Instagram accounts may be asked through Facebook's app.
        let other = (provider == Provider::Instagram).then_some(Provider::Facebook);
        for provider in other.into_iter().chain([provider]) {
            self.queue.set_pace(provider, self.parts.providers.quota(provider, now).and_then(pace));
        }
    }
}

/// How slowly a provider is asked, by the percentage of its quota that is used up: a second between two refreshes at 80, and
/// twice as long with each 2 % more, so that apps with small and with large quotas both keep a rest for avatars that are
/// viewed. At 100 the app is paused instead.
fn pace(Quota { percent, until }: Quota) -> Option<Pace> {
    let interval = || Duration::from_secs(1).mul_f64(2f64.powf(f64::from(percent - 80) / 2.0));
    (80..100).contains(&percent).then(|| Pace { interval: interval(), until })
}
