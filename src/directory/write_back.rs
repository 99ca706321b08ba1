//! Saves a fresh address in the row, as the dashboard itself does.

use super::Directory;
use super::engine::Keep;
use super::error::{DirectoryError, FailureKind, QueryFailure};
use super::schema::WantedTable;
use crate::model::{Address, Connection, Provider};

/// What became of a fresh address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteBack {
    /// The row has it.
    Saved,
    /// The row was deleted, or its address changed since it was read: another writer was faster.
    Lost,
    /// The column is too short for it.
    TooLong,
    /// The database does not permit it: a read-only role, a constraint, a trigger.
    Refused,
    /// It is turned off, or there is no column for it.
    NotConfigured,
}

impl Directory {
    /// Saves `address` in the row, if that still has the address that `connection` was read with.
    ///
    /// Never for Telegram, whose addresses contain the bot's token. A table that refuses addresses is no error: it is logged
    /// once.
    pub async fn write_back(
        &self,
        connection: &Connection,
        address: &Address,
    ) -> Result<WriteBack, DirectoryError> {
        let Some(index) = connection.table.filter(|_| self.config.write_back) else {
            return Ok(WriteBack::NotConfigured);
        };
        match connection.provider {
            // SECURITY: the address would put the bot's token in clear text into the dashboard's database.
            Provider::Telegram => return Ok(WriteBack::NotConfigured),
            Provider::Instagram | Provider::Facebook | Provider::Json(_) => {}
        }
        let view = self.view(None).await?;
        let Some(table) = view.schema.tables().find(|table| table.index == index) else {
            return Ok(WriteBack::NotConfigured);
        };
        let (Some(update), Some(row_id)) = (table.update(), table.row_id(&connection.id)) else {
            return Ok(WriteBack::NotConfigured);
        };
        // Addresses are ASCII, so bytes are characters. Checked first, since MySQL may truncate instead of refusing.
        if table.picture_max.is_some_and(|max| address.expose().len() > max) {
            self.warn_once(index, &table.name, "the column of the picture's address is too short");
            return Ok(WriteBack::TooLong);
        }
        let old = connection.picture_url.as_ref().map_or("", |secret| secret.expose());
        let values = [address.expose(), row_id, row_id, old];
        let answer = self.engine()?.run(update, &values, Keep::Prepared).await;
        match answer {
            Ok(answer) if answer.changed > 0 => {
                self.cache.saved(&connection.id, address.expose());
                Ok(WriteBack::Saved)
            }
            Ok(_) => {
                self.cache.forget(&connection.id);
                Ok(WriteBack::Lost)
            }
            Err(QueryFailure { kind: FailureKind::TooLong, text }) => {
                self.warn_once(index, &table.name, &text);
                Ok(WriteBack::TooLong)
            }
            Err(QueryFailure { kind: FailureKind::Refused, text }) => {
                self.warn_once(index, &table.name, &text);
                Ok(WriteBack::Refused)
            }
            Err(failure) => self.heed(Err(failure)).await,
        }
    }

    fn warn_once(&self, index: usize, table: &str, why: &str) {
        if self.warned.lock().insert(index) {
            let provider = self.wanted.get(index).map(|WantedTable { provider, .. }| provider.as_str());
            tracing::warn!(table, provider, why, "fresh addresses are not saved in this table");
        }
    }
}
