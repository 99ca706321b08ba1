//! [`ProviderError`]: why a provider gave no answer about a picture, and what that means for the next attempt.

use std::time::Duration;

use crate::model::{Scope, TroubleClass};
use crate::origin::FetchError;

/// A provider could not be asked, or refused to answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ProviderError {
    /// What it means for the next attempt; the provider's code and subcode decide it.
    pub class: TroubleClass,
    /// Whether it concerns the account or the whole app.
    pub scope: Scope,
    /// The pause that the provider or its documentation names; `None` leaves the pause to the class.
    pub retry_after: Option<Duration>,
    /// How long the reply asks to leave the account alone besides, because its quota is nearly used up.
    pub rest: Option<Duration>,
    /// What happened, such as `code 190/463`. Never a secret, and never the provider's own text, which may contain one.
    pub reason: String,
}

impl ProviderError {
    pub(super) fn new(class: TroubleClass, reason: impl Into<String>) -> Self {
        Self { class, scope: Scope::Account, retry_after: None, rest: None, reason: reason.into() }
    }

    pub(super) fn after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }

    /// A reply of a shape that the provider's documentation does not describe.
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
