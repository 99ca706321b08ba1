//! [`App`]: one app at an API: the bounds on its calls, and what is left of its quota.

use std::time::Duration;

use hyper::HeaderMap;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::ProviderError;
use super::meta::usage::{FULL_PAUSE, Usage, rest};
use super::rate::{CallLimits, Rate};
use crate::model::{Scope, Timestamp, TroubleClass};

/// All calls of one app, whichever of the providers' rows they are for: Instagram accounts may be asked through Facebook's.
#[derive(Debug)]
pub(super) struct App {
    places: Semaphore,
    rate: Rate,
    usage: Usage,
}

impl App {
    /// Nothing is known of its quota yet.
    pub(super) fn new(limits: CallLimits) -> Self {
        let places = Semaphore::new(limits.at_once.max(1));
        Self { places, rate: Rate::new(limits), usage: Usage::default() }
    }

    /// How much of its quota is used up.
    pub(super) fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Waits for the turn of a call, which lasts until what is returned is dropped.
    ///
    /// # Errors
    /// The app has been refused, or has said that its quota is used up; be it while the turn was waited for.
    pub(super) async fn turn(&self, now: Timestamp) -> Result<SemaphorePermit<'_>, ProviderError> {
        let place = self.places.acquire().await.map_err(|_| ProviderError::unexpected())?;
        self.rate.turn().await;
        match self.usage.stopped_until(now) {
            Some(until) => {
                let error = ProviderError::new(TroubleClass::Throttled, "the whole app is paused");
                Err(error.after(until.since(now)))
            }
            None => Ok(place),
        }
    }

    /// Notes what one of Meta's replies says of the app. Returns for how long it asks to leave the account alone.
    pub(super) fn heard(&self, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
        self.usage.note(headers, now);
        rest(headers)
    }

    /// Notes an error that stops the whole app.
    pub(super) fn failed(&self, error: &ProviderError, now: Timestamp) {
        if error.class == TroubleClass::Throttled && error.scope == Scope::App {
            self.usage.refused(error.retry_after.unwrap_or(FULL_PAUSE), now);
        }
    }
}
