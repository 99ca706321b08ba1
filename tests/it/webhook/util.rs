//! What the tests of this folder share: a dashboard with one row, a stand-in, and a receiver.

use std::sync::Arc;
use std::time::Duration;

use avatar_proxy::clock::Clock;
use avatar_proxy::config::{Config, Environment, Layers};
use avatar_proxy::model::Secret;
use avatar_proxy::model::token::Keyring;
use graphsim::Graphsim;
use serde_json::Value;
use tempfile::TempDir;

use crate::directory::database::{Db, Kind};
use crate::support::accounts::{FACEBOOK, small};
use crate::support::proxy::{Proxy, START, merged, stand_in};
pub(super) use crate::support::wait::until;
use crate::support::webhooks::Webhooks;

pub(super) const KEY: &str = "sha256:the dashboard's pass phrase";
pub(super) const MINUTE: Duration = Duration::from_secs(61);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// Later than a picture is fresh.
pub(super) const STALE: Duration = Duration::from_secs(6 * 3600 + 1);

/// A dashboard with a Facebook page that has a picture.
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) sim: Graphsim,
    pub(super) db: Db,
    pub(super) receiver: Webhooks,
}

pub(super) async fn world() -> World {
    world_at(Clock::manual(START)).await
}

pub(super) async fn world_at(clock: Clock) -> World {
    let (sim, db) = (stand_in(&clock).await, Db::new(Kind::Sqlite).await);
    FACEBOOK.add(&sim, small(1));
    let table = r#"CREATE TABLE "PageConnection" ("id" varchar(64) PRIMARY KEY, "pageId" varchar(99),
        "pageName" varchar(99), "pageAccessTokenEnc" varchar(999), "profilePictureUrl" varchar(999));"#;
    db.sql(table).await;
    let world = World { receiver: Webhooks::start(&clock), clock, sim, db };
    world.connect(FACEBOOK.id, FACEBOOK.account, FACEBOOK.token).await;
    world
}

impl World {
    /// The dashboard writes a row.
    pub(super) async fn connect(&self, id: &str, account: &str, token: &str) {
        let sealed = keyring().seal(&Secret::new(token)).unwrap();
        self.db
            .sql(&format!(
                r#"INSERT INTO "PageConnection" VALUES ('{id}', '{account}', 'Acme', '{sealed}', NULL);"#
            ))
            .await;
    }

    /// The owner logs in again, and the dashboard writes the new token.
    pub(super) async fn reconnect(&self, token: &str) {
        self.sim.renew_token(FACEBOOK.account, token);
        let sealed = keyring().seal(&Secret::new(token)).unwrap();
        self.db.sql(&format!(r#"UPDATE "PageConnection" SET "pageAccessTokenEnc" = '{sealed}'"#)).await;
    }

    pub(super) fn settings(&self) -> String {
        let directory = format!("[directory]\nurl = '{}'\nwrite_back = false\n", self.db.url());
        format!("{directory}[tokens]\nkeys = [\"{KEY}\"]\n{}", self.receiver.settings())
    }

    pub(super) async fn proxy(&self, extra: &str) -> Proxy {
        Proxy::start(&self.sim, &self.clock, &merged(&self.settings(), extra)).await
    }

    pub(super) async fn proxy_in(&self, folder: Arc<TempDir>, extra: &str) -> Proxy {
        Proxy::start_in(&self.sim, &self.clock, &merged(&self.settings(), extra), folder).await
    }
}

fn keyring() -> Keyring {
    let keys = ("AVATAR_PROXY__TOKENS__KEYS".into(), format!(r#"["{KEY}"]"#).into());
    let layers = Layers::load(None, &Environment::new([keys]).unwrap()).unwrap();
    Config::tokens(&layers).map(|tokens| tokens.keyring).unwrap()
}

/// The dashboard, and a proxy that has shown the page's picture.
pub(super) async fn viewed() -> (World, Proxy) {
    let world = world().await;
    let proxy = world.proxy("").await;
    view(&proxy).await;
    (world, proxy)
}

/// Views the page's avatar, and waits until what that began has ended.
pub(super) async fn view(proxy: &Proxy) {
    proxy.get(&FACEBOOK.path()).await;
    proxy.settled().await;
}

/// Waits until nothing waits to be sent: a message that is under way while the clock moves on by hours arrives with a
/// signature that is too old.
pub(super) async fn all_sent(proxy: &Proxy) {
    until("nothing waits to be sent", async || status(proxy).await["waiting"] == 0).await;
}

/// The page gets another picture, which is seen here.
pub(super) async fn change(world: &World, proxy: &Proxy, seed: u32) {
    world.sim.set_picture(FACEBOOK.account, Some(small(seed)));
    proxy.admin("POST", &format!("/api/avatars/{}/refresh", FACEBOOK.id)).await;
    // Two things that happen to one avatar happen at two times.
    world.clock.advance(Duration::from_secs(1));
}

/// Returns when the sender has acted once on what it knows now. It numbers each event as soon as it wakes, and looks at
/// the clock between two of them: here one is numbered, then another. Both stay in the outbox, and the clock moves on by
/// two seconds.
pub(super) async fn sender_has_looked(world: &World, proxy: &Proxy) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(proxy.disk_file());
    let mut file = sqlx::ConnectOptions::connect(&options).await.unwrap();
    for _ in 0..2 {
        // Another picture than every test has by itself.
        let seed = 1000 + u32::try_from(world.clock.now().as_secs() % 1000).unwrap();
        change(world, proxy, seed).await;
        until("the event has its number", async || {
            let sql = "SELECT COUNT(*) FROM event WHERE sequence IS NULL";
            sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut file).await.unwrap() == 0
        })
        .await;
    }
    sqlx::Connection::close(file).await.unwrap();
}

/// What `GET /api/events` says.
pub(super) async fn status(proxy: &Proxy) -> Value {
    serde_json::from_slice(&proxy.admin("GET", "/api/events").await.body).expect("JSON")
}

/// Waits until `count` attempts were made and the proxy knows how they ended: its next pause counts from before the
/// test moves the clock.
pub(super) async fn tried(world: &World, proxy: &Proxy, count: usize) {
    let attempts = world.receiver.tried(count).await.len();
    until("the proxy knows how its attempts ended", async || {
        let status = status(proxy).await;
        let ended = status["retried"].as_u64().unwrap() + status["delivered"].as_u64().unwrap();
        ended >= attempts as u64
    })
    .await;
}
