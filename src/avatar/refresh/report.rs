//! The log lines of a refresh.

use std::time::Duration;

use super::settle::{AttemptResult, Finding};
use crate::directory::{DirectoryError, Row};
use crate::model::{AvatarId, Entry, Timestamp, Trouble, TroubleClass};

/// One line for each refresh: connection, provider, what was found, how long it took, what failed.
pub(super) fn report(id: &AvatarId, row: &Row, result: &AttemptResult, took: Duration) {
    let found = match &result.finding {
        Finding::Picture(..) => "picture",
        Finding::Same => "the same picture",
        Finding::NoPicture => "no picture",
        Finding::FieldMissing => "no picture field",
        Finding::Nothing => "nothing",
    };
    let (provider, took_ms) = (row.connection.provider, took.as_millis() as u64);
    let Some(failure) = &result.failure else {
        tracing::info!(connection = %id, %provider, found, took_ms, "refreshed");
        return;
    };
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

/// The directory gave no answer: entries stay as they are, and nothing is remembered.
pub(super) fn report_directory(id: &AvatarId, error: &DirectoryError) {
    match error {
        DirectoryError::Unavailable(_) => {
            tracing::warn!(connection = %id, %error, "the directory cannot be asked");
        }
        DirectoryError::Misconfigured(_) | DirectoryError::Ambiguous { .. } => {
            tracing::error!(connection = %id, %error, "the directory is misconfigured");
        }
    }
}

/// When the next attempt may start after a failure.
pub(super) fn report_retry(id: &AvatarId, trouble: Option<&Trouble>, now: Timestamp) {
    let Some(trouble) = trouble else { return };
    match trouble.retry_at {
        Some(at) => tracing::debug!(connection = %id, pause = ?at.since(now), "next attempt after a pause"),
        None => tracing::debug!(connection = %id, "no attempt until the row changes"),
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
