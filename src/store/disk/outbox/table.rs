//! The outbox's tables. An event is written in the transaction of its entry, and leaves when it was delivered, when it is too
//! old, or when too many wait.

use std::sync::atomic::Ordering;

use sqlx::{SqliteConnection, SqlitePool};

use super::counters::{Counters, Waiting};
use crate::model::{AvatarEvent, Dimension, Timestamp, TroubleClass};
use crate::store::retention::{DELETION_REMEMBERED, REMEMBERED};

/// Events that wait at one time. One more, and the oldest is dropped.
const MAX_EVENTS: u64 = 10_000;
/// `event` holds the events that wait; `told` the last sequence in each dimension of an avatar.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    provider TEXT NOT NULL,
    kind TEXT NOT NULL,
    mark TEXT NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT,
    etag TEXT,
    sequence INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS event_unnumbered ON event (number) WHERE sequence IS NULL;
CREATE TABLE IF NOT EXISTS told (
    id TEXT NOT NULL,
    dimension TEXT NOT NULL,
    fact TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (id, dimension)
) STRICT;
";

/// What the sender asks the disk's writer to change.
#[derive(Debug)]
pub(crate) enum OutboxCommand {
    /// Gives an event its sequence.
    Number(Waiting, u64, Timestamp),
    /// An event was delivered.
    Delivered(i64),
    /// An event is too old.
    Dropped(i64),
}

/// Counts the events that wait.
pub(crate) async fn open(pool: &SqlitePool, counters: &Counters) -> Result<(), sqlx::Error> {
    let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM event").fetch_one(pool).await?;
    counters.waiting.store(waiting.unsigned_abs(), Ordering::Relaxed);
    Ok(())
}

/// Adds events.
pub(crate) async fn add(
    events: &[AvatarEvent],
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    for AvatarEvent { id, provider, kind, at, discriminator, reason, etag } in events {
        sqlx::query(
            "INSERT INTO event (id, provider, kind, mark, at, reason, etag) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(id.as_str())
        .bind(provider.as_str())
        .bind(kind.as_str())
        .bind(discriminator)
        .bind(at.as_millis())
        .bind(reason.map(TroubleClass::as_str))
        .bind(etag.as_deref())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Runs a command.
pub(crate) async fn run(
    command: &OutboxCommand,
    counters: &Counters,
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    match command {
        OutboxCommand::Delivered(number) => _ = remove(*number, connection).await?,
        OutboxCommand::Dropped(number) => {
            counters.metrics.webhooks.dropped_old.add(remove(*number, connection).await?);
        }
        OutboxCommand::Number(waiting, sequence, now) => number(waiting, *sequence, *now, connection).await?,
    }
    Ok(())
}

async fn remove(number: i64, connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let query = sqlx::query("DELETE FROM event WHERE number = ?").bind(number);
    Ok(query.execute(connection).await?.rows_affected())
}

async fn number(
    waiting: &Waiting,
    sequence: u64,
    now: Timestamp,
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    let AvatarEvent { id, kind, .. } = &waiting.happened;
    let sequence = sequence.cast_signed();
    sqlx::query("UPDATE event SET sequence = ? WHERE number = ?")
        .bind(sequence)
        .bind(waiting.number)
        .execute(&mut *connection)
        .await?;
    // After a deletion earlier sequences mean nothing; after any other event the connection exists again.
    let forget = match kind.dimension() {
        Dimension::Existence => "DELETE FROM told WHERE id = ?",
        Dimension::Picture | Dimension::Trouble | Dimension::Expiry => {
            "DELETE FROM told WHERE id = ? AND dimension = 'existence'"
        }
    };
    sqlx::query(forget).bind(id.as_str()).execute(&mut *connection).await?;
    sqlx::query("INSERT OR REPLACE INTO told (id, dimension, fact, sequence, at) VALUES (?, ?, ?, ?, ?)")
        .bind(id.as_str())
        .bind(kind.dimension().as_str())
        .bind(waiting.happened.dedup_key())
        .bind(sequence)
        .bind(now.as_millis())
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM told WHERE at <= ? OR dimension = 'existence' AND at <= ?")
        .bind((now - REMEMBERED).as_millis())
        .bind((now - DELETION_REMEMBERED).as_millis())
        .execute(connection)
        .await?;
    Ok(())
}

/// After a change: counts again, and drops the oldest beyond [`MAX_EVENTS`].
pub(crate) async fn bound(pool: &SqlitePool, counters: &Counters) -> Result<(), sqlx::Error> {
    open(pool, counters).await?;
    let excess = counters.waiting.load(Ordering::Relaxed).saturating_sub(MAX_EVENTS);
    if excess > 0 {
        let query = sqlx::query(
            "DELETE FROM event WHERE number IN (SELECT number FROM event ORDER BY number LIMIT ?)",
        );
        query.bind(excess.cast_signed()).execute(pool).await?;
        counters.waiting.fetch_sub(excess, Ordering::Relaxed);
        counters.metrics.webhooks.dropped_full.add(excess);
        tracing::warn!(events = excess, "too many events wait for the dashboard; the oldest are dropped");
    }
    Ok(())
}
