//! One key at a time, and what the tests of all sections look at.

use std::time::Duration;

use avatar_proxy::clock::{Clock, Stopwatch};
use bytes::{BufMut, BytesMut};
use graphsim::{Account, Graphsim, Kind, PictureFile};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};

use crate::support::accounts::{Connected, FACEBOOK, small};
use crate::support::client::Answer;
use crate::support::proxy::{Proxy, START, stand_in};
use crate::support::wait::until;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// One key, set. It must stand before every block.
pub(super) fn set(key: &str, value: &str) -> String {
    format!("{key} = {value}\n")
}

/// A stand-in in which one account has a picture, and the clock of both.
pub(super) async fn one(connected: &Connected) -> (Graphsim, Clock) {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    connected.add(&sim, small(1));
    (sim, clock)
}

/// A proxy that knows the Facebook page.
pub(super) async fn facebook(sim: &Graphsim, clock: &Clock, extra: &str) -> Proxy {
    Proxy::start(sim, clock, &(extra.to_owned() + &FACEBOOK.entry(""))).await
}

/// An answer and how long it took.
pub(super) async fn timed(proxy: &Proxy, target: &str) -> (Answer, Duration) {
    let watch = Stopwatch::start();
    let answer = proxy.get(target).await;
    (answer, watch.elapsed())
}

/// How a provider was called for two views at one time.
pub(super) struct Calls {
    /// The most calls that it answered at the same time.
    pub(super) at_once: usize,
    /// When the second call came, after the views began.
    pub(super) second_after: Duration,
}

impl Calls {
    /// Those for these two views.
    pub(super) async fn of(sim: &Graphsim, proxy: &Proxy, targets: [&str; 2]) -> Self {
        let watch = Stopwatch::start();
        let second = async {
            until("the second call", async || sim.request_lines().len() >= 2).await;
            watch.elapsed()
        };
        let (_, _, second_after) = tokio::join!(proxy.get(targets[0]), proxy.get(targets[1]), second);
        Self { at_once: sim.most_at_once_of_all(), second_after }
    }
}

/// The first answer for the Facebook page, with one key set so.
pub(super) async fn first(sim: &Graphsim, clock: &Clock, extra: &str) -> Answer {
    facebook(sim, clock, extra).await.get(&FACEBOOK.path()).await
}

/// What the admin API says of an avatar; null if nothing is held.
pub(super) async fn inspect(proxy: &Proxy, id: &str) -> serde_json::Value {
    let answer = proxy.admin("GET", &format!("/api/avatars/{id}")).await;
    match answer.status {
        200 => serde_json::from_slice(&answer.body).unwrap(),
        _ => serde_json::Value::Null,
    }
}

/// Another page, `page-<n>`, with a picture; its `[[connection]]`.
pub(super) fn page(sim: &Graphsim, n: u32, picture: PictureFile) -> String {
    let (account, token) = (format!("2045000000000{n:02}"), format!("EAAtoken-of-page-{n}"));
    sim.add(Account::new(Kind::Facebook, &account, &token, picture));
    format!(
        "[[connection]]\nid = \"page-{n}\"\nprovider = \"facebook\"\naccount = \"{account}\"\n\
         token = \"plain:{token}\"\n"
    )
}

/// A PNG of that many bytes, by its signature, its header and its end.
pub(super) fn heavy(length: usize) -> PictureFile {
    let mut bytes = BytesMut::new();
    bytes.put_slice(b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\x40\0\0\0\x40\x08\x02\0\0\0\0\0\0\0");
    bytes.resize(length - 12, 0x55);
    bytes.put_slice(b"\0\0\0\0IEND\xAE\x42\x60\x82");
    PictureFile { bytes: bytes.freeze(), extension: "png" }
}

/// Whether something took about that many milliseconds. The slack is for a machine that is busy with the other tests.
pub(super) fn is_about(span: Duration, millis: u64) -> bool {
    (Duration::from_millis(millis)..Duration::from_millis(millis + 750)).contains(&span)
}

/// A SQLite database in a folder of its own.
pub(super) struct Database {
    folder: tempfile::TempDir,
}

impl Database {
    /// One in which these statements were run.
    pub(super) async fn new(statements: &str) -> Self {
        let database = Self { folder: tempfile::tempdir().unwrap() };
        database.run(statements).await;
        database
    }

    pub(super) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("dashboard.db")
    }

    /// `directory.url`, set.
    pub(super) fn url(&self) -> String {
        set("directory.url", &format!("\"sqlite:{}\"", self.path().display()))
    }

    pub(super) async fn connect(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.path()).create_if_missing(true).connect().await.unwrap()
    }

    pub(super) async fn run(&self, statements: &str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// What the statement selects.
    pub(super) async fn text(&self, select: &str) -> Option<String> {
        let mut connection = self.connect().await;
        sqlx::query_scalar(AssertSqlSafe(select.to_owned())).fetch_one(&mut connection).await.unwrap()
    }
}
