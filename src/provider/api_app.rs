//! [`ApiApp`]: one app at an API, with the limits on its calls and the state of its quota.

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::ProviderError;
use super::quota::{QUOTA_WINDOW, Quota, QuotaState};
use super::rate::{CallLimits, Rate};
use crate::model::{Scope, Timestamp, TroubleClass};

/// All calls of one app. Rows of two providers may share it: Instagram accounts can be asked for through Facebook's app.
#[derive(Debug)]
pub(super) struct ApiApp {
    limits: CallLimits,
    permits: Semaphore,
    rate: Rate,
    // Locked to read or to replace a few numbers, never across an await.
    quota: Mutex<QuotaState>,
}

impl ApiApp {
    /// An app whose quota is not known yet.
    pub(super) fn new(limits: CallLimits) -> Self {
        let permits = Semaphore::new(limits.at_once.max(1));
        Self { limits, permits, rate: Rate::new(limits), quota: Mutex::default() }
    }

    pub(super) fn limits(&self) -> CallLimits {
        self.limits
    }

    /// Waits until a call may start. The call counts as running until the permit is dropped.
    ///
    /// # Errors
    /// The app is stopped, or was stopped while this call waited.
    pub(super) async fn permit(&self, now: Timestamp) -> Result<SemaphorePermit<'_>, ProviderError> {
        let permit = self.permits.acquire().await.map_err(|_| ProviderError::unexpected())?;
        self.rate.wait().await;
        match self.quota.lock().stopped_until(now) {
            Some(until) => {
                let error = ProviderError::new(TroubleClass::Throttled, "the whole app is paused");
                Err(error.after(until.since(now)))
            }
            None => Ok(permit),
        }
    }

    /// Records the share of the app's quota that a reply names; `None` changes nothing.
    pub(super) fn record(&self, percent: Option<u32>, now: Timestamp) {
        if let Some(percent) = percent {
            self.quota.lock().record(percent, now);
        }
    }

    /// Records an error; one that concerns the whole app stops it.
    pub(super) fn record_error(&self, error: &ProviderError, now: Timestamp) {
        if error.class == TroubleClass::Throttled && error.scope == Scope::App {
            self.quota.lock().stop_for(error.retry_after.unwrap_or(QUOTA_WINDOW), now);
        }
    }

    /// The used share of the quota, where a recent reply named it.
    pub(super) fn quota(&self, now: Timestamp) -> Option<Quota> {
        self.quota.lock().quota(now)
    }

    /// The end of a stop that began or grew since the last call.
    pub(super) fn take_new_stop(&self) -> Option<Timestamp> {
        self.quota.lock().take_new_stop()
    }
}
