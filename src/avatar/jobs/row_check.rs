//! Reading the row behind a viewed avatar again, so that deletions and new tokens are noticed.

use std::sync::Arc;

use super::Jobs;
use super::token_expiry::token_end;
use crate::avatar::refresh::Urgency;
use crate::directory::{Lookup, Row};
use crate::model::{Entry, Provider, Timestamp};
use crate::store::Held;

impl Jobs {
    /// Reads the row in the background. With too many at one time a later view does it.
    pub(in crate::avatar) fn check_row(self: &Arc<Self>, held: Arc<Held>, now: Timestamp) {
        let Ok(permit) = self.row_checks.clone().try_acquire_owned() else { return };
        let jobs = self.clone();
        self.parts.background.spawn(async move {
            let _permit = permit;
            match jobs.parts.directory.read(&held.id, now).await {
                Ok(Lookup::Found(row)) => jobs.compare(held, &row, now).await,
                Ok(Lookup::Unknown) => jobs.parts.purger.on_row_deleted(&held.id).await,
                // A database that cannot be reached never means that the row is gone.
                Err(error) => {
                    tracing::warn!(connection = %held.id, %error, "the row could not be read again");
                }
            }
        });
    }

    /// Acts upon what has changed in a row.
    async fn compare(self: &Arc<Self>, held: Arc<Held>, row: &Row, now: Timestamp) {
        if held.entry.fingerprint != row.fingerprint {
            tracing::info!(connection = %held.id, "the row has changed: refreshing now");
            let budget = self.parts.tiers.budget();
            self.parts.refresher.begin(&held.id, Some(held.clone()), Urgency::Forced, budget, now);
            return;
        }
        let end = row.connection.token_expires_at;
        let (name, token_end) = (name(&held.entry, row), token_end(&held.entry, end, now));
        if name != held.entry.name || token_end != held.entry.token_end {
            self.amend(&held, Entry { name, token_end, ..held.entry.clone() }, now).await;
        }
    }
}

/// The row's name; where the row has none, the one that a JSON provider gave.
fn name(held: &Entry, row: &Row) -> Option<Arc<str>> {
    let given = held.name.clone().filter(|_| matches!(row.connection.provider, Provider::Json(_)));
    row.connection.name.clone().or(given)
}
