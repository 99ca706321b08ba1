//! The log lines of a refresh. Its span names the connection and the provider.

use std::time::Duration;

use super::settle::{AttemptResult, Finding};
use crate::directory::DirectoryError;
use crate::model::{AvatarId, Entry, Timestamp, Trouble, TroubleClass};

/// One line for each refresh: what was found, how long it took, what failed.
pub(super) fn report(result: &AttemptResult, took: Duration) {
    let found = match &result.finding {
        Finding::Picture(..) => "picture",
        Finding::Same => "the same picture",
        Finding::NoPicture => "no picture",
        Finding::FieldMissing => "no picture field",
        Finding::Nothing => "nothing",
    };
    let took_ms = took.as_millis() as u64;
    let Some(failure) = &result.failure else {
        tracing::info!(found, took_ms, "refreshed");
        return;
    };
    let (class, reason) = (failure.class.as_str(), failure.reason.as_str());
    match failure.class {
        TroubleClass::Misconfigured => {
            tracing::error!(found, took_ms, class, reason, "refresh failed");
        }
        TroubleClass::Transient
        | TroubleClass::Throttled
        | TroubleClass::NeedsReauth
        | TroubleClass::Denied
        | TroubleClass::NoConsent => {
            tracing::warn!(found, took_ms, class, reason, "refresh failed");
        }
    }
}

/// The directory gave no answer: entries stay as they are, and nothing is remembered.
pub(super) fn report_directory(error: &DirectoryError) {
    match error {
        DirectoryError::Unavailable(_) => {
            tracing::warn!(%error, "the directory cannot be asked");
        }
        DirectoryError::Misconfigured(_) | DirectoryError::Ambiguous { .. } => {
            tracing::error!(%error, "the directory is misconfigured");
        }
    }
}

/// When the next attempt may start after a failure.
pub(super) fn report_retry(trouble: Option<&Trouble>, now: Timestamp) {
    let Some(trouble) = trouble else { return };
    match trouble.retry_at {
        Some(at) => tracing::debug!(pause = ?at.since(now), "next attempt after a pause"),
        None => tracing::debug!("no attempt until the row changes"),
    }
}

/// One line for each end of a token, when it is first seen to be near.
pub(in crate::avatar) fn report_token_end(id: &AvatarId, old: Option<&Entry>, new: &Entry, now: Timestamp) {
    let before = old.and_then(|old| old.token_end);
    if let Some(end) = new.token_end.filter(|end| end.is_newly_near(before)) {
        let hours = end.at.since(now).as_secs() / 3600;
        tracing::warn!(connection = %id, hours, "the token ends within seven days: the dashboard must renew it");
    }
}
