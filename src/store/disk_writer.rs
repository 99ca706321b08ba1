//! The disk store's one writer: what is kept, touched and removed arrives here in order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Row, SqliteConnection, SqlitePool};
use tokio::sync::{mpsc, oneshot};

use super::disk::KeptPurge;
use super::disk_outbox::{self, Counters, Errand};
use super::disk_row::{Columns, VERSION};
use super::health::State;
use super::{Generations, Held};
use crate::model::{AvatarId, Entry, Happened, Provider, Timestamp};

/// Commands written in one transaction.
const BATCH: usize = 32;
/// Purges that are kept, and a tenth more.
const MOST_PURGED: usize = 100_000;

/// Who waits until a command is in the file.
type Waiter = oneshot::Sender<Result<(), String>>;

/// What the writer is asked to do.
pub(super) enum Command {
    /// Keep an entry, and what has happened with it.
    Put(Arc<Held>, Vec<Happened>, Option<Waiter>),
    /// Keep what has happened without an entry.
    Note(Vec<Happened>, Waiter),
    /// Do what the sender of events asks.
    Errand(Errand, Waiter),
    /// Note a view.
    Touch(AvatarId, Timestamp),
    /// Leave no byte of these.
    Remove(Vec<AvatarId>, Waiter),
    /// Keep purges.
    Purges(Vec<KeptPurge>),
    /// Keep the pause of an app.
    Pause(Provider, Timestamp),
    /// Tell when all before is written.
    Flush(Waiter),
}

/// Commands that are written together. Removals come first: what was put before them has an older generation and is
/// refused, what was put after them is meant.
#[derive(Default)]
struct Batch {
    removed: Vec<AvatarId>,
    purges: Vec<KeptPurge>,
    touched: Vec<(AvatarId, Timestamp)>,
    pauses: Vec<(Provider, Timestamp)>,
    puts: HashMap<AvatarId, Arc<Held>>,
    /// With the entry that each came with: an entry that is refused has brought nothing about.
    happened: Vec<(Option<Arc<Held>>, Vec<Happened>)>,
    errands: Vec<Errand>,
    waiters: Vec<Waiter>,
}

impl Batch {
    fn add(&mut self, command: Command) {
        match command {
            Command::Put(held, happened, waiter) => {
                if !happened.is_empty() {
                    self.happened.push((Some(held.clone()), happened));
                }
                self.puts.insert(held.id.clone(), held);
                self.waiters.extend(waiter);
            }
            Command::Note(happened, waiter) => {
                self.happened.push((None, happened));
                self.waiters.push(waiter);
            }
            Command::Errand(errand, waiter) => {
                self.errands.push(errand);
                self.waiters.push(waiter);
            }
            Command::Touch(id, at) => self.touched.push((id, at)),
            Command::Pause(provider, until) => self.pauses.push((provider, until)),
            Command::Flush(waiter) => self.waiters.push(waiter),
            Command::Purges(purges) => self.purges.extend(purges),
            Command::Remove(ids, waiter) => {
                self.removed.extend(ids);
                self.waiters.push(waiter);
            }
        }
    }

    /// How many things have happened.
    fn happenings(&self) -> u64 {
        self.happened.iter().map(|(_, happened)| happened.len() as u64).sum()
    }

    async fn remove_and_note(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for id in &self.removed {
            let query = sqlx::query("DELETE FROM avatar WHERE id = ?");
            query.bind(id.as_str()).execute(&mut *connection).await?;
        }
        for KeptPurge { subject, hard, generation, told } in &self.purges {
            let query = sqlx::query(
                "INSERT INTO purged (subject, hard, generation, told) VALUES (?, ?, ?, ?)
                 ON CONFLICT (subject, hard) DO UPDATE SET generation = excluded.generation, told = excluded.told
                 WHERE excluded.generation >= purged.generation",
            );
            let query = query.bind(subject.to_string()).bind(hard).bind(generation.0.cast_signed());
            query.bind(told).execute(&mut *connection).await?;
        }
        for (id, at) in &self.touched {
            let query = sqlx::query("UPDATE avatar SET used_at = ? WHERE id = ?");
            query.bind(at.as_millis()).bind(id.as_str()).execute(&mut *connection).await?;
        }
        for (provider, until) in &self.pauses {
            let query = sqlx::query("INSERT OR REPLACE INTO pause (provider, until) VALUES (?, ?)");
            query.bind(provider.as_str()).bind(until.as_millis()).execute(&mut *connection).await?;
        }
        Ok(())
    }
}

/// The one task that writes.
pub(super) struct Writer {
    pub(super) pool: SqlitePool,
    pub(super) generations: Arc<Generations>,
    pub(super) max_bytes: u64,
    pub(super) state: Arc<State>,
    pub(super) events: Arc<Counters>,
    /// What the pictures weigh together, at most; measured before anything is dropped.
    pub(super) used: u64,
    /// Purges since the oldest of them were forgotten.
    pub(super) noted: usize,
}

impl Writer {
    /// Writes until the last handle of the store has gone.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        self.used = self.state.note(self.measure().await).unwrap_or(0);
        let mut commands = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut commands, BATCH).await > 0 {
            let mut batch = Batch::default();
            commands.drain(..).for_each(|command| batch.add(command));
            let written = match self.write(&batch).await {
                Ok(()) => self.tidy(&batch).await,
                Err(error) => {
                    self.events.lose(batch.happenings());
                    Err(error)
                }
            };
            let outcome = written.as_ref().map_err(ToString::to_string).copied();
            self.state.note(written);
            for waiter in batch.waiters {
                // Who has gone needs no answer.
                let _ = waiter.send(outcome.clone());
            }
        }
    }

    /// What the pictures weigh together.
    async fn measure(&self) -> Result<u64, sqlx::Error> {
        let sum: i64 = sqlx::query_scalar("SELECT COALESCE(SUM(LENGTH(bytes)), 0) FROM avatar")
            .fetch_one(&self.pool)
            .await?;
        Ok(sum.unsigned_abs())
    }

    async fn write(&mut self, batch: &Batch) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        batch.remove_and_note(&mut transaction).await?;
        for held in batch.puts.values() {
            // Asked here, by the only writer: a removal that was queued later has raised the generation already.
            if self.generations.admits(&held.id, &held.entry) {
                self.used += held.entry.picture().map_or(0, |picture| picture.bytes.len() as u64);
                put(held, &mut transaction).await?;
            }
        }
        for (held, happened) in &batch.happened {
            if held.as_ref().is_none_or(|held| self.generations.admits(&held.id, &held.entry)) {
                disk_outbox::add(happened, &mut transaction).await?;
            }
        }
        for errand in &batch.errands {
            disk_outbox::run(errand, &self.events, &mut transaction).await?;
        }
        transaction.commit().await
    }

    /// What is due after a batch.
    async fn tidy(&mut self, batch: &Batch) -> Result<(), sqlx::Error> {
        if !batch.happened.is_empty() || !batch.errands.is_empty() {
            disk_outbox::bound(&self.pool, &self.events).await?;
        }
        if !batch.happened.is_empty() {
            self.events.news.notify_one();
        }
        if !batch.removed.is_empty() {
            self.forget_log().await?;
        }
        self.noted += batch.purges.len();
        if self.noted >= MOST_PURGED / 10 {
            self.noted = 0;
            self.forget_purges().await?;
        }
        if self.used > self.max_bytes {
            self.shrink().await?;
        }
        Ok(())
    }

    /// Ends a deletion: the log must not keep what `secure_delete` has wiped in the file.
    async fn forget_log(&self) -> Result<(), sqlx::Error> {
        for _ in 0..50 {
            let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&self.pool).await?;
            if row.try_get::<i64, _>(0)? == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(sqlx::Error::Protocol("the write-ahead log could not be truncated: a reader holds it".into()))
    }

    async fn forget_purges(&self) -> Result<(), sqlx::Error> {
        let forget = "DELETE FROM purged WHERE told AND generation <
            (SELECT MIN(generation) FROM (SELECT generation FROM purged ORDER BY generation DESC LIMIT ?))";
        sqlx::query(forget).bind(MOST_PURGED as i64).execute(&self.pool).await?;
        Ok(())
    }

    /// Drops the least recently used until nine tenths of the bound are left. The estimate counts a replaced picture
    /// twice, so the file is measured first.
    async fn shrink(&mut self) -> Result<(), sqlx::Error> {
        self.used = self.measure().await?;
        if self.used > self.max_bytes {
            let keep = i64::try_from(self.max_bytes / 10 * 9).unwrap_or(i64::MAX);
            sqlx::query(
                "DELETE FROM avatar WHERE id IN (SELECT id FROM (
                    SELECT id, SUM(COALESCE(LENGTH(bytes), 0)) OVER (ORDER BY used_at DESC, id) AS upto FROM avatar
                ) WHERE upto > ?)",
            )
            .bind(keep)
            .execute(&self.pool)
            .await?;
            self.used = self.measure().await?;
        }
        Ok(())
    }
}

async fn put(held: &Held, transaction: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let Entry { verified_at, provider, name, fingerprint, generation, obeyed, rest_until, .. } = &held.entry;
    let columns = Columns::of(&held.entry);
    sqlx::query(
        "INSERT INTO avatar (id, version, provider, name, fingerprint, verified_at, used_at, content, identity,
             last_modified, bytes, checksum, trouble, field_missing, generation, obeyed, rest_until,
             token_end)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, provider = excluded.provider,
             name = excluded.name, fingerprint = excluded.fingerprint, verified_at = excluded.verified_at,
             used_at = excluded.used_at, content = excluded.content, identity = excluded.identity,
             last_modified = excluded.last_modified, bytes = excluded.bytes, checksum = excluded.checksum,
             trouble = excluded.trouble, field_missing = excluded.field_missing, generation = excluded.generation,
             obeyed = excluded.obeyed, rest_until = excluded.rest_until, token_end = excluded.token_end
         WHERE MAX(excluded.generation, excluded.obeyed) > MAX(avatar.generation, avatar.obeyed)
             OR excluded.verified_at >= avatar.verified_at",
    )
    .bind(held.id.as_str())
    .bind(VERSION)
    .bind(provider.as_str())
    .bind(name.as_deref())
    .bind(&fingerprint.0[..])
    .bind(verified_at.as_millis())
    .bind(held.viewed_at().max(*verified_at).as_millis())
    .bind(columns.content)
    .bind(columns.identity)
    .bind(columns.last_modified)
    .bind(columns.bytes.as_deref())
    .bind(columns.checksum)
    .bind(columns.trouble)
    .bind(columns.field_missing)
    .bind(generation.0.cast_signed())
    .bind(obeyed.0.cast_signed())
    .bind(rest_until.map(Timestamp::as_millis))
    .bind(columns.token_end)
    .execute(transaction)
    .await?;
    Ok(())
}
