//! [`ProviderError`]: why a provider named no picture, and what that means for the next attempt.

use std::time::Duration;

use crate::model::{Scope, TroubleClass};
use crate::origin::FetchError;

/// A provider could not be asked, or refused to answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ProviderError {
    /// What it means; decided by the provider's code and subcode (PROVIDERS 4, 6).
    pub class: TroubleClass,
    /// How far it reaches.
    pub scope: Scope,
    /// The pause that the provider or its documentation names; `None` leaves it to the class.
    pub retry_after: Option<Duration>,
    /// For how long the reply asks to leave the account alone beside that, since its quota is nearly used up.
    pub rest: Option<Duration>,
    /// What happened, such as `code 190/463`. Never a secret, and never the provider's own text, which may repeat one.
    pub reason: String,
}

impl ProviderError {
    pub(super) fn new(class: TroubleClass, reason: impl Into<String>) -> Self {
        Self { class, scope: Scope::Account, retry_after: None, rest: None, reason: reason.into() }
    }

    pub(super) fn after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }

    /// A reply that is none of those which PROVIDERS describes.
    pub(super) fn unexpected() -> Self {
        Self::new(TroubleClass::Transient, "unexpected reply")
    }
}

impl From<FetchError> for ProviderError {
    fn from(error: FetchError) -> Self {
        Self::new(TroubleClass::Transient, error.to_string())
    }
}

#[cfg(test)]
pub(super) fn error(class: TroubleClass, retry_after: Option<u64>, reason: &str) -> ProviderError {
    ProviderError { retry_after: retry_after.map(Duration::from_secs), ..ProviderError::new(class, reason) }
}
