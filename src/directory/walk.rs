//! A walk over all connections, in pages: the `[[connection]]` entries, then each table in the order of its ids. It can be
//! resumed after any time.

use super::engine::Keep;
use super::table::Table;
use super::{Directory, DirectoryError};
use crate::model::AvatarId;

/// Where a walk is: behind this row. It stays valid while rows are added and deleted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The table, with its number; empty for the entries of the configuration.
    table: String,
    /// The last row's own id; `None` = before the first.
    after: Option<String>,
}

/// Some connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Their ids. May be empty: not every row's id fits an address.
    pub ids: Vec<AvatarId>,
    /// Where the next page begins; `None` = this was the last.
    pub next: Option<Cursor>,
}

impl Directory {
    /// At most `count` connections behind `from`, or from the first one without it.
    ///
    /// # Errors
    /// As for [`Directory::existing`]; also if `from` lies in a table that is no longer read.
    pub async fn page(&self, from: Option<&Cursor>, count: usize) -> Result<Page, DirectoryError> {
        let tables = match self.config.source {
            Some(_) => {
                let view = self.view(None).await?;
                view.problem.map_or(Ok(()), Err)?;
                Some(view.schema)
            }
            None => None,
        };
        let tables: Vec<&Table> = tables.iter().flat_map(|schema| schema.tables()).collect();
        let from = match from {
            Some(cursor) if !cursor.table.is_empty() => cursor,
            Some(Cursor { after, .. }) => return Ok(self.entries_after(after.as_deref(), count, &tables)),
            None => return Ok(self.entries_after(None, count, &tables)),
        };
        let at = tables.iter().position(|table| name(table) == from.table).ok_or_else(|| {
            let problem = format!("the walk was in the table {:?}, which is no longer read", from.table);
            DirectoryError::Misconfigured(problem)
        })?;
        let rows = self.rows_after(tables[at], from.after.as_deref(), count).await?;
        let next = match rows.last() {
            Some(last) if rows.len() == count => {
                Some(Cursor { table: from.table.clone(), after: Some(last.clone()) })
            }
            Some(_) | None => tables.get(at + 1).map(|table| beginning(table)),
        };
        let ids = rows.iter().filter_map(|row_id| tables[at].avatar_id(row_id)).collect();
        Ok(Page { ids, next })
    }

    /// Looks for the tables anew at the next question, where one of them was missing: it may be there by now.
    pub async fn expect_new_tables(&self) {
        let mut looked = self.schema.lock().await;
        if looked.schema.as_ref().is_some_and(|schema| !schema.is_complete()) {
            looked.schema = None;
        }
    }

    /// How many connections there are, including rows that fit no address.
    ///
    /// # Errors
    /// As for [`Directory::page`].
    pub async fn count(&self) -> Result<u64, DirectoryError> {
        let mut count = self.entries.len() as u64;
        if self.config.source.is_some() {
            let view = self.view(None).await?;
            view.problem.map_or(Ok(()), Err)?;
            for table in view.schema.tables() {
                let answer = self.engine()?.run(table.select_count(), &[], Keep::Once).await;
                let rows = self.heed(answer).await?.rows;
                let counted = rows.into_iter().flatten().flatten().next();
                count += counted.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        Ok(count)
    }

    fn entries_after(&self, after: Option<&str>, count: usize, tables: &[&Table]) -> Page {
        let mut ids: Vec<&AvatarId> =
            self.entries.keys().filter(|id| after.is_none_or(|after| id.as_str() > after)).collect();
        ids.sort();
        let more = ids.len() > count;
        ids.truncate(count);
        let next = match ids.last() {
            Some(last) if more => Some(Cursor { table: String::new(), after: Some(last.to_string()) }),
            Some(_) | None => tables.first().map(|table| beginning(table)),
        };
        Page { ids: ids.into_iter().cloned().collect(), next }
    }

    async fn rows_after(
        &self,
        table: &Table,
        after: Option<&str>,
        count: usize,
    ) -> Result<Vec<String>, DirectoryError> {
        let values: Vec<&str> = after.into_iter().collect();
        let answer =
            self.engine()?.run(&table.select_page(after.is_none(), count), &values, Keep::Once).await;
        Ok(self.heed(answer).await?.rows.into_iter().flatten().flatten().collect())
    }
}

fn beginning(table: &Table) -> Cursor {
    Cursor { table: name(table), after: None }
}

/// The same table may be read twice, with different columns.
fn name(table: &Table) -> String {
    format!("{}:{}", table.index, table.name)
}
