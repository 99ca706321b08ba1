//! The row behind an avatar is looked at again: deletions and new tokens are noticed (DESIGN 3).

use std::sync::Arc;

use super::service::{Service, Urgency};
use crate::directory::{Lookup, Row};
use crate::model::{Entry, Provider};
use crate::store::Held;

impl Service {
    /// Reads the row in the background. Too many at one time: a later view does it.
    pub(super) fn look_at_row(self: &Arc<Self>, held: Arc<Held>) {
        let Ok(permit) = self.errands.clone().try_acquire_owned() else { return };
        let service = self.clone();
        self.parts.tracker.spawn(async move {
            let _permit = permit;
            let now = service.parts.clock.now();
            match service.parts.directory.read(&held.id, now).await {
                Ok(Lookup::Found(row)) => service.compare(held, &row),
                Ok(Lookup::Unknown) => service.gone(&held.id).await,
                // A database that cannot be reached is never "gone".
                Err(error) => {
                    tracing::warn!(connection = %held.id, %error, "the row could not be read again")
                }
            }
        });
    }

    /// Takes over what has changed in a row.
    fn compare(self: &Arc<Self>, held: Arc<Held>, row: &Row) {
        if held.entry.fingerprint != row.fingerprint {
            tracing::info!(connection = %held.id, "the row has changed: refreshed now");
            self.begin(&held.id, Some(held.clone()), Urgency::Forced, self.parts.redis.budget());
        } else if differs(held.entry.name.as_ref(), row) {
            let entry = Entry { name: row.connection.name.clone(), ..held.entry.clone() };
            let renamed = Arc::new(Held::new(held.id.clone(), entry, held.row_read_at()));
            renamed.view(held.viewed_at());
            if self.parts.memory.put(renamed.clone()).is_some() {
                let (disk, redis) = (self.parts.disk.clone(), self.parts.redis.clone());
                self.parts.tracker.spawn(async move {
                    disk.put(renamed.clone()).await;
                    redis.land(Some(&renamed), None).await;
                });
            }
        }
    }
}

/// Whether the row gives another name. Where it gives none, a JSON provider's stands in its place.
fn differs(held: Option<&Arc<str>>, row: &Row) -> bool {
    match (&row.connection.name, row.connection.provider) {
        (None, Provider::Json(_)) => false,
        (name, _) => held != name.as_ref(),
    }
}
