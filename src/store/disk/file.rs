//! The disk store's file: locked, opened, and set aside where it is corrupt.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::row::{ADDED, SCHEMA};

/// SQLite's own wait for a lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A lock that another process holds is tried so many times ...
const LOCK_TRIES: u32 = 20;
/// ... this long apart: a second together.
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// Locks `<path>.lock`; `None` if another process holds it.
///
/// A process that is just ending may hold it for a moment. So may a child that has not executed its own program yet, since
/// it shares every open file until then.
pub(super) async fn lock(path: &Path) -> std::io::Result<Option<File>> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(name)?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(std::fs::TryLockError::WouldBlock) => tokio::time::sleep(LOCK_RETRY).await,
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(None)
}

/// Opens the file. A corrupt one is renamed, never deleted, since an operator may want to repair it, and a new one is made.
pub(super) async fn open_or_set_aside(path: &Path) -> Result<SqlitePool, sqlx::Error> {
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
        .ok_or_else(|| std::io::Error::other("there are a thousand corrupt files beside it already"))?;
    tracing::error!(aside = %aside.display(), "disk store: the file is corrupt; it is set aside and a new one is made");
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
        // NORMAL loses no commit when the process is killed; a power cut may take the last ones.
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
    sqlx::raw_sql(super::outbox::table::SCHEMA).execute(&pool).await?;
    for (column, statement) in ADDED {
        let there = "SELECT COUNT(*) FROM pragma_table_info('avatar') WHERE name = ?";
        if sqlx::query_scalar::<_, i64>(there).bind(column).fetch_one(&pool).await? == 0 {
            sqlx::raw_sql(statement).execute(&pool).await?;
        }
    }
    Ok(pool)
}
