//! What the leader of a flight does: find the row, get a place, climb, keep the result, tell the log.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::{Attempt, Found, settle};
use super::expiring::report_end;
use super::flight::{Lead, Outcome};
use super::queue::{Full, Pace, Place};
use super::refresh::Climb;
use super::service::{Service, Urgency};
use super::turn::{Turn, Wanted};
use crate::clock::Stopwatch;
use crate::directory::{DirectoryError, Lookup, Row};
use crate::model::{AvatarId, Generation, Provider, Timestamp, Trouble, TroubleClass};
use crate::provider::Quota;
use crate::store::{Budget, Held, Lease};

impl Service {
    /// One flight: what it brought goes to all who wait, then to the other instances.
    ///
    /// Thousands of them may wait for a place, so what a flight needs afterwards is allocated only then.
    pub(super) async fn lead(
        self: Arc<Self>,
        lead: Lead,
        held: Option<Arc<Held>>,
        urgency: Urgency,
        mut budget: Budget,
    ) {
        let (outcome, right) = match self.early_place(&lead, held.as_deref()).await {
            Ok(early) => Box::pin(self.refresh(&lead, early, held, urgency, &mut budget)).await,
            Err(Full) => (Outcome::Unavailable, Right::None),
        };
        let landed = match &outcome {
            Outcome::Held(held) => Some(held.clone()),
            Outcome::Unknown | Outcome::Unavailable => None,
        };
        // Until the others know, the flight stays: whoever boards meanwhile is given its outcome.
        lead.tell(outcome);
        if let Right::Climbed(lease) = right {
            Box::pin(self.parts.redis.land(landed.as_deref(), lease)).await;
        }
    }

    /// One refresh, from the row to the stores of this instance.
    async fn refresh(
        self: &Arc<Self>,
        lead: &Lead,
        early: Option<Place>,
        seen: Option<Arc<Held>>,
        urgency: Urgency,
        budget: &mut Budget,
    ) -> (Outcome, Right) {
        let id = lead.id();
        let before_row = self.parts.generations.current();
        let row = match self.parts.directory.lookup(id, self.parts.clock.now()).await {
            Ok(Lookup::Found(row)) => row,
            Ok(Lookup::Unknown) => {
                if seen.is_some() {
                    self.gone(id).await;
                }
                return (Outcome::Unknown, Right::None);
            }
            Err(error) => return (unavailable(id, &error), Right::None),
        };
        // Another flight may have landed between the caller's look and its boarding, or a deletion may have come: what
        // the caller saw must not be stored once more.
        let held = self.parts.memory.get(id.as_str()).or_else(|| seen.clone());
        let held = held.filter(|held| self.admits(held));
        let mark = self.parts.redis.mark(id);
        let wanted = Wanted { id, flight: lead.flight(), row: &row, urgency, began: self.parts.clock.now() };
        let (place, lease, held) = match self.turn(&wanted, early, seen, held, budget).await {
            Turn::Over(outcome) => return (outcome, Right::None),
            Turn::Ours(place, lease, held) => (place, lease, held),
        };
        let generation = self.parts.generations.current();
        if self.parts.generations.purged(id, row.connection.provider).last() > before_row {
            // While a place was waited for: the row may be gone or another by now, and what is fetched by this one would be
            // kept as current.
            return (Outcome::Unavailable, Right::Climbed(lease));
        }
        let held = held.filter(|held| self.admits(held));
        let took = Stopwatch::start();
        let attempt = Climb {
            clock: &self.parts.clock,
            windows: &self.parts.config.windows,
            keyring: &self.parts.keyring,
            providers: &self.parts.providers,
            row: &row,
            held: held.as_ref().map(|held| &held.entry),
            flight: lead.flight(),
            generation,
            max_pixels: self.parts.max_pixels,
            paused: self.forbidden(&row, &place, self.parts.clock.now()),
        }
        .up()
        .await;
        drop(place);
        let outcome = self.conclude(id, held, attempt, &row, generation, took).await;
        // Without the lease another instance may have brought something later meanwhile.
        if let (Outcome::Held(new), Some(_)) = (&outcome, &lease) {
            self.parts.redis.trust(new, mark);
        }
        (outcome, Right::Climbed(lease))
    }

    /// Keeps what an attempt brought and says so.
    async fn conclude(
        self: &Arc<Self>,
        id: &AvatarId,
        held: Option<Arc<Held>>,
        attempt: Attempt,
        row: &Arc<Row>,
        generation: Generation,
        took: Stopwatch,
    ) -> Outcome {
        let now = self.parts.clock.now();
        let asked = attempt.failure.is_none() && matches!(attempt.found, Found::Same | Found::Picture(..));
        self.obey_limits(row.connection.provider, now).await;
        report(id, row, &attempt, took.elapsed());
        let old = held.as_ref().map(|held| &held.entry);
        let entry = settle(id, old, attempt, row, generation, now, &self.parts.config);
        report_end(id, old, &entry, now);
        let happened = self.happened(id, old, &entry);
        tell_retry(id, entry.trouble.as_ref(), now);
        let new = Arc::new(Held::new(id.clone(), entry, row.read_at));
        if let Some(held) = &held {
            new.view(held.viewed_at());
        }
        if !self.admits(&new) {
            // Purged or deleted meanwhile: the next view starts afresh.
            return Outcome::Unavailable;
        }
        self.parts.memory.put(new.clone());
        // In the file before the other instances hear of the entry: whoever knows it would not tell it any more.
        self.parts.disk.put_with(new.clone(), happened).await;
        if asked && self.parts.write_back {
            self.write_back(row.clone(), &new);
        }
        Outcome::Held(new)
    }

    /// Code 4 stops every account of the app, over a restart too, and so does an app that says it has used up its quota:
    /// the next call would be that code. Before that it is asked more and more slowly.
    async fn obey_limits(&self, provider: Provider, now: Timestamp) {
        for (provider, until) in self.parts.providers.take_new_stops() {
            let pause = until.since(now);
            tracing::warn!(%provider, ?pause, "the provider throttles the whole app: nobody asks until then");
            if let Some(until) = self.pauses.set(provider, until, now) {
                self.parts.disk.put_pause(provider, until).await;
                self.parts.redis.put_pause(provider, until).await;
            }
        }
        // Instagram accounts may be asked through Facebook's app.
        let other = (provider == Provider::Instagram).then_some(Provider::Facebook);
        for provider in other.into_iter().chain([provider]) {
            self.queue.pace(provider, self.parts.providers.quota(provider, now).and_then(pace));
        }
    }

    /// Saves the fresh address in the row, as the dashboard did itself. Nobody waits for it.
    fn write_back(self: &Arc<Self>, row: Arc<Row>, new: &Held) {
        let Some(link) = new.entry.link.clone().filter(|link| !link.is_secret) else { return };
        let stored = row.connection.picture_url.as_ref().map(|url| url.expose());
        if stored == Some(link.address.expose()) {
            return;
        }
        // Too many at one time: the next fresh address is saved.
        let Ok(permit) = self.errands.clone().try_acquire_owned() else { return };
        let service = self.clone();
        self.parts.background.spawn(async move {
            let _permit = permit;
            let id = &row.connection.id;
            match service.parts.directory.write_back(&row.connection, &link.address).await {
                Ok(done) => tracing::debug!(connection = %id, ?done, "write-back"),
                Err(error) => tracing::debug!(connection = %id, %error, "write-back failed"),
            }
        });
    }
}

/// How long a provider is left alone between two refreshes, by the percentage of its quota that is used up: a second at
/// 80, and twice as long with each 2 % more, so that apps with small and with large quotas both keep a rest for those that
/// are viewed (PROVIDERS 12, 16). At 100 it is stopped, and nobody waits for a turn.
fn pace(Quota { percent, until }: Quota) -> Option<Pace> {
    let every = || Duration::from_secs(1).mul_f64(2f64.powf(f64::from(percent - 80) / 2.0));
    (80..100).contains(&percent).then(|| Pace { every: every(), until })
}

/// By which right a refresh was made, and what is to be done about it when it has ended.
enum Right {
    /// None was made.
    None,
    /// The result is told, if Redis is there, and the lease given back, if there was one.
    Climbed(Option<Lease>),
}

/// Nobody can say who is behind the id: what is held stays, and nothing is remembered.
fn unavailable(id: &AvatarId, error: &DirectoryError) -> Outcome {
    match error {
        DirectoryError::Unavailable(_) => {
            tracing::warn!(connection = %id, %error, "the directory cannot be asked")
        }
        DirectoryError::Misconfigured(_) | DirectoryError::Ambiguous { .. } => {
            tracing::error!(connection = %id, %error, "the directory is misconfigured");
        }
    }
    Outcome::Unavailable
}

/// One line for each refresh: connection, provider, what was found, how long it took, what failed.
fn report(id: &AvatarId, row: &Row, attempt: &Attempt, took: Duration) {
    let found = match &attempt.found {
        Found::Picture(..) => "picture",
        Found::Same => "the same picture",
        Found::NoPicture => "no picture",
        Found::FieldMissing => "no picture field",
        Found::Nothing => "nothing",
    };
    let (provider, took_ms) = (row.connection.provider, took.as_millis() as u64);
    match &attempt.failure {
        None => tracing::info!(connection = %id, %provider, found, took_ms, "refreshed"),
        Some(failure) => {
            let (class, reason) = (failure.class.as_str(), failure.reason.as_str());
            match failure.class {
                TroubleClass::Misconfigured => {
                    tracing::error!(connection = %id, %provider, found, took_ms, class, reason, "refresh failed");
                }
                TroubleClass::Transient
                | TroubleClass::Throttled
                | TroubleClass::NeedsReauth
                | TroubleClass::Denied
                | TroubleClass::NoConsent => {
                    tracing::warn!(connection = %id, %provider, found, took_ms, class, reason, "refresh failed");
                }
            }
        }
    }
}

fn tell_retry(id: &AvatarId, trouble: Option<&Trouble>, now: Timestamp) {
    if let Some(trouble) = trouble {
        match trouble.retry_at {
            Some(at) => {
                tracing::debug!(connection = %id, pause = ?at.since(now), "asked again after a pause")
            }
            None => tracing::debug!(connection = %id, "not asked again until the row changes"),
        }
    }
}
