//! WORKS: who is behind a connection id. `[[connection]]` entries, and rows of the dashboard's database.
//!
//! In reading order:
//!
//! | file | |
//! |---|---|
//! | here | [`Directory::lookup`]: the entries, the cache, then each table |
//! | `lookup`, `cache` | the answer; answers that were read a moment ago |
//! | `schema` | which tables exist |
//! | `table`, `dialect` | their statements; where the SQL of the three databases differs |
//! | `engine` | the connections, and the only file that runs a query |
//! | `walk` | all connections in pages, for warming |
//! | `expiring`, `check` | the ends of many tokens, for the sweep; what `check` reports |
//! | `write_back` | saves a fresh address in its row |
//! | `config`, `url`, `error` | the sections; Prisma's URLs; what can go wrong |
//!
//! No statement changes anything but a row's `picture_url`, and no error ever means that a row is gone.

mod cache;
mod check;
mod config;
mod dialect;
mod engine;
mod error;
mod expiring;
mod lookup;
mod schema;
mod table;
mod url;
mod walk;
mod write_back;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

pub use check::{CheckedTable, DirectoryCheck, FoundTable};
pub use config::{
    Columns, ConnectionEntry, ConnectionWritten, DirectoryConfig, DirectoryWritten, TableConfig, TableWritten,
};
pub use error::DirectoryError;
pub use lookup::{Lookup, Row};
pub use url::{DatabaseSource, MySqlSource, PostgresSource, SqliteSource};
pub use walk::{Cursor, Page};
pub use write_back::WriteBack;

use crate::model::{AvatarId, Connection, Timestamp};
use cache::Cache;
use engine::{Engine, Keep};
use error::{FailureKind, QueryFailure};
use schema::{Schema, WantedTable};

/// How long a look at the tables is believed while one of them is missing.
const INCOMPLETE_SCHEMA_FOR: Duration = Duration::from_secs(60);
/// Ids in one statement of [`Directory::existing`].
const IDS_PER_QUERY: usize = 500;

/// The configured connections and the dashboard's database. An id in `[[connection]]` is taken from there, even if the
/// database has it too.
pub struct Directory {
    config: DirectoryConfig,
    entries: HashMap<AvatarId, Connection>,
    wanted: Vec<WantedTable>,
    /// Opened at the first query, since sqlx needs the running runtime.
    engine: OnceLock<Engine>,
    /// Locked during a look at the tables, so that one look serves all callers that wait for it.
    schema: tokio::sync::Mutex<Looked>,
    /// Counts the looks; a caller that waited during one takes its result.
    looks: AtomicU64,
    cache: Cache,
    warned: Mutex<HashSet<usize>>,
}

/// The last look at the tables.
#[derive(Default)]
struct Looked {
    schema: Option<Arc<Schema>>,
    /// When; `None` = by a caller without a clock.
    at: Option<Timestamp>,
    /// Why there is no schema.
    failure: Option<DirectoryError>,
    /// Which of the wanted tables were ever found.
    known: Vec<bool>,
}

/// The known tables, and the problem that forbids calling an id unknown.
struct View {
    schema: Arc<Schema>,
    problem: Option<DirectoryError>,
}

impl Directory {
    /// Opens no connection: a database that is down shows at the first query.
    ///
    /// # Errors
    /// [`DirectoryError::Misconfigured`] if two `[[connection]]` entries have the same id.
    pub fn new(
        config: DirectoryConfig,
        connections: Vec<ConnectionEntry>,
        unknown_for: Duration,
    ) -> Result<Self, DirectoryError> {
        let mut entries = HashMap::with_capacity(connections.len());
        for ConnectionEntry(connection) in connections {
            let id = connection.id.clone();
            if entries.insert(id.clone(), connection).is_some() {
                return Err(DirectoryError::Misconfigured(format!("two [[connection]] have the id {id}")));
            }
        }
        let wanted = schema::wanted(&config);
        Ok(Self {
            cache: Cache::new(config.cache_for, unknown_for),
            schema: tokio::sync::Mutex::new(Looked { known: vec![false; wanted.len()], ..Looked::default() }),
            looks: AtomicU64::new(0),
            engine: OnceLock::new(),
            warned: Mutex::new(HashSet::new()),
            config,
            entries,
            wanted,
        })
    }

    /// The connection of an id; the database is asked only where the cache has nothing fresh.
    #[tracing::instrument(level = "debug", skip_all, fields(connection = %id))]
    pub async fn lookup(&self, id: &AvatarId, now: Timestamp) -> Result<Lookup, DirectoryError> {
        match self.cache.get(id, now) {
            Some(lookup) => Ok(lookup),
            None => self.read(id, now).await,
        }
    }

    /// Reads the row past the cache, and caches it.
    ///
    /// # Errors
    /// See [`DirectoryError`]; the cache is left as it was.
    pub async fn read(&self, id: &AvatarId, now: Timestamp) -> Result<Lookup, DirectoryError> {
        if let Some(connection) = self.entries.get(id) {
            return Ok(Lookup::Found(Arc::new(Row::new(connection.clone(), now))));
        }
        if self.config.source.is_none() {
            return Ok(Lookup::Unknown);
        }
        let lookup = match self.select(id, now).await? {
            Some(connection) => Lookup::Found(Arc::new(Row::new(connection, now))),
            None => Lookup::Unknown,
        };
        self.cache.put(id.clone(), lookup.clone(), now);
        Ok(lookup)
    }

    /// Drops the id from the cache, so that the next lookup reads the row.
    pub fn forget(&self, id: &AvatarId) {
        self.cache.forget(id);
    }

    /// Which of the ids exist, for the sweep.
    ///
    /// # Errors
    /// A table could not be asked. Then none of the ids may be taken for deleted.
    pub async fn existing(&self, ids: &[AvatarId]) -> Result<HashSet<AvatarId>, DirectoryError> {
        let mut existing: HashSet<AvatarId> =
            ids.iter().filter(|id| self.entries.contains_key(*id)).cloned().collect();
        if self.config.source.is_none() {
            return Ok(existing);
        }
        let view = self.view(None).await?;
        view.problem.map_or(Ok(()), Err)?;
        for table in view.schema.tables() {
            let held: HashMap<&str, &AvatarId> =
                ids.iter().filter_map(|id| table.row_id(id).map(|row| (row, id))).collect();
            let rows: Vec<&str> = held.keys().copied().collect();
            for batch in rows.chunks(IDS_PER_QUERY) {
                let answer = self.engine()?.run(&table.select_ids(batch.len()), batch, Keep::Once).await;
                let answer = self.heed(answer).await?;
                let found = answer.rows.iter().flatten().flatten();
                existing.extend(found.filter_map(|row| held.get(row.as_str())).map(|id| (*id).clone()));
            }
        }
        Ok(existing)
    }

    /// Asks every table that could have the id.
    async fn select(&self, id: &AvatarId, now: Timestamp) -> Result<Option<Connection>, DirectoryError> {
        let view = self.view(Some(now)).await?;
        if let Some(problem) = view.schema.ambiguity() {
            return Err(DirectoryError::Misconfigured(problem));
        }
        let mut found: Vec<(Connection, &str)> = Vec::new();
        for table in view.schema.tables() {
            let Some(row_id) = table.row_id(id) else { continue };
            let answer = self.engine()?.run(table.select(), &[row_id, row_id], Keep::Prepared).await;
            let rows = self.heed(answer).await?.rows;
            let connections = rows.into_iter().filter_map(|row| table.connection(id, row, now));
            found.extend(connections.map(|connection| (connection, table.name.as_str())));
        }
        match found.len() {
            // A missing table may be the one that has it.
            0 => view.problem.map_or(Ok(None), Err),
            1 => Ok(found.pop().map(|(connection, _)| connection)),
            _ => {
                let tables = found.iter().map(|(_, table)| format!("{table:?}")).collect();
                Err(DirectoryError::Ambiguous { id: id.clone(), tables })
            }
        }
    }

    /// The tables. They are looked for at the first call, and again each minute while one of them is missing.
    async fn view(&self, now: Option<Timestamp>) -> Result<View, DirectoryError> {
        let before = self.looks.load(Ordering::Acquire);
        let mut looked = self.schema.lock().await;
        let waited = before != self.looks.load(Ordering::Acquire);
        if let (true, Some(failure)) = (waited, &looked.failure) {
            return Err(failure.clone());
        }
        let schema = match &looked.schema {
            Some(schema) if schema.is_complete() || !is_over(looked.at, now) => Arc::clone(schema),
            Some(_) | None => self.look(&mut looked, now).await?,
        };
        let problem = schema.problem(&self.wanted, &looked.known);
        Ok(View { schema, problem })
    }

    async fn look(&self, looked: &mut Looked, now: Option<Timestamp>) -> Result<Arc<Schema>, DirectoryError> {
        let (engine, source) = (self.engine()?, self.source()?);
        let result = Schema::look(engine, source, &self.wanted).await;
        self.looks.fetch_add(1, Ordering::AcqRel);
        match result {
            Ok(schema) => {
                let schema = Arc::new(schema);
                for table in schema.tables() {
                    looked.known[table.index] = true;
                }
                *looked = Looked {
                    schema: Some(Arc::clone(&schema)),
                    at: now,
                    failure: None,
                    known: std::mem::take(&mut looked.known),
                };
                Ok(schema)
            }
            Err(failure) => {
                let error = DirectoryError::from(failure);
                looked.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Passes an answer on; where a table or column is gone, the next question looks for the tables anew.
    async fn heed<T>(&self, answer: Result<T, QueryFailure>) -> Result<T, DirectoryError> {
        if matches!(&answer, Err(QueryFailure { kind: FailureKind::Missing, .. })) {
            self.schema.lock().await.schema = None;
        }
        answer.map_err(DirectoryError::from)
    }

    fn source(&self) -> Result<&DatabaseSource, DirectoryError> {
        self.config
            .source
            .as_ref()
            .ok_or_else(|| DirectoryError::Misconfigured("no database is configured".to_owned()))
    }

    fn engine(&self) -> Result<&Engine, DirectoryError> {
        let source = self.source()?;
        let DirectoryConfig { max_connections, timeout, .. } = self.config;
        Ok(self.engine.get_or_init(|| Engine::open(source, max_connections, timeout)))
    }
}

/// Whether it is time to repeat a look that missed a table. A caller without a clock never repeats it.
fn is_over(looked_at: Option<Timestamp>, now: Option<Timestamp>) -> bool {
    match (looked_at, now) {
        (Some(at), Some(now)) => at.is_older_than(INCOMPLETE_SCHEMA_FOR, now),
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Directory with {} entries and {:?}", self.entries.len(), self.config.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_send(_: impl Send) {}

    #[test]
    fn every_question_can_be_asked_from_a_task() {
        fn all(
            directory: &Directory,
            id: &AvatarId,
            connection: &Connection,
            address: &crate::model::Address,
        ) {
            assert_send(directory.lookup(id, Timestamp::EPOCH));
            assert_send(directory.read(id, Timestamp::EPOCH));
            assert_send(directory.existing(&[]));
            assert_send(directory.token_ends(&[], Timestamp::EPOCH));
            assert_send(directory.write_back(connection, address));
            assert_send(directory.check());
            assert_send(directory.page(None, 1));
            assert_send(directory.count());
        }
        let _: fn(&Directory, &AvatarId, &Connection, &crate::model::Address) = all;
    }
}
