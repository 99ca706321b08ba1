//! [`Db`]: an empty database for one test.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use avatar_proxy::clock::Timestamp;
use avatar_proxy::directory::{ConnectionWritten, Directory, DirectoryError, DirectoryWritten, Lookup};
use avatar_proxy::model::{AvatarId, Connection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _};

use crate::support::{mariadb, pgbouncer, postgres};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    PgBouncer,
    MariaDb,
    Sqlite,
}

pub(crate) struct Db {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    folder: tempfile::TempDir,
}

impl Db {
    pub(crate) async fn new(kind: Kind) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let db = Self { kind, name, folder: tempfile::tempdir().unwrap() };
        match kind {
            Kind::Postgres | Kind::PgBouncer => {
                db.admin("postgres", &format!("CREATE DATABASE {}", db.name)).await
            }
            Kind::MariaDb => db.admin("mysql", &format!("CREATE DATABASE {}", db.name)).await,
            Kind::Sqlite => {
                let path = db.folder.path().join("dev.db");
                std::fs::File::create(path).unwrap();
            }
        }
        db
    }

    /// As it would stand in `DATABASE_URL`.
    pub(crate) fn url(&self) -> String {
        match self.kind {
            Kind::Postgres => format!("postgresql://postgres@127.0.0.1:{}/{}", postgres::port(), self.name),
            Kind::PgBouncer => {
                format!("postgresql://postgres@127.0.0.1:{}/{}?pgbouncer=true", pgbouncer::port(), self.name)
            }
            Kind::MariaDb => format!("mysql://root@127.0.0.1:{}/{}", mariadb::port(), self.name),
            Kind::Sqlite => format!("file:{}", self.folder.path().join("dev.db").display()),
        }
    }

    /// The same database for a role that may only read.
    pub(crate) async fn read_only_url(&self) -> String {
        match self.kind {
            Kind::Postgres | Kind::PgBouncer => {
                self.sql(
                    "DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN \
                     END $$; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
                )
                .await;
                self.url().replace("postgres@", "reader@")
            }
            Kind::MariaDb => {
                let grant = "CREATE USER IF NOT EXISTS reader@'127.0.0.1', reader@localhost";
                self.sql(grant).await;
                self.sql(&format!(
                    "GRANT SELECT ON {0}.* TO reader@'127.0.0.1', reader@localhost",
                    self.name
                ))
                .await;
                self.url().replace("root@", "reader@")
            }
            Kind::Sqlite => format!("{}?mode=ro", self.url()),
        }
    }

    /// A name as this database quotes it.
    pub(crate) fn quote(&self, name: &str) -> String {
        match self.kind {
            Kind::MariaDb => format!("`{}`", name.replace('`', "``")),
            Kind::Postgres | Kind::PgBouncer | Kind::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// Runs statements; names are written in double quotes for all.
    pub(crate) async fn sql(&self, statements: &str) {
        let statements =
            if self.kind == Kind::MariaDb { statements.replace('"', "`") } else { statements.to_owned() };
        self.raw(&statements).await;
    }

    /// Runs statements as they are.
    pub(crate) async fn raw(&self, statements: &str) {
        self.admin(&self.name, statements).await;
    }

    async fn admin(&self, database: &str, statements: &str) {
        match self.kind {
            Kind::Postgres | Kind::PgBouncer => {
                let mut admin = self.postgres(database).await;
                sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut admin).await.unwrap();
                admin.close().await.unwrap();
            }
            Kind::MariaDb => {
                let mut admin = self.mariadb(database).await;
                sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut admin).await.unwrap();
                admin.close().await.unwrap();
            }
            Kind::Sqlite => {
                let mut admin = self.sqlite().await;
                sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut admin).await.unwrap();
                admin.close().await.unwrap();
            }
        }
    }

    pub(crate) async fn postgres(&self, database: &str) -> sqlx::PgConnection {
        let options = sqlx::postgres::PgConnectOptions::new().host("127.0.0.1").port(postgres::port());
        options.username("postgres").database(database).connect().await.unwrap()
    }

    pub(crate) async fn mariadb(&self, database: &str) -> sqlx::MySqlConnection {
        let options = sqlx::mysql::MySqlConnectOptions::new().host("127.0.0.1").port(mariadb::port());
        options.username("root").database(database).connect().await.unwrap()
    }

    pub(crate) async fn sqlite(&self) -> sqlx::SqliteConnection {
        let path = self.folder.path().join("dev.db");
        sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await.unwrap()
    }

    /// What the statement selects, as text, in one connection of its own.
    pub(crate) async fn text(&self, select: &str) -> Option<String> {
        let select = AssertSqlSafe(if self.kind == Kind::MariaDb {
            select.replace('"', "`")
        } else {
            select.to_owned()
        });
        match self.kind {
            Kind::Postgres | Kind::PgBouncer => {
                sqlx::query_scalar(select).fetch_one(&mut self.postgres(&self.name).await).await.unwrap()
            }
            Kind::MariaDb => {
                sqlx::query_scalar(select).fetch_one(&mut self.mariadb(&self.name).await).await.unwrap()
            }
            Kind::Sqlite => sqlx::query_scalar(select).fetch_one(&mut self.sqlite().await).await.unwrap(),
        }
    }

    pub(crate) fn directory(&self, tables: &str) -> Directory {
        directory(&self.url(), "", tables)
    }
}

/// A directory over that database; `change` overrides keys of `[directory]`, `tables` are `[[table]]` blocks.
pub(crate) fn directory(url: &str, change: &str, tables: &str) -> Directory {
    try_directory(url, change, tables, &[]).unwrap()
}

pub(crate) fn try_directory(
    url: &str,
    change: &str,
    tables: &str,
    connections: &[&str],
) -> Result<Directory, DirectoryError> {
    let mut table: toml::Table = toml::from_str(
        "max_connections = 4\ncache_for = '60s'\ntimeout = '5s'\nsweep = '24h'\nwrite_back = true",
    )
    .unwrap();
    table.insert("url".to_owned(), url.into());
    table.extend(toml::from_str::<toml::Table>(change).unwrap());
    table.extend(toml::from_str::<toml::Table>(tables).unwrap());
    let written: DirectoryWritten = table.try_into().unwrap();
    let connections = connections
        .iter()
        .map(|text| toml::from_str::<ConnectionWritten>(text).unwrap().try_into().unwrap())
        .collect();
    Directory::new(written.try_into().unwrap(), connections, Duration::from_secs(60))
}

pub(crate) fn id(text: &str) -> AvatarId {
    AvatarId::parse(text).unwrap()
}

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

#[track_caller]
pub(crate) fn found(lookup: Result<Lookup, DirectoryError>) -> Connection {
    match lookup {
        Ok(Lookup::Found(row)) => row.connection.clone(),
        other => panic!("not found: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn assert_unknown(lookup: Result<Lookup, DirectoryError>) {
    assert!(matches!(lookup, Ok(Lookup::Unknown)), "{lookup:?}");
}

/// What this thread logs from here on; a `#[tokio::test]` runs on one thread.
pub(crate) struct Log {
    written: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    pub(crate) fn begin() -> Self {
        let written = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(Writer(Arc::clone(&written)))
            .finish();
        Self { written, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// All of it so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }

    /// One warning, which names the table; and nothing signed in anything that was said, by us or by a driver.
    #[track_caller]
    pub(crate) fn assert_one_warning(&self, table: &str) {
        let log = self.text();
        assert_eq!(log.matches("WARN").count(), 1, "{log}");
        assert!(log.contains(table) && !log.contains("https://") && !log.contains("SIGNED"), "{log}");
    }
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Writer {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Makes each function a test on each of the four.
macro_rules! on_all_four {
    ($($name:ident),* $(,)?) => {$(
        pub(crate) mod $name {
            use crate::directory::database::{Db, Kind};
            #[tokio::test]
            async fn on_postgres() {
                super::$name(Db::new(Kind::Postgres).await).await;
            }
            #[tokio::test]
            async fn through_pgbouncer() {
                super::$name(Db::new(Kind::PgBouncer).await).await;
            }
            #[tokio::test]
            async fn on_mariadb() {
                super::$name(Db::new(Kind::MariaDb).await).await;
            }
            #[tokio::test]
            pub(crate) async fn on_sqlite() {
                super::$name(Db::new(Kind::Sqlite).await).await;
            }
        }
    )*};
}
pub(crate) use on_all_four;
