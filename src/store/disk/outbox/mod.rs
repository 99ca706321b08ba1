//! [`Outbox`]: the events that a [`Destination`] has not taken yet, in the disk store's file, so that a restart loses none.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use tokio::sync::{mpsc, oneshot};

pub(super) mod counters;
mod destination;
pub(super) mod overflow;
pub(super) mod table;

use super::command::DiskCommand;
use crate::clock::MAX_CLOCK_SKEW;
use crate::model::{AvatarEvent, AvatarId, EventKind, Provider, Timestamp, TroubleClass};
use crate::store::event_retention::{DELETION_REMEMBERED, REMEMBERED};
use crate::store::health::State;
use counters::Counters;
use table::OutboxCommand;

pub use counters::Waiting;
pub use destination::Destination;

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

/// A destination's view of the store.
#[derive(Debug, Clone)]
pub struct Outbox {
    destination: Destination,
    pool: SqlitePool,
    commands: mpsc::Sender<DiskCommand>,
    counters: Arc<Counters>,
    state: Arc<State>,
}

impl Outbox {
    pub(in crate::store::disk) fn new(
        destination: Destination,
        pool: SqlitePool,
        commands: mpsc::Sender<DiskCommand>,
        counters: Arc<Counters>,
        state: Arc<State>,
    ) -> Self {
        Self { destination, pool, commands, counters, state }
    }

    /// The oldest event without a sequence.
    pub async fn unnumbered(&self) -> Option<Waiting> {
        self.first("AND sequence IS NULL").await
    }

    /// The oldest event that the destination has not taken, if it has a sequence.
    pub async fn oldest(&self) -> Option<Waiting> {
        self.first("").await.filter(|waiting| waiting.sequence.is_some())
    }

    /// The first event beyond the cursor.
    async fn first(&self, which: &'static str) -> Option<Waiting> {
        loop {
            let query = format!(
                "SELECT number, id, provider, kind, mark, at, reason, etag, sequence FROM event
                 WHERE number > (SELECT number FROM cursor WHERE destination = ?) {which}
                 ORDER BY number LIMIT 1"
            );
            let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(self.destination.as_str());
            let row = self.state.note_read(query.fetch_optional(&self.pool).await)??;
            if let Some(waiting) = read(&row) {
                return Some(waiting);
            }
            // Of a kind or provider that only a later version knows: this one could not send it.
            let number = row.try_get("number").ok()?;
            if !self.ask(OutboxCommand::Unreadable(number)).await {
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

    /// The destination has taken an event, and needs none up to it. False: the disk store failed, and it will be delivered
    /// once more.
    pub async fn delivered(&self, number: i64) -> bool {
        self.ask(OutboxCommand::Delivered(self.destination, number)).await
    }

    /// Gives up an event that is too old for the destination. False: the disk store failed, and it is still there.
    pub async fn drop_old(&self, number: i64) -> bool {
        self.ask(OutboxCommand::Dropped(self.destination, number)).await
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
        event: AvatarEvent {
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
