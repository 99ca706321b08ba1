//! [`World`]: the dashboard's database, the pictures and the configuration.

use std::path::PathBuf;
use std::time::Duration;

use avatar_proxy::model::Secret;
use avatar_proxy::model::token::{TokensConfig, TokensWritten};
use graphsim::pictures;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use tempfile::TempDir;

use crate::plan::{Limits, RETRY_MAX, RETRY_MIN, ROWS_FRESH_FOR};

const TOKENS: &str = "keys = [\"sha256:the dashboard of the measurement\"]\nformat = \"auto\"";
/// Different pictures; more would measure nothing else.
const PICTURES: u32 = 64;
/// In pixels: 2 to 4 KiB each, as Facebook's smallest are.
const SIDE: u32 = 96;

/// All that lies on disk.
pub(crate) struct World {
    folder: TempDir,
    pub(crate) pictures: Vec<bytes::Bytes>,
}

/// The id under which an avatar is viewed.
pub(crate) fn id(avatar: u32) -> String {
    format!("page-{avatar:06}")
}

impl World {
    pub(crate) fn new(avatars: u32) -> Self {
        let folder = TempDir::with_prefix("avatar-proxy-storm-").expect("a folder");
        let pictures = (0..PICTURES).map(|seed| pictures::jpeg(seed, SIDE).bytes).collect();
        let world = Self { folder, pictures };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(world.connect(avatars)).expect("the dashboard's database");
        world
    }

    /// The one that belongs to an avatar.
    pub(crate) fn picture(&self, avatar: u32) -> &bytes::Bytes {
        &self.pictures[(avatar % PICTURES) as usize]
    }

    /// As many pages as avatars, each with a sealed token.
    async fn connect(&self, avatars: u32) -> Result<(), sqlx::Error> {
        let options = SqliteConnectOptions::new().filename(self.database()).create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal);
        let mut database = SqliteConnection::connect_with(&options).await?;
        let mut all = database.begin().await?;
        let table = "CREATE TABLE \"PageConnection\" (\"id\" TEXT PRIMARY KEY, \"pageId\" TEXT NOT NULL, \
                     \"pageName\" TEXT, \"pageAccessTokenEnc\" TEXT NOT NULL, \"profilePictureUrl\" TEXT)";
        sqlx::query(table).execute(&mut *all).await?;
        let token = sealed();
        for avatar in 0..avatars {
            let row = sqlx::query("INSERT INTO \"PageConnection\" VALUES (?, ?, ?, ?, NULL)");
            let row = row.bind(id(avatar)).bind(avatar.to_string()).bind(format!("Page {avatar}"));
            row.bind(&token).execute(&mut *all).await?;
        }
        all.commit().await?;
        database.close().await
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("dashboard.db")
    }

    /// Where the server writes its log.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Where a server of that name keeps its pictures.
    fn pictures_of(&self, server: &str) -> PathBuf {
        self.folder.path().join(format!("{server}.db"))
    }

    /// What one server has kept another one has from the beginning. Neither may run.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        std::fs::copy(self.pictures_of(from), self.pictures_of(to)).expect("copied");
    }

    /// Writes a server's configuration: config.toml but for the bounds and the times of the measurement.
    pub(crate) fn configure(
        &self,
        server: &str,
        provider: &str,
        limits: &Limits,
        fresh_for: Duration,
    ) -> PathBuf {
        let (folder, pictures) = (self.folder.path().display(), self.pictures_of(server));
        let pictures = pictures.display();
        let Limits { refreshes, calls, per_second, queue, memory } = limits;
        let span = |span: Duration| format!("{}ms", span.as_millis());
        let cache_for = span(ROWS_FRESH_FOR);
        let (fresh_for, retry_min, retry_max) = (span(fresh_for), span(RETRY_MIN), span(RETRY_MAX));
        let text = format!(
            r#"
[server]
listen = "127.0.0.1:0"
[admin]
listen = ""
[directory]
url = "sqlite:{folder}/dashboard.db"
cache_for = "{cache_for}"
[tokens]
{TOKENS}
[disk]
path = "{pictures}"
[memory]
max_bytes = "{memory}B"
[avatar]
fresh_for = "{fresh_for}"
refresh_ahead = 1.0
retry_min = "{retry_min}"
retry_max = "{retry_max}"
max_refreshes = {refreshes}
queue = {queue}
[providers.facebook]
base_url = "{provider}"
hosts = ["127.0.0.1"]
max_calls = {calls}
calls_per_second = {per_second}
[origin]
allow_http = true
allow_private = ["127.0.0.1"]
"#
        );
        let file = self.folder.path().join(format!("{server}.toml"));
        std::fs::write(&file, text).expect("written");
        file
    }
}

fn sealed() -> String {
    let written: TokensWritten = toml::from_str(TOKENS).expect("TOML");
    let keyring = TokensConfig::try_from(written).expect("a key").keyring;
    keyring.seal(&Secret::new("EAAtoken-of-the-measurement")).expect("sealed")
}
