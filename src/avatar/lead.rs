//! What the leader of a flight does: find the row, get a place, climb, keep the result, tell the log.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::{Attempt, Found, settle};
use super::flight::{Lead, Outcome};
use super::outcome::Failure;
use super::refresh::Climb;
use super::service::{Service, Urgency};
use crate::clock::Stopwatch;
use crate::directory::{DirectoryError, Lookup, Row};
use crate::model::{AvatarId, Content, Entry, Generation, Scope, Timestamp, Trouble, TroubleClass};
use crate::store::Held;

impl Service {
    /// One refresh, from the row to the stores.
    pub(super) async fn refresh(
        self: &Arc<Self>,
        lead: &Lead,
        held: Option<Arc<Held>>,
        urgency: Urgency,
    ) -> Outcome {
        let id = lead.id();
        let generation = self.parts.generations.current();
        // Another flight may have landed between the caller's look and its boarding, or a deletion may have come: what
        // the caller saw must not be stored once more.
        let held = self.parts.memory.get(id.as_str()).or(held);
        let held = held.filter(|held| self.admits(held));
        let row = match self.parts.directory.lookup(id, self.parts.clock.now()).await {
            Ok(Lookup::Found(row)) => row,
            Ok(Lookup::Unknown) => {
                if held.is_some() {
                    tracing::info!(connection = %id, "the row is gone: deleted from every store");
                    self.erase(id).await;
                }
                return Outcome::Unknown;
            }
            Err(error) => return unavailable(id, &error),
        };
        let now = self.parts.clock.now();
        let paused = self.paused(&row, now);
        if let Some(held) =
            held.as_ref().filter(|held| !self.may_climb(held, &row, paused.as_ref(), urgency, now))
        {
            return Outcome::Held(held.clone());
        }
        let viewed_at = held.as_ref().map_or(now, |held| held.viewed_at());
        let Ok(_place) = self.queue.enter(id, row.connection.provider, viewed_at).await else {
            tracing::warn!(connection = %id, "no refresh: avatar.queue is full of avatars that were viewed later");
            return Outcome::Unavailable;
        };
        let took = Stopwatch::start();
        let attempt = Climb {
            clock: &self.parts.clock,
            windows: &self.parts.config.windows,
            keyring: &self.parts.keyring,
            providers: &self.parts.providers,
            row: &row,
            held: held.as_ref().map(|held| &held.entry),
            flight: lead.flight(),
            max_pixels: self.parts.max_pixels,
            paused,
        }
        .up()
        .await;
        self.conclude(id, held, attempt, &row, generation, took).await
    }

    /// A later flight, the row or an operator may have changed what the caller saw.
    fn may_climb(
        &self,
        held: &Held,
        row: &Row,
        paused: Option<&Failure>,
        urgency: Urgency,
        now: Timestamp,
    ) -> bool {
        let trouble =
            held.entry.trouble.as_ref().filter(|trouble| trouble.fingerprint == Some(row.fingerprint));
        let allowed = urgency == Urgency::Forced || trouble.is_none_or(|trouble| trouble.allows(now));
        // With nothing held the row's own address costs no API call, so even a paused app may climb once.
        let never_tried = matches!(held.entry.content, Content::Nothing) && trouble.is_none();
        allowed && (paused.is_none() || never_tried)
    }

    /// The pause of the row's whole app, as a failure.
    fn paused(&self, row: &Row, now: Timestamp) -> Option<Failure> {
        let until = self.pauses.until(row.connection.provider, now)?;
        Some(Failure {
            retry_after: Some(until.since(now)),
            ..Failure::new(TroubleClass::Throttled, "the whole app is paused")
        })
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
        self.note_pause(row, &attempt, now).await;
        report(id, row, &attempt, took.elapsed());
        let old = held.as_ref().map(|held| &held.entry);
        let entry = settle(id, old, attempt, row, generation, now, &self.parts.config);
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
        self.parts.disk.put(new.clone()).await;
        if asked && self.parts.write_back {
            self.write_back(row.clone(), &new);
        }
        Outcome::Held(new)
    }

    /// Code 4 stops every account of the app, over a restart too.
    async fn note_pause(&self, row: &Row, attempt: &Attempt, now: Timestamp) {
        let provider = row.connection.provider;
        let Some(failure) = &attempt.failure else { return };
        if failure.scope == Scope::App && failure.class == TroubleClass::Throttled {
            let until = now + failure.retry_after.unwrap_or(super::outcome::THROTTLE_PAUSE);
            tracing::warn!(%provider, pause = ?until.since(now), "the provider throttles the whole app: nobody asks until then");
            self.pauses.set(provider, until);
            self.parts.disk.put_pause(provider, until).await;
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
        self.parts.tracker.spawn(async move {
            let _permit = permit;
            let id = &row.connection.id;
            match service.parts.directory.write_back(&row.connection, &link.address).await {
                Ok(done) => tracing::debug!(connection = %id, ?done, "write-back"),
                Err(error) => tracing::debug!(connection = %id, %error, "write-back failed"),
            }
        });
    }
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

/// What is put back into the stores by an operator's soft purge: stale now, and without a link, so that the provider
/// is asked.
pub(super) fn stale_now(entry: &Entry, generation: Generation, now: Timestamp, s1: Duration) -> Entry {
    Entry {
        verified_at: entry.verified_at.min(now - s1),
        link: None,
        trouble: None,
        generation,
        ..entry.clone()
    }
}
