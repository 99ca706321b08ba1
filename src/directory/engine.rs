//! [`Engine`]: the connections to the database, and the only file that runs a query.

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{
    Acquire, AssertSqlSafe, Column as _, Database, Decode, Either, Encode, Executor, MySql, Postgres, Row,
    Sqlite, Type,
};

use super::dialect::Dialect;
use super::error::QueryFailure;
use super::url::{DatabaseSource, PostgresSource};
use crate::clock::Stopwatch;

/// A database. Connections are opened on demand.
pub(super) struct Engine {
    pool: Pool,
    timeout: Duration,
}

enum Pool {
    Postgres { pool: sqlx::PgPool, bouncer: bool, persistent: bool },
    MySql(sqlx::MySqlPool),
    Sqlite(sqlx::SqlitePool),
}

/// The result of a statement; every value is text.
#[derive(Debug, Default)]
pub(super) struct QueryOutcome {
    pub(super) rows: Vec<Vec<Option<String>>>,
    pub(super) changed: u64,
}

/// Whether the server keeps the statement prepared. The few statements with a fixed text are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Prepared,
    Once,
}

/// A connection that is closed unless its query completed.
///
/// sqlx would return it to the pool and wait there for the rest of the answer: a server that hangs would occupy every place
/// in the pool until TCP gives up. So a timeout, an error and a caller that leaves all close it.
struct Held<DB: Database>(Option<PoolConnection<DB>>);

impl<DB: Database> Drop for Held<DB> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// Collects the result of a query on a connection. A macro, since no trait of sqlx has `rows_affected`.
macro_rules! collect {
    ($connection:expr, $query:expr) => {{
        let mut answer = QueryOutcome::default();
        let mut steps = (&mut *$connection).fetch_many($query);
        let result = loop {
            match steps.try_next().await {
                Ok(Some(Either::Left(done))) => answer.changed += done.rows_affected(),
                Ok(Some(Either::Right(row))) => match texts(&row) {
                    Ok(texts) => answer.rows.push(texts),
                    Err(error) => break Err(error),
                },
                Ok(None) => break Ok(answer),
                Err(error) => break Err(error),
            }
        };
        drop(steps);
        result
    }};
}

/// Acquires a connection and runs the query on it, both within one deadline.
macro_rules! within {
    ($self:expr, $pool:expr, |$connection:ident| $work:expr) => {{
        let watch = Stopwatch::start();
        let mut held = Held(Some($pool.acquire().await?));
        let left = $self.timeout.saturating_sub(watch.elapsed());
        let work = async {
            match held.0.as_mut() {
                Some(held) => {
                    let $connection = &mut **held;
                    $work
                }
                None => Err(sqlx::Error::PoolClosed),
            }
        };
        let result = tokio::time::timeout(left, work).await;
        match result {
            Ok(Ok(answer)) => {
                drop(held.0.take());
                Ok(answer)
            }
            Ok(Err(error)) => {
                // The server answered, so the connection can be used again.
                if matches!(error, sqlx::Error::Database(_)) {
                    drop(held.0.take());
                }
                Err(QueryFailure::from(error))
            }
            Err(_) => Err(QueryFailure::timed_out($self.timeout)),
        }
    }};
}

impl Engine {
    /// Must be called within a Tokio runtime: sqlx starts the pool's maintenance there.
    pub(super) fn open(source: &DatabaseSource, max_connections: u32, timeout: Duration) -> Self {
        let pool = match source {
            DatabaseSource::Postgres(source) => Pool::Postgres {
                pool: pool(max_connections, timeout).connect_lazy_with(source.options()),
                bouncer: source.bouncer,
                persistent: source.persistent(),
            },
            DatabaseSource::MySql(source) => {
                Pool::MySql(pool(max_connections, timeout).connect_lazy_with(source.options()))
            }
            DatabaseSource::Sqlite(source) => {
                Pool::Sqlite(pool(max_connections, timeout).connect_lazy_with(source.options(timeout)))
            }
        };
        Self { pool, timeout }
    }

    /// Runs one statement.
    pub(super) async fn run(
        &self,
        sql: &str,
        values: &[&str],
        keep: Keep,
    ) -> Result<QueryOutcome, QueryFailure> {
        match &self.pool {
            Pool::Postgres { pool, bouncer: false, persistent } => {
                let keep = *persistent && keep == Keep::Prepared;
                within!(self, pool, |connection| collect!(connection, query::<Postgres>(sql, values, keep)))
            }
            Pool::Postgres { pool, bouncer: true, .. } => within!(self, pool, |connection| {
                // pgbouncer may give each transaction another server connection, and Parse and Bind are two round trips:
                // the unnamed statement must be parsed and run inside one transaction.
                let mut transaction = connection.begin().await?;
                match collect!(transaction, query::<Postgres>(sql, values, false)) {
                    Ok(answer) => transaction.commit().await.map(|()| answer),
                    Err(error) => {
                        transaction.rollback().await?;
                        Err(error)
                    }
                }
            }),
            Pool::MySql(pool) => within!(self, pool, |connection| collect!(
                connection,
                query::<MySql>(sql, values, keep == Keep::Prepared)
            )),
            Pool::Sqlite(pool) => within!(self, pool, |connection| collect!(
                connection,
                query::<Sqlite>(sql, values, keep == Keep::Prepared)
            )),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self.pool {
            Pool::Postgres { .. } => Dialect::Postgres,
            Pool::MySql(_) => Dialect::MySql,
            Pool::Sqlite(_) => Dialect::Sqlite,
        }
    }
}

impl PostgresSource {
    /// Whether the server may keep prepared statements by name.
    fn persistent(&self) -> bool {
        !self.bouncer && self.statement_cache_size > 0
    }
}

fn pool<DB: Database>(max_connections: u32, timeout: Duration) -> PoolOptions<DB> {
    PoolOptions::new().max_connections(max_connections).acquire_timeout(timeout)
}

/// SECURITY: `sql` consists of fixed text, numbered parameters and names that `Dialect::quote` has quoted; every value is
/// bound.
fn query<'q, DB>(
    sql: &str,
    values: &[&str],
    persistent: bool,
) -> sqlx::query::Query<'q, DB, <DB as Database>::Arguments>
where
    DB: Database + sqlx::database::HasStatementCache,
    String: Encode<'q, DB> + Type<DB> + 'q,
{
    let mut query = sqlx::query::<DB>(AssertSqlSafe(sql.to_owned())).persistent(persistent);
    for value in values {
        query = query.bind((*value).to_owned());
    }
    query
}

/// Unchecked, since every statement here selects text alone: the drivers need not look the types up.
fn texts<R>(row: &R) -> Result<Vec<Option<String>>, sqlx::Error>
where
    R: Row,
    usize: sqlx::ColumnIndex<R>,
    String: for<'r> Decode<'r, R::Database> + Type<R::Database>,
{
    row.columns().iter().map(|column| row.try_get_unchecked::<Option<String>, _>(column.ordinal())).collect()
}
