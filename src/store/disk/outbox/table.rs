//! The outbox's tables. An event is written in the transaction of its entry, and leaves when every destination is done with
//! it (each has a cursor), or when too many wait.

use std::sync::atomic::Ordering;

use sqlx::{SqliteConnection, SqlitePool};

use super::counters::{Counters, Waiting};
use super::destination::Destination;
use crate::model::{AvatarEvent, Dimension, Timestamp, TroubleClass};
use crate::store::event_retention::{DELETION_REMEMBERED, REMEMBERED};

/// Events that wait at one time. One more, and the oldest is dropped.
const MAX_EVENTS: u64 = 10_000;
/// `event` holds the events that wait; `cursor` the number of the last event that a destination is done with; `told` the last
/// sequence in each dimension of an avatar.
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
CREATE TABLE IF NOT EXISTS cursor (
    destination TEXT PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;
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
    /// A destination has taken the event of this number, and those before it.
    Delivered(Destination, i64),
    /// A destination was offered the event of this number for too long.
    Dropped(Destination, i64),
    /// No destination can be sent the event of this number.
    Unreadable(i64),
}

/// Gives each destination a cursor and counts the events that wait. A destination without a cursor has taken none.
pub(crate) async fn open(pool: &SqlitePool, counters: &Counters) -> Result<(), sqlx::Error> {
    for destination in Destination::ALL {
        let query = sqlx::query("INSERT OR IGNORE INTO cursor (destination, number) VALUES (?, 0)");
        query.bind(destination.as_str()).execute(pool).await?;
    }
    count(pool, counters).await
}

async fn count(pool: &SqlitePool, counters: &Counters) -> Result<(), sqlx::Error> {
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
        OutboxCommand::Delivered(destination, number) => {
            pass(*destination, *number, connection).await?;
        }
        OutboxCommand::Dropped(destination, number) => {
            let passed = pass(*destination, *number, connection).await?;
            counters.metrics.webhooks.dropped_old.add(passed);
        }
        OutboxCommand::Unreadable(number) => {
            let query = sqlx::query("DELETE FROM event WHERE number = ?").bind(number);
            query.execute(connection).await?;
        }
        OutboxCommand::Number(waiting, sequence, now) => number(waiting, *sequence, *now, connection).await?,
    }
    Ok(())
}

/// Moves a destination's cursor on to an event, and deletes the events that every destination has passed. Returns 0 where
/// the cursor has passed it before, else 1.
async fn pass(
    destination: Destination,
    number: i64,
    connection: &mut SqliteConnection,
) -> Result<u64, sqlx::Error> {
    let query = sqlx::query("UPDATE cursor SET number = ?1 WHERE destination = ?2 AND number < ?1");
    let moved = query.bind(number).bind(destination.as_str()).execute(&mut *connection).await?;
    let query = sqlx::query("DELETE FROM event WHERE number <= (SELECT MIN(number) FROM cursor)");
    query.execute(connection).await?;
    Ok(moved.rows_affected())
}

async fn number(
    waiting: &Waiting,
    sequence: u64,
    now: Timestamp,
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    let AvatarEvent { id, kind, .. } = &waiting.event;
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
        .bind(waiting.event.dedup_key())
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
    count(pool, counters).await?;
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
