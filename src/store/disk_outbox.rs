//! [`Outbox`]: what the dashboard has not been told yet, in the disk store's file, so that a restart loses none of it.
//!
//! An event is written in the transaction of the entry that it came with. It leaves when it was delivered, is too old, or
//! falls out at the oldest end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};
use tokio::sync::{Notify, mpsc, oneshot};

use super::disk_writer::Command;
use super::health::State;
use crate::model::{AvatarId, Dimension, EventKind, Happened, Provider, Timestamp, TroubleClass};

/// Events that wait at one time; beyond it the oldest is dropped.
const MOST: u64 = 10_000;
/// What was told is remembered for so long, so that what is seen again keeps its number ...
const REMEMBERED: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);
/// ... and a deletion for so long: the connection may be made again.
pub(super) const GONE_REMEMBERED: std::time::Duration = std::time::Duration::from_secs(600);

/// What is kept of events. `told` is the last of each dimension of an avatar.
pub(super) const SCHEMA: &str = "
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

/// An event that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Rises with each event of this instance: the order in which they are told.
    pub number: i64,
    /// What.
    pub happened: Happened,
    /// By which receivers order an avatar's events; `None` = not given yet.
    pub sequence: Option<u64>,
}

/// The number that an avatar's last event about something was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// About what: [`Dimension::as_str`].
    pub dimension: String,
    /// What: [`Happened::fact`].
    pub fact: String,
    /// Its number.
    pub sequence: u64,
}

/// What the sender asks the disk's writer to do.
#[derive(Debug)]
pub(super) enum Errand {
    /// Gives an event its sequence.
    Number(Waiting, u64, Timestamp),
    /// It was delivered.
    Delivered(i64),
    /// Drops what happened at that time or before.
    DropUntil(Timestamp),
}

/// What has become of events.
#[derive(Debug, Default)]
pub(super) struct Counters {
    waiting: AtomicU64,
    dropped_full: AtomicU64,
    dropped_old: AtomicU64,
    lost: AtomicU64,
    pub(super) news: Notify,
}

impl Counters {
    pub(super) fn lose(&self, events: u64) {
        if events > 0 {
            self.lost.fetch_add(events, Ordering::Relaxed);
            tracing::error!(events, "events: the disk store failed; the dashboard is not told of these");
        }
    }
}

/// The sender's view of the store.
#[derive(Debug, Clone)]
pub struct Outbox {
    pub(super) pool: SqlitePool,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) counters: Arc<Counters>,
    pub(super) state: Arc<State>,
}

impl Outbox {
    /// The oldest event without a sequence.
    pub async fn unnumbered(&self) -> Option<Waiting> {
        self.first("sequence IS NULL").await
    }

    /// The oldest event, if it has a sequence.
    pub async fn oldest(&self) -> Option<Waiting> {
        self.first("TRUE").await.filter(|waiting| waiting.sequence.is_some())
    }

    async fn first(&self, which: &'static str) -> Option<Waiting> {
        loop {
            let query = format!(
                "SELECT number, id, provider, kind, mark, at, reason, etag, sequence FROM event WHERE {which}
                 ORDER BY number LIMIT 1"
            );
            let query = sqlx::query(sqlx::AssertSqlSafe(query));
            let row = self.state.note(query.fetch_optional(&self.pool).await)??;
            if let Some(waiting) = read(&row) {
                return Some(waiting);
            }
            // Of a kind or provider that a later version knew: nobody here could send it.
            let number = row.try_get("number").ok()?;
            if !self.ask(Errand::Delivered(number)).await {
                return None;
            }
            self.counters.lose(1);
        }
    }

    /// The numbers that an avatar's last events were given, the later of each dimension.
    pub async fn told(&self, id: &AvatarId, now: Timestamp) -> Vec<Told> {
        let query = sqlx::query(
            "SELECT dimension, fact, sequence FROM told
             WHERE id = ? AND at > ? AND (dimension <> 'existence' OR at > ?)",
        );
        let query = query.bind(id.as_str()).bind((now - REMEMBERED).as_millis());
        let query = query.bind((now - GONE_REMEMBERED).as_millis());
        let rows = self.state.note(query.fetch_all(&self.pool).await).unwrap_or_default();
        let read = |row: &SqliteRow| {
            Some(Told {
                dimension: row.try_get("dimension").ok()?,
                fact: row.try_get("fact").ok()?,
                sequence: row.try_get::<i64, _>("sequence").ok()?.try_into().ok()?,
            })
        };
        rows.iter().filter_map(read).collect()
    }

    /// Gives an event its sequence, for good. False: the disk store failed.
    pub async fn number(&self, waiting: Waiting, sequence: u64, now: Timestamp) -> bool {
        self.ask(Errand::Number(waiting, sequence, now)).await
    }

    /// An event was delivered. False: the disk store failed, and it will be delivered once more.
    pub async fn delivered(&self, number: i64) -> bool {
        self.ask(Errand::Delivered(number)).await
    }

    /// Drops what happened at that time or before. Returns how many.
    pub async fn drop_until(&self, oldest: Timestamp) -> u64 {
        let before = self.dropped_old();
        self.ask(Errand::DropUntil(oldest)).await;
        self.dropped_old() - before
    }

    async fn ask(&self, errand: Errand) -> bool {
        let (done, ended) = oneshot::channel();
        self.commands.send(Command::Errand(errand, done)).await.is_ok() && matches!(ended.await, Ok(Ok(())))
    }

    /// Returns when there may be new events. For one caller.
    pub async fn news(&self) {
        self.counters.news.notified().await;
    }

    /// Events that wait.
    pub fn waiting(&self) -> u64 {
        self.counters.waiting.load(Ordering::Relaxed)
    }

    /// Events that fell out since the start, because too many waited.
    pub fn dropped_full(&self) -> u64 {
        self.counters.dropped_full.load(Ordering::Relaxed)
    }

    /// Events that were dropped since the start, because they were too old.
    pub fn dropped_old(&self) -> u64 {
        self.counters.dropped_old.load(Ordering::Relaxed)
    }

    /// Events since the start that the disk store could not keep.
    pub fn lost(&self) -> u64 {
        self.counters.lost.load(Ordering::Relaxed)
    }
}

/// Counts what waits, and forgets what was told too long ago to matter.
pub(super) async fn open(pool: &SqlitePool, counters: &Counters) -> Result<(), sqlx::Error> {
    let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM event").fetch_one(pool).await?;
    counters.waiting.store(waiting.unsigned_abs(), Ordering::Relaxed);
    Ok(())
}

/// Writes events down.
pub(super) async fn add(events: &[Happened], connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for Happened { id, provider, kind, at, mark, reason, etag } in events {
        sqlx::query(
            "INSERT INTO event (id, provider, kind, mark, at, reason, etag) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(id.as_str())
        .bind(provider.as_str())
        .bind(kind.as_str())
        .bind(mark)
        .bind(at.as_millis())
        .bind(reason.map(TroubleClass::as_str))
        .bind(etag.as_deref())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Does what the sender asks.
pub(super) async fn run(
    errand: &Errand,
    counters: &Counters,
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    match errand {
        Errand::Delivered(number) => {
            sqlx::query("DELETE FROM event WHERE number = ?").bind(number).execute(connection).await?;
        }
        Errand::DropUntil(oldest) => {
            let query = sqlx::query("DELETE FROM event WHERE at <= ?").bind(oldest.as_millis());
            let dropped = query.execute(connection).await?.rows_affected();
            counters.dropped_old.fetch_add(dropped, Ordering::Relaxed);
        }
        Errand::Number(waiting, sequence, now) => number(waiting, *sequence, *now, connection).await?,
    }
    Ok(())
}

async fn number(
    waiting: &Waiting,
    sequence: u64,
    now: Timestamp,
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    let Happened { id, kind, .. } = &waiting.happened;
    let sequence = sequence.cast_signed();
    sqlx::query("UPDATE event SET sequence = ? WHERE number = ?")
        .bind(sequence)
        .bind(waiting.number)
        .execute(&mut *connection)
        .await?;
    // A deletion ends all that was told before; whatever else is told, the connection is there again.
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
        .bind(waiting.happened.fact())
        .bind(sequence)
        .bind(now.as_millis())
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM told WHERE at <= ? OR dimension = 'existence' AND at <= ?")
        .bind((now - REMEMBERED).as_millis())
        .bind((now - GONE_REMEMBERED).as_millis())
        .execute(connection)
        .await?;
    Ok(())
}

/// After a change: counts again, and drops the oldest beyond the bound.
pub(super) async fn bound(pool: &SqlitePool, counters: &Counters) -> Result<(), sqlx::Error> {
    open(pool, counters).await?;
    let excess = counters.waiting.load(Ordering::Relaxed).saturating_sub(MOST);
    if excess > 0 {
        let query = sqlx::query(
            "DELETE FROM event WHERE number IN (SELECT number FROM event ORDER BY number LIMIT ?)",
        );
        query.bind(excess.cast_signed()).execute(pool).await?;
        counters.waiting.fetch_sub(excess, Ordering::Relaxed);
        counters.dropped_full.fetch_add(excess, Ordering::Relaxed);
        tracing::warn!(events = excess, "events: too many wait for the dashboard; the oldest are dropped");
    }
    Ok(())
}

fn read(row: &SqliteRow) -> Option<Waiting> {
    let reason = row.try_get::<Option<&str>, _>("reason").ok()?;
    Some(Waiting {
        number: row.try_get("number").ok()?,
        happened: Happened {
            id: AvatarId::parse(row.try_get("id").ok()?).ok()?,
            provider: Provider::from_name(row.try_get("provider").ok()?)?,
            kind: EventKind::from_name(row.try_get("kind").ok()?)?,
            at: Timestamp::from_millis(row.try_get("at").ok()?),
            mark: row.try_get("mark").ok()?,
            reason: reason.and_then(TroubleClass::from_name),
            etag: row.try_get("etag").ok()?,
        },
        sequence: row.try_get::<Option<i64>, _>("sequence").ok()?.and_then(|n| n.try_into().ok()),
    })
}
