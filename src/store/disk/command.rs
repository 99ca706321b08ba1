//! [`DiskCommand`]s for the disk store's writer, and the [`Batch`] of them that is one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use super::outbox::overflow::EntryEvents;
use super::outbox::table::OutboxCommand;
use super::purges;
use super::row::{RowColumns, VERSION};
use crate::model::{AvatarEvent, AvatarId, Entry, Provider, Timestamp};
use crate::store::{EntryMeta, Held, StoredPurge};

/// Answered when the command is in the file, or could not be written.
type Waiter = oneshot::Sender<Result<(), String>>;

/// What the writer can do.
pub(super) enum DiskCommand {
    /// Store an entry with its events.
    Put(Arc<Held>, Vec<AvatarEvent>, Option<Waiter>),
    /// Store events without an entry.
    Note(Vec<AvatarEvent>, Waiter),
    /// Change the outbox, as the sender of events asks.
    Outbox(OutboxCommand, Waiter),
    /// Note a view.
    Touch(AvatarId, Timestamp),
    /// Leave no byte of these.
    Remove(Vec<AvatarId>, Waiter),
    /// Store purges.
    Purges(Vec<StoredPurge>),
    /// Store the pause of an app.
    Pause(Provider, Timestamp),
    /// Store the time of the last sweep.
    Swept(Timestamp),
    /// Save how far the walk that warms is, or that there is none to continue.
    Walk(Option<String>),
    /// Answer when everything before is written, and write no more.
    Close(Waiter),
}

/// Commands of one transaction. Removals come first: an entry that was put before one has an older generation and is
/// refused, and an entry that was put after it is to stay.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) removed: Vec<AvatarId>,
    pub(super) purges: Vec<StoredPurge>,
    pub(super) touched: Vec<(AvatarId, Timestamp)>,
    pub(super) pauses: Vec<(Provider, Timestamp)>,
    pub(super) swept: Option<Timestamp>,
    pub(super) walk: Option<Option<String>>,
    pub(super) puts: HashMap<AvatarId, Arc<Held>>,
    /// Each with the entry that it came with: if that is refused, the event has not happened.
    pub(super) events: Vec<EntryEvents>,
    pub(super) outbox: Vec<OutboxCommand>,
    pub(super) waiters: Vec<Waiter>,
    /// The store closes after it.
    pub(super) is_last: bool,
}

impl Batch {
    pub(super) fn add(&mut self, command: DiskCommand) {
        match command {
            DiskCommand::Put(held, events, waiter) => {
                if !events.is_empty() {
                    self.events.push((Some(EntryMeta::of(&held)), events));
                }
                self.puts.insert(held.id.clone(), held);
                self.waiters.extend(waiter);
            }
            DiskCommand::Note(events, waiter) => {
                self.events.push((None, events));
                self.waiters.push(waiter);
            }
            DiskCommand::Outbox(command, waiter) => {
                self.outbox.push(command);
                self.waiters.push(waiter);
            }
            DiskCommand::Touch(id, at) => self.touched.push((id, at)),
            DiskCommand::Pause(provider, until) => self.pauses.push((provider, until)),
            DiskCommand::Swept(at) => self.swept = Some(at),
            DiskCommand::Walk(walk) => self.walk = Some(walk),
            DiskCommand::Close(waiter) => {
                self.is_last = true;
                self.waiters.push(waiter);
            }
            DiskCommand::Purges(purges) => self.purges.extend(purges),
            DiskCommand::Remove(ids, waiter) => {
                self.removed.extend(ids);
                self.waiters.push(waiter);
            }
        }
    }

    pub(super) async fn write_all_but_entries(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        for id in &self.removed {
            let query = sqlx::query("DELETE FROM avatar WHERE id = ?");
            query.bind(id.as_str()).execute(&mut *connection).await?;
        }
        purges::put(&self.purges, connection).await?;
        for (id, at) in &self.touched {
            let query = sqlx::query("UPDATE avatar SET used_at = ? WHERE id = ?");
            query.bind(at.as_millis()).bind(id.as_str()).execute(&mut *connection).await?;
        }
        for (provider, until) in &self.pauses {
            let query = sqlx::query("INSERT OR REPLACE INTO pause (provider, until) VALUES (?, ?)");
            query.bind(provider.as_str()).bind(until.as_millis()).execute(&mut *connection).await?;
        }
        if let Some(at) = self.swept {
            let query = sqlx::query("INSERT OR REPLACE INTO swept (one, at) VALUES (1, ?)");
            query.bind(at.as_millis()).execute(&mut *connection).await?;
        }
        match &self.walk {
            None => {}
            Some(None) => _ = sqlx::query("DELETE FROM warming").execute(&mut *connection).await?,
            Some(Some(walk)) => {
                let query = sqlx::query("INSERT OR REPLACE INTO warming (one, walk) VALUES (1, ?)");
                query.bind(walk).execute(&mut *connection).await?;
            }
        }
        Ok(())
    }
}

/// Writes an entry, unless a later one is there. One that was verified in the future is not later: a wrong clock wrote it,
/// and until that time it would keep every other entry out.
pub(super) async fn put(
    held: &Held,
    now: Timestamp,
    transaction: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    let Entry { verified_at, provider, name, fingerprint, generation, soft_purged_at, rest_until, .. } =
        &held.entry;
    let columns = RowColumns::of(&held.entry);
    sqlx::query(
        "INSERT INTO avatar (id, version, provider, name, fingerprint, verified_at, used_at, content, identity,
             last_modified, bytes, checksum, trouble, field_missing, generation, obeyed, rest_until,
             token_end)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, provider = excluded.provider,
             name = excluded.name, fingerprint = excluded.fingerprint, verified_at = excluded.verified_at,
             used_at = MAX(MIN(avatar.used_at, ?19), excluded.used_at), content = excluded.content, identity = excluded.identity,
             last_modified = excluded.last_modified, bytes = excluded.bytes, checksum = excluded.checksum,
             trouble = excluded.trouble, field_missing = excluded.field_missing, generation = excluded.generation,
             obeyed = excluded.obeyed, rest_until = excluded.rest_until, token_end = excluded.token_end
         WHERE MAX(excluded.generation, excluded.obeyed) > MAX(avatar.generation, avatar.obeyed)
             OR excluded.verified_at >= avatar.verified_at OR avatar.verified_at > ?19",
    )
    .bind(held.id.as_str())
    .bind(VERSION)
    .bind(provider.as_str())
    .bind(name.as_deref())
    .bind(&fingerprint.0[..])
    .bind(verified_at.as_millis())
    .bind(held.viewed_at().max(*verified_at).min(now).as_millis())
    .bind(columns.content)
    .bind(columns.identity)
    .bind(columns.last_modified)
    .bind(columns.bytes.as_deref())
    .bind(columns.checksum)
    .bind(columns.trouble)
    .bind(columns.field_missing)
    .bind(generation.0.cast_signed())
    .bind(soft_purged_at.0.cast_signed())
    .bind(rest_until.map(Timestamp::as_millis))
    .bind(columns.token_end)
    .bind(now.as_millis())
    .execute(transaction)
    .await?;
    Ok(())
}
