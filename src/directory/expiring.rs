//! When the tokens of many rows end. The sweep asks, since avatars without views need the warning too.

use std::collections::HashMap;

use super::engine::Keep;
use super::table::token_end;
use super::{Directory, DirectoryError, IDS_PER_QUERY};
use crate::model::{AvatarId, Timestamp};

impl Directory {
    /// When the tokens of these connections end, where a table has a column for it.
    ///
    /// # Errors
    /// A table could not be asked.
    pub async fn token_ends(
        &self,
        ids: &[AvatarId],
        now: Timestamp,
    ) -> Result<Vec<(AvatarId, Timestamp)>, DirectoryError> {
        let mut ends = Vec::new();
        if self.config.source.is_none() {
            return Ok(ends);
        }
        let view = self.view(Some(now)).await?;
        for table in view.schema.tables() {
            let held: HashMap<&str, &AvatarId> = ids
                .iter()
                .filter(|id| !self.entries.contains_key(*id))
                .filter_map(|id| table.row_id(id).map(|row| (row, id)))
                .collect();
            let rows: Vec<&str> = held.keys().copied().collect();
            for batch in rows.chunks(IDS_PER_QUERY) {
                let Some(select) = table.select_ends(batch.len()) else { break };
                let answer = self.engine()?.run(&select, batch, Keep::Once).await;
                for row in self.heed(answer).await?.rows {
                    let [Some(row_id), Some(end)] = &row[..] else { continue };
                    let end = token_end(end, now);
                    ends.extend(held.get(row_id.as_str()).map(|id| (*id).clone()).zip(end));
                }
            }
        }
        Ok(ends)
    }
}
