//! The disk store's one writer: what is kept, touched and removed arrives here in order.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, Row, SqliteConnection, SqlitePool};
use tokio::sync::mpsc;

use super::command::{Batch, Command, put};
use super::outbox::counters::Counters;
use super::outbox::overflow::Unwritten;
use super::outbox::table;
use super::purges::{self, MAX_PURGES};
use crate::clock::Clock;
use crate::store::PurgeLog;
use crate::store::health::State;

/// Commands written in one transaction.
const BATCH: usize = 32;
/// Before what could not be written is tried again, where nothing else is to be written.
const AGAIN: Duration = Duration::from_secs(5);
/// The one task that writes.
pub(super) struct Writer {
    pub(super) pool: SqlitePool,
    pub(super) purge_log: Arc<PurgeLog>,
    pub(super) clock: Clock,
    pub(super) max_bytes: u64,
    pub(super) state: Arc<State>,
    pub(super) events: Arc<Counters>,
    pub(super) unwritten: Unwritten,
    /// What the pictures weigh together, at most; measured before anything is dropped.
    pub(super) used: u64,
    /// Purges since the oldest of them were forgotten.
    pub(super) noted: usize,
}

impl Writer {
    /// Writes until the store is closed, or its last handle has gone.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        self.used = self.state.note(self.measure().await).unwrap_or(0);
        let mut commands = Vec::with_capacity(BATCH);
        while self.next(&mut queue, &mut commands).await {
            let mut batch = Batch::default();
            commands.drain(..).for_each(|command| batch.add(command));
            let written = self.write_in_order(&mut batch).await;
            let outcome = written.as_ref().map_err(ToString::to_string).copied();
            self.state.note(written);
            for waiter in batch.waiters {
                // Who has gone needs no answer.
                let _ = waiter.send(outcome.clone());
            }
            if batch.is_last {
                break;
            }
        }
        self.events.lose(self.unwritten.len());
    }

    /// The next commands; none where it is time to try again what could not be written. False at the end.
    async fn next(&self, queue: &mut mpsc::Receiver<Command>, commands: &mut Vec<Command>) -> bool {
        let received = queue.recv_many(commands, BATCH);
        if self.unwritten.len() == 0 {
            return received.await > 0;
        }
        tokio::time::timeout(AGAIN, received).await.map_or(true, |received| received > 0)
    }

    /// Writes what could not be written before, then the batch. Events keep their order: where the former fails still, those
    /// of the batch wait behind it.
    async fn write_in_order(&mut self, batch: &mut Batch) -> Result<(), sqlx::Error> {
        let before = self.write_again().await;
        if before.is_err() {
            self.hold(batch);
        }
        let written = match self.write(batch).await {
            Ok(()) => self.tidy(batch).await,
            Err(error) => {
                self.hold(batch);
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
        let batch = Batch { happened: self.unwritten.all(), ..Batch::default() };
        self.write(&batch).await?;
        self.unwritten.clear();
        self.events.hold(0);
        tracing::info!(events, "events: what could not be written is in the disk store's file now");
        self.tidy(&batch).await
    }

    /// Keeps in memory what has happened.
    fn hold(&mut self, batch: &mut Batch) {
        let lost = self.unwritten.keep(std::mem::take(&mut batch.happened));
        self.events.lose(lost);
        self.events.hold(self.unwritten.len());
    }

    /// What the pictures weigh together.
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
            // SQLite ends a transaction by itself where the disk is full (https://sqlite.org/lang_transaction.html), and SQLx
            // does not see that: this connection would fail for ever.
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
        batch.remove_and_note(&mut transaction).await?;
        for held in batch.puts.values() {
            // Asked here, by the only writer: a removal that was queued later has raised the generation already.
            if self.purge_log.accepts(&held.id, &held.entry) {
                self.used += held.entry.picture().map_or(0, |picture| picture.bytes.len() as u64);
                put(held, self.clock.now(), &mut transaction).await?;
            }
        }
        for (kept, happened) in &batch.happened {
            if kept.as_ref().is_none_or(|kept| self.purge_log.accepts_meta(kept)) {
                table::add(happened, &mut transaction).await?;
            }
        }
        for errand in &batch.errands {
            table::run(errand, &self.events, &mut transaction).await?;
        }
        transaction.commit().await
    }

    /// What is due after a batch.
    async fn tidy(&mut self, batch: &Batch) -> Result<(), sqlx::Error> {
        if !batch.happened.is_empty() || !batch.errands.is_empty() {
            table::bound(&self.pool, &self.events).await?;
        }
        if !batch.happened.is_empty() {
            self.events.news.notify_one();
        }
        if !batch.removed.is_empty() {
            self.forget_log().await?;
        }
        self.noted += batch.purges.len();
        if self.noted >= MAX_PURGES / 10 {
            self.noted = 0;
            purges::forget(&self.pool).await?;
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
