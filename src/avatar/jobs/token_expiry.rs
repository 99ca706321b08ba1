//! Tokens that end soon: noted in the entry, so that the dashboard receives one event. No provider is asked for it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Jobs;
use super::sweep::DIRECTORY_BATCH;
use crate::avatar::refresh::report_token_end;
use crate::avatar::tiers::Cause;
use crate::model::{AvatarId, Entry, Timestamp, TokenEnd};
use crate::store::Held;

impl Jobs {
    /// Checks the ends of the tokens behind avatars that may not have been viewed for long: the ends in their rows, and, for
    /// rows without one, those in `ending`, which end soon as their provider says.
    pub(super) async fn check_token_ends(
        self: &Arc<Self>,
        ids: &[AvatarId],
        ending: &BTreeSet<AvatarId>,
        now: Timestamp,
    ) {
        for batch in ids.chunks(DIRECTORY_BATCH) {
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
        let mut budget = self.parts.tiers.unhurried();
        let Some(held) = self.parts.purger.lookup(id, now, &mut budget).await else { return };
        let token_end = token_end(&held.entry, row, now);
        if held.entry.token_end != token_end {
            self.amend(&held, Entry { token_end, ..held.entry.clone() }, now).await;
        }
    }

    /// Commits an entry that differs from the held one in what its row says, and publishes it. The result of a refresh that
    /// ended meanwhile stays: it has read the row, too, and may have failed.
    pub(super) async fn amend(&self, held: &Arc<Held>, entry: Entry, now: Timestamp) {
        let tiers = &self.parts.tiers;
        let row_read_at = held.row_read_at();
        let Some(new) = tiers.commit(&held.id, Some(held), entry, row_read_at, Cause::RowChange).await else {
            return;
        };
        report_token_end(&held.id, Some(&held.entry), &new.entry, now);
        tiers.publish(Some(&new), None).await;
    }
}

/// The end of a token, by what its row says now and its provider said last.
pub(super) fn token_end(held: &Entry, row: Option<Timestamp>, now: Timestamp) -> Option<TokenEnd> {
    TokenEnd::observe(row, held.token_end.and_then(TokenEnd::named_by_provider), held.token_end, now)
}
