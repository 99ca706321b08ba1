//! [`Disk`]: the last good bytes of every avatar in one SQLite file, so that a restart shows no broken picture.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, SqlitePool};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::disk_row::{self, Columns, SCHEMA, VERSION};
use super::{Generations, Held};
use crate::model::{AvatarId, Entry, Invalid, Provider, Timestamp, units};

/// Section `[disk]`.
#[derive(Debug, Clone)]
pub struct DiskConfig {
    /// The file; `None` turns the store off.
    pub path: Option<PathBuf>,
    /// What all pictures may weigh together, in bytes; the least recently used go first.
    pub max_bytes: u64,
}

/// Section `[disk]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskWritten {
    path: String,
    max_bytes: units::Size,
}

impl TryFrom<DiskWritten> for DiskConfig {
    type Error = Invalid;

    fn try_from(written: DiskWritten) -> Result<Self, Invalid> {
        let path = (!written.path.is_empty()).then(|| PathBuf::from(written.path));
        Ok(Self { path, max_bytes: written.max_bytes.at_least("max_bytes", 1 << 20)? })
    }
}

/// Why the start is refused. All other trouble with the file only degrades the service.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Two processes on one file would undo each other's deletions.
    #[error("disk.path = {0}: in use by another avatar-proxy process")]
    InUse(PathBuf),
}

/// How the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Written and read without trouble, or turned off.
    Well,
    /// The last operation failed; pictures are served from memory alone meanwhile.
    Degraded(String),
}

/// Commands that may wait for the writer. A refresh that finds the queue full waits for a place in it.
const QUEUE: usize = 64;
/// Commands written in one transaction.
const BATCH: usize = 32;
/// A view is written down only if the one on disk is older, so that a hit costs no write.
const TOUCH_AFTER: Duration = Duration::from_secs(3600);
/// SQLite's own wait for a lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

enum Command {
    Put(Arc<Held>),
    Touch(AvatarId, Timestamp),
    Remove(Vec<AvatarId>, oneshot::Sender<Result<(), String>>),
    Pause(Provider, Timestamp),
    Flush(oneshot::Sender<()>),
}

/// The embedded last-good store.
#[derive(Debug, Clone)]
pub struct Disk {
    // None: turned off, or the file could not be opened.
    open: Option<Open>,
    state: Arc<State>,
}

#[derive(Debug, Clone)]
struct Open {
    pool: SqlitePool,
    commands: mpsc::Sender<Command>,
    max_pixels: u64,
    // Held until the last clone goes: the operating system frees it with the process, however that ends.
    _lock: Arc<File>,
}

#[derive(Debug, Default)]
struct State {
    degraded: Mutex<Option<String>>,
    failing: AtomicBool,
}

impl State {
    /// Notes how an operation ended; one log line at each change.
    fn note<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => {
                if self.failing.swap(false, Ordering::AcqRel) {
                    *self.degraded.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    tracing::info!("disk store works again");
                }
                Some(value)
            }
            Err(error) => {
                if !self.failing.swap(true, Ordering::AcqRel) {
                    tracing::error!(%error, "disk store fails: pictures are kept in memory alone until it works again");
                }
                *self.degraded.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                None
            }
        }
    }
}

impl Disk {
    /// Opens the file and starts its writer. A file that cannot be opened degrades the service; one that another
    /// process holds is an error.
    pub async fn open(
        config: &DiskConfig,
        max_pixels: u64,
        generations: Arc<Generations>,
        tracker: &TaskTracker,
    ) -> Result<Self, DiskError> {
        let state = Arc::new(State::default());
        let Some(path) = &config.path else { return Ok(Self { open: None, state }) };
        let lock = match lock(path) {
            Ok(Some(lock)) => Arc::new(lock),
            Ok(None) => return Err(DiskError::InUse(path.clone())),
            Err(error) => {
                state.note::<(), _>(Err(format!("{}: {error}", path.display())));
                return Ok(Self { open: None, state });
            }
        };
        let Some(pool) = state.note(open_or_set_aside(path).await) else {
            return Ok(Self { open: None, state });
        };
        let (commands, queue) = mpsc::channel(QUEUE);
        let writer = Writer {
            pool: pool.clone(),
            generations,
            max_bytes: config.max_bytes,
            state: state.clone(),
            used: 0,
        };
        tracker.spawn(writer.run(queue));
        Ok(Self { open: Some(Open { pool, commands, max_pixels, _lock: lock }), state })
    }

    /// How it is.
    pub fn health(&self) -> Health {
        let degraded = self.state.degraded.lock().unwrap_or_else(PoisonError::into_inner);
        degraded.clone().map_or(Health::Well, Health::Degraded)
    }

    /// What is kept of an avatar; trouble with the file or the row is a miss.
    pub async fn get(&self, id: &AvatarId, now: Timestamp) -> Option<Entry> {
        let open = self.open.as_ref()?;
        let query = sqlx::query("SELECT * FROM avatar WHERE id = ?").bind(id.as_str());
        let row = self.state.note(query.fetch_optional(&open.pool).await)??;
        match disk_row::read(&row, open.max_pixels) {
            Ok((_, entry)) => {
                let used_at = Timestamp::from_millis(row.try_get("used_at").unwrap_or(0));
                if now.since(used_at) > TOUCH_AFTER {
                    let _ = open.commands.try_send(Command::Touch(id.clone(), now));
                }
                Some(entry)
            }
            Err(error) => {
                tracing::error!(connection = %id, %error, "disk store: the row is dropped");
                self.remove(vec![id.clone()]).await;
                None
            }
        }
    }

    /// Keeps an entry; it is in the file within a second. Waits while the queue is full.
    pub async fn put(&self, held: Arc<Held>) {
        if let Some(open) = &self.open {
            let _ = open.commands.send(Command::Put(held)).await;
        }
    }

    /// Removes avatars so that none of their bytes is left in the file or its log. The caller has raised their
    /// generations before. Returns whether it is done; trouble is logged.
    pub async fn remove(&self, ids: Vec<AvatarId>) -> bool {
        let Some(open) = &self.open else { return true };
        let (done, ended) = oneshot::channel();
        if open.commands.send(Command::Remove(ids, done)).await.is_err() {
            return false;
        }
        matches!(ended.await, Ok(Ok(())))
    }

    /// Keeps the pause of a whole app.
    pub async fn put_pause(&self, provider: Provider, until: Timestamp) {
        if let Some(open) = &self.open {
            let _ = open.commands.send(Command::Pause(provider, until)).await;
        }
    }

    /// The pauses that were kept.
    pub async fn pauses(&self) -> Vec<(Provider, Timestamp)> {
        let Some(open) = &self.open else { return Vec::new() };
        let rows = sqlx::query("SELECT provider, until FROM pause").fetch_all(&open.pool).await;
        let rows = self.state.note(rows).unwrap_or_default();
        rows.iter()
            .filter_map(|row| {
                let provider = Provider::from_name(row.try_get("provider").ok()?)?;
                Some((provider, Timestamp::from_millis(row.try_get("until").ok()?)))
            })
            .collect()
    }

    /// A page of ids behind `after`, in order, with the time each was last verified.
    pub async fn ids(&self, after: &str, limit: u32) -> Vec<(AvatarId, Timestamp)> {
        let Some(open) = &self.open else { return Vec::new() };
        let query = sqlx::query("SELECT id, verified_at FROM avatar WHERE id > ? ORDER BY id LIMIT ?");
        let rows =
            self.state.note(query.bind(after).bind(limit).fetch_all(&open.pool).await).unwrap_or_default();
        rows.iter()
            .filter_map(|row| {
                let verified_at = Timestamp::from_millis(row.try_get("verified_at").ok()?);
                Some((AvatarId::parse(row.try_get("id").ok()?).ok()?, verified_at))
            })
            .collect()
    }

    /// Waits until all that was put before is in the file, then ends the writer's work.
    pub async fn close(&self) {
        let Some(open) = &self.open else { return };
        let (done, ended) = oneshot::channel();
        if open.commands.send(Command::Flush(done)).await.is_ok() {
            let _ = ended.await;
        }
        open.pool.close().await;
    }
}

/// Locks `<path>.lock`; `None` if another process holds it.
fn lock(path: &Path) -> std::io::Result<Option<File>> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(name)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Opens the file; a corrupt one is renamed (never deleted: it may be wanted as evidence or be mended) and a new one made.
async fn open_or_set_aside(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    match open(path).await {
        Err(error) if is_corrupt(&error) => {
            set_aside(path)?;
            open(path).await
        }
        result => result,
    }
}

fn is_corrupt(error: &sqlx::Error) -> bool {
    // SQLITE_CORRUPT = 11 and SQLITE_NOTADB = 26, with their extended codes (https://sqlite.org/rescode.html).
    let code = match error {
        sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<u32>().ok()),
        sqlx::Error::Protocol(message) => message.starts_with("quick_check").then_some(11),
        _ => None,
    };
    matches!(code.map(|code| code & 0xff), Some(11 | 26))
}

fn set_aside(path: &Path) -> std::io::Result<()> {
    let aside = (0..1000)
        .map(|n| path.with_extension(format!("corrupt-{n}")))
        .find(|aside| !aside.exists())
        .ok_or_else(|| std::io::Error::other("a thousand corrupt files stand beside it already"))?;
    tracing::error!(aside = %aside.display(), "disk store: the file is corrupt; it is set aside and a new one begun");
    for suffix in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
    std::fs::rename(path, aside)
}

async fn open(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL keeps every commit over a kill; only a power cut may take the last ones.
        .synchronous(SqliteSynchronous::Normal)
        .pragma("secure_delete", "ON")
        .busy_timeout(BUSY_TIMEOUT);
    let pool = SqlitePoolOptions::new()
        .max_connections(3)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_with(options)
        .await?;
    let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&pool).await?;
    if verdict != "ok" {
        pool.close().await;
        return Err(sqlx::Error::Protocol(format!("quick_check: {verdict}")));
    }
    sqlx::raw_sql(SCHEMA).execute(&pool).await?;
    Ok(pool)
}

/// The one task that writes.
struct Writer {
    pool: SqlitePool,
    generations: Arc<Generations>,
    max_bytes: u64,
    state: Arc<State>,
    used: u64,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        self.used = self.state.note(self.measure().await).unwrap_or(0);
        let mut batch = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut batch, BATCH).await > 0 {
            let mut done = Vec::new();
            let written = self.write(std::mem::take(&mut batch), &mut done).await;
            let outcome = written.as_ref().map(|_| ()).map_err(ToString::to_string);
            self.state.note(written);
            for ended in done {
                ended(outcome.clone());
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

    async fn write(&mut self, batch: Vec<Command>, done: &mut Vec<Ended>) -> Result<(), sqlx::Error> {
        let mut latest: HashMap<AvatarId, Arc<Held>> = HashMap::new();
        let mut removed = Vec::new();
        let mut touched = Vec::new();
        let mut pauses = Vec::new();
        for command in batch {
            match command {
                Command::Put(held) => _ = latest.insert(held.id.clone(), held),
                Command::Touch(id, at) => touched.push((id, at)),
                Command::Pause(provider, until) => pauses.push((provider, until)),
                Command::Flush(ended) => done.push(Box::new(move |_| _ = ended.send(()))),
                Command::Remove(ids, ended) => {
                    removed.extend(ids);
                    done.push(Box::new(move |outcome| _ = ended.send(outcome)));
                }
            }
        }
        let mut transaction = self.pool.begin().await?;
        for id in &removed {
            sqlx::query("DELETE FROM avatar WHERE id = ?")
                .bind(id.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        for (id, at) in touched {
            let query = sqlx::query("UPDATE avatar SET used_at = ? WHERE id = ?");
            query.bind(at.as_millis()).bind(id.as_str()).execute(&mut *transaction).await?;
        }
        for (provider, until) in pauses {
            let query = sqlx::query("INSERT OR REPLACE INTO pause (provider, until) VALUES (?, ?)");
            query.bind(provider.as_str()).bind(until.as_millis()).execute(&mut *transaction).await?;
        }
        for held in latest.values() {
            // Asked here, by the only writer: a removal that was queued later has raised the generation already.
            if self.generations.admits(&held.id, held.entry.generation) {
                self.used += held.entry.picture().map_or(0, |picture| picture.bytes.len() as u64);
                put(held, self.generations.was_raised(&held.id), &mut transaction).await?;
            }
        }
        transaction.commit().await?;
        if !removed.is_empty() {
            self.forget_log().await?;
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

type Ended = Box<dyn FnOnce(Result<(), String>) + Send>;

async fn put(held: &Held, purged: bool, transaction: &mut sqlx::SqliteConnection) -> Result<(), sqlx::Error> {
    let Entry { verified_at, provider, name, fingerprint, .. } = &held.entry;
    let columns = Columns::of(&held.entry);
    sqlx::query(
        "INSERT INTO avatar (id, version, provider, name, fingerprint, verified_at, used_at, content, identity,
             last_modified, bytes, checksum, trouble, field_missing)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, provider = excluded.provider,
             name = excluded.name, fingerprint = excluded.fingerprint, verified_at = excluded.verified_at,
             used_at = excluded.used_at, content = excluded.content, identity = excluded.identity,
             last_modified = excluded.last_modified, bytes = excluded.bytes, checksum = excluded.checksum,
             trouble = excluded.trouble, field_missing = excluded.field_missing
         WHERE ? OR excluded.verified_at >= avatar.verified_at",
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
    .bind(purged)
    .execute(transaction)
    .await?;
    Ok(())
}
