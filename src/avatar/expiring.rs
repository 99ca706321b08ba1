//! Tokens that end soon: noted with the entry, so that the dashboard is told once. Nobody is asked earlier or later.

use std::sync::Arc;

use super::service::Service;
use crate::directory::Row;
use crate::model::{AvatarId, Entry, Provider, Timestamp, TokenEnd};
use crate::store::Held;

/// Ids asked for in one query.
const BATCH: usize = 200;

impl Service {
    /// Looks at the ends of the tokens behind avatars that nobody may have viewed for long.
    pub(super) async fn look_at_token_ends(self: &Arc<Self>, ids: &[AvatarId]) {
        for batch in ids.chunks(BATCH) {
            let now = self.parts.clock.now();
            let ends = match self.parts.directory.token_ends(batch, now).await {
                Ok(ends) => ends,
                Err(error) => {
                    tracing::warn!(%error, "sweep: the ends of tokens cannot be read");
                    return;
                }
            };
            for (id, at) in ends {
                if !TokenEnd::seen(at, None, now).is_soon(now) {
                    continue;
                }
                if let Some(held) = self.held(&id, now, &mut self.parts.redis.unhurried()).await {
                    let token_end = Some(TokenEnd::seen(at, held.entry.token_end, now));
                    if held.entry.token_end != token_end {
                        self.amend(&held, Entry { token_end, ..held.entry.clone() }).await;
                    }
                }
            }
        }
    }

    /// Keeps an entry that differs from the held one in what its row says, and tells.
    pub(super) async fn amend(&self, held: &Held, entry: Entry) {
        let happened = self.happened(&held.id, Some(&held.entry), &entry);
        let new = Arc::new(Held::new(held.id.clone(), entry, held.row_read_at()));
        new.view(held.viewed_at());
        if self.parts.memory.put(new.clone()).is_some() {
            self.parts.disk.put_with(new.clone(), happened).await;
            self.parts.redis.land(Some(&new), None).await;
        }
    }
}

/// The end of a row's token as it is to be held. Where the row gives none, a JSON provider's word stands in its place.
pub(super) fn token_end(held: &Entry, row: &Row, now: Timestamp) -> Option<TokenEnd> {
    let told = held.token_end.filter(|_| matches!(row.connection.provider, Provider::Json(_)));
    let at = row.connection.token_expires_at.or(told.map(|end| end.at));
    at.map(|at| TokenEnd::seen(at, held.token_end, now))
}
