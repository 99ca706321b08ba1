//! [`Outbox`]: the events that the dashboard has not taken yet, in the disk store's file, so that a restart loses none.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use tokio::sync::{mpsc, oneshot};

pub(super) mod counters;
pub(super) mod overflow;
pub(super) mod table;

use super::command::DiskCommand;
use crate::clock::MAX_CLOCK_SKEW;
use crate::model::{AvatarEvent, AvatarId, EventKind, Provider, Timestamp, TroubleClass};
use crate::store::health::State;
use crate::store::retention::{DELETION_REMEMBERED, REMEMBERED};
use counters::Counters;
use table::OutboxCommand;

pub use counters::Waiting;

/// The sequence of an avatar's last event in one dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSequence {
    /// The dimension: [`Dimension::as_str`](crate::model::Dimension::as_str).
    pub dimension: String,
    /// What the event said: [`AvatarEvent::dedup_key`].
    pub dedup_key: String,
    /// Its sequence.
    pub sequence: u64,
}

/// The sender's view of the store.
#[derive(Debug, Clone)]
pub struct Outbox {
    pool: SqlitePool,
    commands: mpsc::Sender<DiskCommand>,
    counters: Arc<Counters>,
    state: Arc<State>,
}

impl Outbox {
    pub(in crate::store::disk) fn new(
        pool: SqlitePool,
        commands: mpsc::Sender<DiskCommand>,
        counters: Arc<Counters>,
        state: Arc<State>,
    ) -> Self {
        Self { pool, commands, counters, state }
    }

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
            let row = self.state.note_read(query.fetch_optional(&self.pool).await)??;
            if let Some(waiting) = read(&row) {
                return Some(waiting);
            }
            // Of a kind or provider that only a later version knows: this one could not send it.
            let number = row.try_get("number").ok()?;
            if !self.ask(OutboxCommand::Delivered(number)).await {
                return None;
            }
            self.counters.lose(1);
        }
    }

    /// The sequences of an avatar's last events, the latest of each dimension. One that a wrong clock gave in the future
    /// still counts for the order, but its event may have said something wrong, so it is sent anew.
    pub async fn last_sequences(&self, id: &AvatarId, now: Timestamp) -> Vec<LastSequence> {
        let query = sqlx::query(
            "SELECT dimension, CASE WHEN at > ? THEN '' ELSE fact END AS fact, sequence FROM told
             WHERE id = ? AND at > ? AND (dimension <> 'existence' OR at > ?)",
        );
        let query = query.bind((now + MAX_CLOCK_SKEW).as_millis());
        let query = query.bind(id.as_str()).bind((now - REMEMBERED).as_millis());
        let query = query.bind((now - DELETION_REMEMBERED).as_millis());
        let rows = self.state.note_read(query.fetch_all(&self.pool).await).unwrap_or_default();
        let read = |row: &SqliteRow| {
            Some(LastSequence {
                dimension: row.try_get("dimension").ok()?,
                dedup_key: row.try_get("fact").ok()?,
                sequence: row.try_get::<i64, _>("sequence").ok()?.try_into().ok()?,
            })
        };
        rows.iter().filter_map(read).collect()
    }

    /// Gives an event its sequence for good. False: the disk store failed.
    pub async fn set_sequence(&self, waiting: Waiting, sequence: u64, now: Timestamp) -> bool {
        self.ask(OutboxCommand::Number(waiting, sequence, now)).await
    }

    /// Removes an event that was delivered. False: the disk store failed, and it will be delivered once more.
    pub async fn delivered(&self, number: i64) -> bool {
        self.ask(OutboxCommand::Delivered(number)).await
    }

    /// Drops an event that is too old. False: the disk store failed, and it is still there.
    pub async fn drop_old(&self, number: i64) -> bool {
        self.ask(OutboxCommand::Dropped(number)).await
    }

    async fn ask(&self, command: OutboxCommand) -> bool {
        let (done, ended) = oneshot::channel();
        self.commands.send(DiskCommand::Outbox(command, done)).await.is_ok()
            && matches!(ended.await, Ok(Ok(())))
    }

    /// Returns when there may be new events. For one caller.
    pub async fn changed(&self) {
        self.counters.news.notified().await;
    }

    /// Events that wait.
    pub fn waiting(&self) -> u64 {
        self.counters.waiting.load(Ordering::Relaxed)
    }

    /// Events that are in memory alone until the disk store works again.
    pub fn unwritten(&self) -> u64 {
        self.counters.unwritten.load(Ordering::Relaxed)
    }
}

fn read(row: &SqliteRow) -> Option<Waiting> {
    let reason = row.try_get::<Option<&str>, _>("reason").ok()?;
    Some(Waiting {
        number: row.try_get("number").ok()?,
        happened: AvatarEvent {
            id: AvatarId::parse(row.try_get("id").ok()?).ok()?,
            provider: Provider::from_name(row.try_get("provider").ok()?)?,
            kind: EventKind::from_name(row.try_get("kind").ok()?)?,
            at: Timestamp::from_millis(row.try_get("at").ok()?),
            discriminator: row.try_get("mark").ok()?,
            reason: reason.and_then(TroubleClass::from_name),
            etag: row.try_get("etag").ok()?,
        },
        sequence: row.try_get::<Option<i64>, _>("sequence").ok()?.and_then(|n| n.try_into().ok()),
    })
}
