//! [`Writer`]: the one task that writes the disk store's file. Commands arrive here in their order.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, Row, SqliteConnection, SqlitePool};
use tokio::sync::mpsc;

use super::command::{Batch, DiskCommand, put};
use super::outbox::counters::Counters;
use super::outbox::overflow::Unwritten;
use super::outbox::table;
use super::purges::{self, MAX_PURGES};
use crate::clock::Clock;
use crate::store::PurgeLog;
use crate::store::health::State;

/// Commands of one transaction.
const MAX_BATCH: usize = 32;
/// Before events that could not be written are tried again, where no command comes.
const UNWRITTEN_RETRY: Duration = Duration::from_secs(5);
/// The one task that writes.
pub(super) struct Writer {
    pub(super) pool: SqlitePool,
    pub(super) purge_log: Arc<PurgeLog>,
    pub(super) clock: Clock,
    pub(super) max_bytes: u64,
    pub(super) state: Arc<State>,
    pub(super) events: Arc<Counters>,
    pub(super) unwritten: Unwritten,
    /// An upper bound on the bytes of all pictures. They are measured before any is dropped.
    pub(super) used: u64,
    /// Purges since the oldest were dropped.
    pub(super) new_purges: usize,
}

impl Writer {
    /// Writes until the store is closed or its last handle is dropped.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<DiskCommand>) {
        self.used = self.state.note(self.measure().await).unwrap_or(0);
        let mut commands = Vec::with_capacity(MAX_BATCH);
        while self.next(&mut queue, &mut commands).await {
            let mut batch = Batch::default();
            commands.drain(..).for_each(|command| batch.add(command));
            let written = self.write_in_order(&mut batch).await;
            let outcome = written.as_ref().map_err(ToString::to_string).copied();
            self.state.note(written);
            for waiter in batch.waiters {
                // A caller that has left needs no answer.
                let _ = waiter.send(outcome.clone());
            }
            if batch.is_last {
                break;
            }
        }
        self.events.lose(self.unwritten.len());
    }

    /// Waits for the next commands; none arrive when it is time to try unwritten events again. False at the end.
    async fn next(&self, queue: &mut mpsc::Receiver<DiskCommand>, commands: &mut Vec<DiskCommand>) -> bool {
        let received = queue.recv_many(commands, MAX_BATCH);
        if self.unwritten.len() == 0 {
            return received.await > 0;
        }
        tokio::time::timeout(UNWRITTEN_RETRY, received).await.map_or(true, |received| received > 0)
    }

    /// Writes the events that could not be written before, then the batch. Events keep their order: if the former still fail,
    /// those of the batch wait behind them.
    async fn write_in_order(&mut self, batch: &mut Batch) -> Result<(), sqlx::Error> {
        let before = self.write_again().await;
        if before.is_err() {
            self.hold_events(batch);
        }
        let written = match self.write(batch).await {
            Ok(()) => self.tidy(batch).await,
            Err(error) => {
                self.hold_events(batch);
                Err(error)
            }
        };
        before.and(written)
    }

    async fn write_again(&mut self) -> Result<(), sqlx::Error> {
        let events = self.unwritten.len();
        if events == 0 {
            return Ok(());
        }
        let batch = Batch { events: self.unwritten.all(), ..Batch::default() };
        self.write(&batch).await?;
        self.unwritten.clear();
        self.events.set_unwritten(0);
        tracing::info!(events, "events that could not be written are in the disk store's file now");
        self.tidy(&batch).await
    }

    /// Moves the events of a batch to memory.
    fn hold_events(&mut self, batch: &mut Batch) {
        let lost = self.unwritten.keep(std::mem::take(&mut batch.events));
        self.events.lose(lost);
        self.events.set_unwritten(self.unwritten.len());
    }

    /// The bytes of all pictures.
    async fn measure(&self) -> Result<u64, sqlx::Error> {
        let sum: i64 = sqlx::query_scalar("SELECT COALESCE(SUM(LENGTH(bytes)), 0) FROM avatar")
            .fetch_one(&self.pool)
            .await?;
        Ok(sum.unsigned_abs())
    }

    async fn write(&mut self, batch: &Batch) -> Result<(), sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        let written = self.write_on(&mut connection, batch).await;
        if written.is_err() {
            // SQLite ends a transaction by itself when the disk is full (https://sqlite.org/lang_transaction.html). SQLx does
            // not notice, and this connection would fail for ever.
            let _ = connection.close().await;
        }
        written
    }

    async fn write_on(
        &mut self,
        connection: &mut SqliteConnection,
        batch: &Batch,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = connection.begin().await?;
        batch.write_all_but_entries(&mut transaction).await?;
        for held in batch.puts.values() {
            // The only writer asks last: a removal that is queued behind this has recorded its purge already.
            if self.purge_log.accepts(&held.id, &held.entry) {
                self.used += held.entry.picture().map_or(0, |picture| picture.bytes.len() as u64);
                put(held, self.clock.now(), &mut transaction).await?;
            }
        }
        for (kept, events) in &batch.events {
            if kept.as_ref().is_none_or(|kept| self.purge_log.accepts_meta(kept)) {
                table::add(events, &mut transaction).await?;
            }
        }
        for command in &batch.outbox {
            table::run(command, &self.events, &mut transaction).await?;
        }
        transaction.commit().await
    }

    /// What is due after a batch.
    async fn tidy(&mut self, batch: &Batch) -> Result<(), sqlx::Error> {
        if !batch.events.is_empty() || !batch.outbox.is_empty() {
            table::bound(&self.pool, &self.events).await?;
        }
        if !batch.events.is_empty() {
            self.events.news.notify_one();
        }
        if !batch.removed.is_empty() {
            self.truncate_log().await?;
        }
        self.new_purges += batch.purges.len();
        if self.new_purges >= MAX_PURGES / 10 {
            self.new_purges = 0;
            purges::forget(&self.pool).await?;
        }
        if self.used > self.max_bytes {
            self.shrink().await?;
        }
        Ok(())
    }

    /// Ends a deletion: the log must not contain what `secure_delete` has wiped in the file.
    async fn truncate_log(&self) -> Result<(), sqlx::Error> {
        for _ in 0..50 {
            let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&self.pool).await?;
            if row.try_get::<i64, _>(0)? == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(sqlx::Error::Protocol("the write-ahead log could not be truncated: a reader holds it".into()))
    }

    /// Drops the least recently used pictures until nine tenths of the bound are left. `used` counts a replaced picture twice,
    /// so the file is measured first.
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
