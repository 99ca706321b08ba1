//! Tokens that end soon: noted with the entry, so that the dashboard is told once. Nobody is asked earlier or later.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::service::Service;
use crate::model::{AvatarId, Entry, Timestamp, TokenEnd};
use crate::store::Held;

/// Ids asked for in one query.
const BATCH: usize = 200;

impl Service {
    /// Looks at the ends of the tokens behind avatars that nobody may have viewed for long: those in the rows, and for rows
    /// without one those in `ending`, which end soon by the provider's word.
    pub(super) async fn look_at_token_ends(self: &Arc<Self>, ids: &[AvatarId], ending: &BTreeSet<AvatarId>) {
        for batch in ids.chunks(BATCH) {
            let now = self.parts.clock.now();
            let ends: HashMap<AvatarId, Timestamp> = match self.parts.directory.token_ends(batch, now).await {
                Ok(ends) => ends.into_iter().collect(),
                Err(error) => {
                    tracing::warn!(%error, "sweep: the ends of tokens cannot be read");
                    return;
                }
            };
            for id in batch {
                let row = ends.get(id).copied();
                let seen = TokenEnd::observe(row, None, None, now);
                if seen.map_or(ending.contains(id), |end| end.is_soon(now)) {
                    self.note_end(id, row, now).await;
                }
            }
        }
    }

    async fn note_end(self: &Arc<Self>, id: &AvatarId, row: Option<Timestamp>, now: Timestamp) {
        let Some(held) = self.held(id, now, &mut self.parts.redis.unhurried()).await else { return };
        let token_end = token_end(&held.entry, row, now);
        if held.entry.token_end != token_end {
            self.amend(&held, Entry { token_end, ..held.entry.clone() }).await;
        }
    }

    /// Keeps an entry that differs from the held one in what its row says, and tells. What a refresh has brought meanwhile
    /// stays: it has read the row, too, and may have met a trouble.
    pub(super) async fn amend(&self, held: &Arc<Held>, entry: Entry) {
        let new = Arc::new(Held::new(held.id.clone(), entry, held.row_read_at()));
        new.view(held.viewed_at());
        if !self.parts.memory.replace(held, &new) {
            return;
        }
        report_end(&held.id, Some(&held.entry), &new.entry, self.parts.clock.now());
        let happened = self.happened(&held.id, Some(&held.entry), &new.entry);
        self.parts.disk.put_with(new.clone(), happened).await;
        self.parts.redis.land(Some(&new), None).await;
    }
}

/// One line in the log for each end, when it is first seen to be near.
pub(super) fn report_end(id: &AvatarId, old: Option<&Entry>, new: &Entry, now: Timestamp) {
    let before = old.and_then(|old| old.token_end);
    if let Some(end) = new.token_end.filter(|end| end.is_newly_near(before)) {
        let hours = end.at.since(now).as_secs() / 3600;
        tracing::warn!(connection = %id, hours, "the token ends within seven days: the dashboard must renew it");
    }
}

/// The end of a token as it is to be held by what its row says now.
pub(super) fn token_end(held: &Entry, row: Option<Timestamp>, now: Timestamp) -> Option<TokenEnd> {
    TokenEnd::observe(row, held.token_end.and_then(TokenEnd::named_by_provider), held.token_end, now)
}
