//! The row behind an avatar is looked at again: deletions and new tokens are noticed (DESIGN 3).

use std::sync::Arc;

use super::expiring::token_end;
use super::service::{Service, Urgency};
use crate::directory::{Lookup, Row};
use crate::model::{Entry, Provider};
use crate::store::Held;

impl Service {
    /// Reads the row in the background. Too many at one time: a later view does it.
    pub(super) fn look_at_row(self: &Arc<Self>, held: Arc<Held>) {
        let Ok(permit) = self.errands.clone().try_acquire_owned() else { return };
        let service = self.clone();
        self.parts.background.spawn(async move {
            let _permit = permit;
            let now = service.parts.clock.now();
            match service.parts.directory.read(&held.id, now).await {
                Ok(Lookup::Found(row)) => service.compare(held, &row).await,
                Ok(Lookup::Unknown) => service.gone(&held.id).await,
                // A database that cannot be reached is never "gone".
                Err(error) => {
                    tracing::warn!(connection = %held.id, %error, "the row could not be read again")
                }
            }
        });
    }

    /// Takes over what has changed in a row.
    async fn compare(self: &Arc<Self>, held: Arc<Held>, row: &Row) {
        let now = self.parts.clock.now();
        if held.entry.fingerprint != row.fingerprint {
            tracing::info!(connection = %held.id, "the row has changed: refreshed now");
            self.begin(&held.id, Some(held.clone()), Urgency::Forced, self.parts.redis.budget());
            return;
        }
        let end = row.connection.token_expires_at;
        let (name, token_end) = (name(&held.entry, row), token_end(&held.entry, end, now));
        if name != held.entry.name || token_end != held.entry.token_end {
            self.amend(&held, Entry { name, token_end, ..held.entry.clone() }).await;
        }
    }
}

/// The row's name. Where it gives none, a JSON provider's stands in its place.
fn name(held: &Entry, row: &Row) -> Option<Arc<str>> {
    let told = held.name.clone().filter(|_| matches!(row.connection.provider, Provider::Json(_)));
    row.connection.name.clone().or(told)
}
