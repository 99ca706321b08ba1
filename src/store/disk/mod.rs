//! [`Disk`]: the last good bytes of every avatar in one SQLite file, so that a restart shows no broken picture.
//!
//! Reading order: the handle here, which reads by connections of its own and sends [`DiskCommand`]s to the one `writer`;
//! `command` (a batch of them is a transaction), `row` (the stored form of an entry), `purges`, `file` (lock, schema,
//! corruption); `outbox` holds the events that their destinations have not taken yet.

mod command;
mod config;
mod file;
mod outbox;
mod purges;
mod row;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Row, SqlitePool};
use tokio::sync::{mpsc, oneshot};

use super::health::{Health, State};
use super::{EntryMeta, Held, PurgeLog, StoredPurge};
use crate::clock::Clock;
use crate::model::{AvatarEvent, AvatarId, Entry, Generation, ImagesConfig, Provider, Timestamp};
use crate::task_pool::TaskPool;
use crate::telemetry::Metrics;
use command::DiskCommand;
use outbox::counters::Counters;
use outbox::overflow::Unwritten;
use outbox::table;
use writer::Writer;

pub use config::{DiskConfig, DiskWritten};
pub use outbox::{Destination, LastSequence, Outbox, Waiting};

/// Why the start is refused. Any other trouble with the file only degrades the service.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Two processes on one file would undo each other's deletions.
    #[error("disk.path = {0}: in use by another avatar-proxy process")]
    InUse(PathBuf),
}

/// Commands that may wait for the writer. A refresh waits while the queue is full.
const QUEUE: usize = 64;
/// A view is written only if the one on disk is older than this, so that a hit costs no write.
const TOUCH_AFTER: Duration = Duration::from_secs(3600);
const WORKS_AGAIN: &str = "disk store works again";
const FAILS: &str = "disk store fails: pictures are in memory alone until it works again";

/// The embedded last-good store.
#[derive(Debug, Clone)]
pub struct Disk {
    // `None`: turned off, or the file could not be opened.
    open: Option<Open>,
    is_wanted: bool,
    events: Arc<Counters>,
    state: Arc<State>,
}

#[derive(Debug, Clone)]
struct Open {
    pool: SqlitePool,
    commands: mpsc::Sender<DiskCommand>,
    images: ImagesConfig,
    // Locked until the last clone is dropped; the operating system frees it with the process, however that ends.
    _lock: Arc<File>,
}

impl Disk {
    /// Opens the file and starts its writer. A file that cannot be opened degrades the service; one that another
    /// process holds is an error.
    pub async fn open(
        config: &DiskConfig,
        images: ImagesConfig,
        purge_log: Arc<PurgeLog>,
        clock: Clock,
        background: &TaskPool,
        metrics: Arc<Metrics>,
    ) -> Result<Self, DiskError> {
        let state = Arc::new(State::new(WORKS_AGAIN, FAILS));
        let events = Arc::new(Counters::new(metrics));
        let is_wanted = config.path.is_some();
        let closed = Self { open: None, is_wanted, events: events.clone(), state: state.clone() };
        let Some(path) = &config.path else { return Ok(closed) };
        let lock = match file::lock(path).await {
            Ok(Some(lock)) => Arc::new(lock),
            Ok(None) => return Err(DiskError::InUse(path.clone())),
            Err(error) => {
                state.note::<(), _>(Err(format!("{}: {error}", path.display())));
                return Ok(closed);
            }
        };
        let Some(pool) = state.note(file::open_or_set_aside(path).await) else { return Ok(closed) };
        let kept =
            sqlx::query_scalar::<_, i64>("SELECT COALESCE(MAX(MAX(generation, obeyed)), 0) FROM avatar");
        let kept = state.note(kept.fetch_one(&pool).await).unwrap_or(0);
        purge_log.catch_up(Generation(kept.cast_unsigned()));
        state.note(table::open(&pool, &events).await);
        let (commands, queue) = mpsc::channel(QUEUE);
        let writer = Writer {
            pool: pool.clone(),
            purge_log,
            clock,
            max_bytes: config.max_bytes,
            state: state.clone(),
            events,
            unwritten: Unwritten::default(),
            used: 0,
            new_purges: 0,
        };
        background.spawn(writer.run(queue));
        Ok(Self { open: Some(Open { pool, commands, images, _lock: lock }), ..closed })
    }

    /// Whether the file that is configured could not be opened at the start. Its content stays as it is.
    pub fn is_unavailable(&self) -> bool {
        self.is_wanted && self.open.is_none()
    }

    /// How the store is.
    pub fn health(&self) -> Health {
        self.state.health()
    }

    /// The entry of an avatar. Trouble with the file or the row is a miss.
    #[tracing::instrument(name = "disk", level = "debug", skip_all, fields(connection = %id))]
    pub async fn get(&self, id: &AvatarId, now: Timestamp) -> Option<Entry> {
        let open = self.open.as_ref()?;
        let query = sqlx::query(row::SELECT).bind(id.as_str());
        let row = self.state.note_read(query.fetch_optional(&open.pool).await)??;
        match row::read(&row, open.images) {
            Ok((_, entry)) => {
                let used_at = Timestamp::from_millis(row.try_get("used_at").unwrap_or(0));
                if used_at.is_older_than(TOUCH_AFTER, now) {
                    let _ = open.commands.try_send(DiskCommand::Touch(id.clone(), now));
                }
                Some(entry)
            }
            Err(error) => {
                tracing::error!(connection = %id, %error, "disk store: a damaged row is dropped");
                self.remove(vec![id.clone()]).await;
                None
            }
        }
    }

    /// Stores an entry; it is in the file within a second. Waits while the queue is full.
    pub async fn put(&self, held: Arc<Held>) {
        if let Some(open) = &self.open {
            let _ = open.commands.send(DiskCommand::Put(held, Vec::new(), None)).await;
        }
    }

    /// Stores an entry with its events and waits until both are in the file, so that no viewer sees an entry whose events
    /// could be lost. Trouble is logged.
    pub async fn put_with_events(&self, held: Arc<Held>, events: Vec<AvatarEvent>) {
        if events.is_empty() {
            return self.put(held).await;
        }
        let Some(open) = &self.open else { return self.events.lose(events.len() as u64) };
        let (done, ended) = oneshot::channel();
        if open.commands.send(DiskCommand::Put(held, events, Some(done))).await.is_ok() {
            let _ = ended.await;
        }
    }

    /// Stores events without an entry and waits until they are in the file. Trouble is logged.
    pub async fn put_events(&self, events: Vec<AvatarEvent>) {
        let Some(open) = &self.open else { return self.events.lose(events.len() as u64) };
        let (done, ended) = oneshot::channel();
        if open.commands.send(DiskCommand::Note(events, done)).await.is_ok() {
            let _ = ended.await;
        }
    }

    /// The events that a destination has not taken yet; `None` where the file could not be opened.
    pub fn outbox(&self, destination: Destination) -> Option<Outbox> {
        let Open { pool, commands, .. } = self.open.as_ref()?;
        let (pool, commands) = (pool.clone(), commands.clone());
        Some(Outbox::new(destination, pool, commands, self.events.clone(), self.state.clone()))
    }

    /// Removes avatars so that none of their bytes is left in the file or its log. The caller has recorded their purge
    /// before. Returns whether it is done. Trouble is logged.
    pub async fn remove(&self, ids: Vec<AvatarId>) -> bool {
        let Some(open) = &self.open else { return !self.is_unavailable() };
        let (done, ended) = oneshot::channel();
        if open.commands.send(DiskCommand::Remove(ids, done)).await.is_err() {
            return false;
        }
        matches!(ended.await, Ok(Ok(())))
    }

    /// The entry of an avatar without its bytes.
    pub async fn meta(&self, id: &AvatarId) -> Option<EntryMeta> {
        let open = self.open.as_ref()?;
        let query = sqlx::query(
            "SELECT id, provider, verified_at, generation, obeyed, token_end FROM avatar WHERE id = ?",
        );
        let row = self.state.note_read(query.bind(id.as_str()).fetch_optional(&open.pool).await)??;
        row::read_meta(&row)
    }

    /// Stores purges, so that a restart forgets none.
    pub async fn put_purges(&self, purges: Vec<StoredPurge>) {
        if let Some(open) = &self.open {
            let _ = open.commands.send(DiskCommand::Purges(purges)).await;
        }
    }

    /// The purges in the file, oldest first. Drops those that are published and older than `oldest`.
    pub async fn purges(&self, oldest: Generation) -> Vec<StoredPurge> {
        let Some(open) = &self.open else { return Vec::new() };
        self.state.note_read(purges::read(&open.pool, oldest).await).unwrap_or_default()
    }

    /// Stores the pause of a provider's whole app.
    pub async fn put_pause(&self, provider: Provider, until: Timestamp) {
        if let Some(open) = &self.open {
            let _ = open.commands.send(DiskCommand::Pause(provider, until)).await;
        }
    }

    /// The pauses in the file.
    pub async fn pauses(&self) -> Vec<(Provider, Timestamp)> {
        let Some(open) = &self.open else { return Vec::new() };
        let rows = sqlx::query("SELECT provider, until FROM pause").fetch_all(&open.pool).await;
        let rows = self.state.note_read(rows).unwrap_or_default();
        rows.iter()
            .filter_map(|row| {
                let provider = Provider::from_name(row.try_get("provider").ok()?)?;
                Some((provider, Timestamp::from_millis(row.try_get("until").ok()?)))
            })
            .collect()
    }

    /// Stores the time of the last sweep.
    pub async fn put_last_sweep(&self, at: Timestamp) {
        if let Some(open) = &self.open {
            let _ = open.commands.send(DiskCommand::Swept(at)).await;
        }
    }

    /// The time of the last sweep, if the file has one.
    pub async fn last_sweep(&self) -> Option<Timestamp> {
        let open = self.open.as_ref()?;
        let at = sqlx::query_scalar::<_, i64>("SELECT at FROM swept").fetch_optional(&open.pool).await;
        self.state.note_read(at)?.map(Timestamp::from_millis)
    }

    /// Saves how far the walk that warms is, in its own form; `None` = there is none to continue.
    pub async fn put_walk(&self, walk: Option<String>) {
        if let Some(open) = &self.open {
            let _ = open.commands.send(DiskCommand::Walk(walk)).await;
        }
    }

    /// How far the walk that warms was when it was last saved.
    pub async fn walk(&self) -> Option<String> {
        let open = self.open.as_ref()?;
        let walk = sqlx::query_scalar("SELECT walk FROM warming").fetch_optional(&open.pool).await;
        self.state.note_read(walk)?
    }

    /// The entries behind `after` without their bytes, in the order of ids.
    pub async fn page(&self, after: &str, limit: u32) -> Vec<EntryMeta> {
        let Some(open) = &self.open else { return Vec::new() };
        let query = sqlx::query(
            "SELECT id, provider, verified_at, generation, obeyed, token_end FROM avatar WHERE id > ? ORDER BY id
             LIMIT ?",
        );
        let rows = self
            .state
            .note_read(query.bind(after).bind(limit).fetch_all(&open.pool).await)
            .unwrap_or_default();
        rows.iter().filter_map(row::read_meta).collect()
    }

    /// Waits until everything that was put before is in the file, then ends the writer's task and closes the file. A closed
    /// store finds nothing and changes nothing.
    pub async fn close(&self) {
        let Some(open) = &self.open else { return };
        let (done, ended) = oneshot::channel();
        if open.commands.send(DiskCommand::Close(done)).await.is_ok() {
            let _ = ended.await;
        }
        self.state.close();
        open.pool.close().await;
    }
}
