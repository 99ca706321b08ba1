//! [`Failure`]: what an error of the floors below means for caching, one exhaustive match for each kind of error.

use std::time::Duration;

use crate::model::token::OpenError;
use crate::model::{AvatarId, SniffError, Timestamp, Trouble, TroubleClass, own_pause};
use crate::origin::FetchError;
use crate::provider::ProviderError;

use crate::avatar::config::AvatarConfig;

/// The pause after a throttle that names no time. Meta's Graph API sends no `Retry-After`; its windows are an hour long.
pub(super) const THROTTLE_PAUSE: Duration = Duration::from_secs(3600);
/// The pause after a denial or a misconfiguration.
const LONG_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// Why an attempt failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) class: TroubleClass,
    pub(super) retry_after: Option<Duration>,
    /// How long the provider asks to leave the account alone, beside that.
    pub(super) rest: Option<Duration>,
    pub(super) reason: String,
}

impl Failure {
    pub(super) fn new(class: TroubleClass, reason: impl Into<String>) -> Self {
        Self { class, retry_after: None, rest: None, reason: reason.into() }
    }

    /// When the next attempt may start; `None` = not until the row changes.
    pub(super) fn retry_at(
        &self,
        id: &AvatarId,
        failures: u32,
        now: Timestamp,
        config: &AvatarConfig,
    ) -> Option<Timestamp> {
        let own_pause = own_pause(id, failures, config.retry_min, config.retry_max);
        let pause = match self.class {
            // A reply may name no pause, or one that this clock has passed already.
            TroubleClass::Transient => self.retry_after.unwrap_or_default().max(own_pause),
            TroubleClass::Throttled => self.retry_after.unwrap_or(THROTTLE_PAUSE).max(config.retry_min),
            TroubleClass::NeedsReauth => self.retry_after?,
            TroubleClass::Denied | TroubleClass::NoConsent | TroubleClass::Misconfigured => {
                self.retry_after.unwrap_or(LONG_PAUSE)
            }
        };
        Some(now + pause)
    }

    /// The trouble that is stored with the entry.
    pub(super) fn into_trouble(
        self,
        id: &AvatarId,
        fingerprint: crate::model::Fingerprint,
        before: Option<&Trouble>,
        now: Timestamp,
        config: &AvatarConfig,
    ) -> Trouble {
        let needs_action = self.class.needs_action().or(before.and_then(|trouble| trouble.needs_action));
        let before = before.filter(|trouble| trouble.fingerprint == Some(fingerprint));
        let failures = before.map_or(0, |trouble| trouble.failures).saturating_add(1);
        let retry_at = self.retry_at(id, failures, now, config);
        let Self { class, reason, .. } = self;
        Trouble { class, reason, at: now, retry_at, failures, fingerprint: Some(fingerprint), needs_action }
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        // The app's own quota state knows the scope: a stop holds from the reply on.
        let ProviderError { class, scope: _, retry_after, rest, reason } = error;
        Self { class, retry_after, rest, reason }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(TroubleClass::Misconfigured, format!("token: {error}"))
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        let class = match &error {
            // The next attempt would fail in the same way: the address, the bound or the list of hosts must change first.
            FetchError::NotHttps
            | FetchError::HostNotAllowed(_)
            | FetchError::Port
            | FetchError::NotPublic(_)
            | FetchError::Address(_)
            | FetchError::TooLarge(_)
            | FetchError::NotAPicture(SniffError::Dimensions { .. }) => TroubleClass::Misconfigured,
            FetchError::TooManyRedirects
            | FetchError::BadRedirect
            | FetchError::Status(_)
            | FetchError::Encoded
            | FetchError::Truncated
            | FetchError::NotAPicture(SniffError::NotAPicture | SniffError::Incomplete)
            | FetchError::TimedOut
            | FetchError::Connection(_) => TroubleClass::Transient,
        };
        Self::new(class, format!("picture: {error}"))
    }
}
