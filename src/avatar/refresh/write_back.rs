//! Saving the fresh address in the dashboard's row, as the dashboard did itself.

use std::sync::Arc;

use super::Refresher;
use crate::directory::Row;
use crate::store::Held;

impl Refresher {
    /// Saves the address behind an answer that does not wait for it.
    pub(super) fn write_back(self: &Arc<Self>, row: Arc<Row>, new: &Held) {
        let Some(link) = new.entry.link.clone().filter(|link| !link.is_secret) else { return };
        let stored = row.connection.picture_url.as_ref().map(|url| url.expose());
        if stored == Some(link.address.expose()) {
            return;
        }
        // Too many at one time: the next fresh address is saved.
        let Ok(permit) = self.write_backs.clone().try_acquire_owned() else { return };
        let refresher = self.clone();
        self.parts.background.spawn(async move {
            let _permit = permit;
            match refresher.parts.directory.write_back(&row.connection, &link.address).await {
                Ok(done) => tracing::debug!(?done, "write-back"),
                Err(error) => tracing::debug!(%error, "write-back failed"),
            }
        });
    }
}
