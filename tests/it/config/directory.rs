//! `[directory]`, over a SQLite database with one of the dashboard's tables.

use std::path::Path;

use avatar_proxy::clock::Clock;
use graphsim::Graphsim;
use sqlx::Connection;

use super::providers::sealed;
use super::util::{Database, HOUR, SECOND, inspect, is_about, one, set, timed};
use crate::support::accounts::FACEBOOK;
use crate::support::proxy::Proxy;
use crate::support::wait::{LOOK_EVERY, until};

const TABLE: &str = r#"CREATE TABLE "PageConnection" ("id" TEXT PRIMARY KEY, "pageId" TEXT, "pageAccessTokenEnc" TEXT,
    "profilePictureUrl" TEXT, "pageName" TEXT);"#;

/// The Facebook page as a row.
fn row() -> String {
    format!(
        r#"INSERT INTO "PageConnection" VALUES ('{}', '{}', '{}', NULL, 'Ada Lovelace');"#,
        FACEBOOK.id,
        FACEBOOK.account,
        sealed(FACEBOOK.token, "sha256:k")
    )
}

async fn proxy(sim: &Graphsim, clock: &Clock, database: &Database, extra: &str) -> Proxy {
    let keys = set("tokens.keys", "[\"sha256:k\"]");
    Proxy::start(sim, clock, &(database.url() + &keys + extra)).await
}

#[tokio::test]
async fn ids_are_looked_for_in_the_database_that_is_configured() {
    let (sim, clock) = one(&FACEBOOK).await;
    let database = Database::new(&(TABLE.to_owned() + &row())).await;
    let with = proxy(&sim, &clock, &database, "").await;
    assert_eq!(with.get(&FACEBOOK.path()).await.state(), "fresh");
    let without = Proxy::start(&sim, &clock, &set("directory.url", "\"\"")).await;
    assert_eq!(without.get(&FACEBOOK.path()).await.status, 404);
}

/// How often this process has the file open.
fn opened(path: &Path) -> usize {
    let handles = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    handles.filter(|handle| std::fs::read_link(handle.path()).is_ok_and(|to| to == path)).count()
}

#[tokio::test]
async fn the_database_is_asked_over_as_many_connections_as_are_configured() {
    for (value, most) in [("1", 1), ("3", 3)] {
        let (sim, clock) = one(&FACEBOOK).await;
        let database = Database::new(TABLE).await;
        let proxy = proxy(&sim, &clock, &database, &set("directory.max_connections", value)).await;
        assert_eq!(proxy.get("/avatar/first").await.status, 404);
        // No connection can read now, so that every lookup keeps its connection until `directory.timeout`.
        let mut locked = database.connect().await;
        sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut locked).await.unwrap();
        let views = async {
            let ids = ["/avatar/b", "/avatar/c", "/avatar/d", "/avatar/e", "/avatar/f"];
            futures_util::future::join_all(ids.map(|id| proxy.get(id))).await;
        };
        tokio::pin!(views);
        let mut opened_at_most = 0;
        while tokio::time::timeout(LOOK_EVERY, &mut views).await.is_err() {
            opened_at_most = opened_at_most.max(opened(&database.path()) - 1);
        }
        assert_eq!(opened_at_most, most, "{value}");
        locked.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_row_is_believed_for_as_long_as_is_configured() {
    for (value, forgotten) in [("\"60s\"", false), ("\"10s\"", true)] {
        let (sim, clock) = one(&FACEBOOK).await;
        let database = Database::new(&(TABLE.to_owned() + &row())).await;
        let proxy = proxy(&sim, &clock, &database, &set("directory.cache_for", value)).await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.status, 200);
        database.run(r#"DELETE FROM "PageConnection""#).await;
        clock.advance(SECOND * 30);
        assert_eq!(
            proxy.get(&FACEBOOK.path()).await.status,
            200,
            "{value}: the row is read in the background"
        );
        proxy.idle().await;
        assert_eq!(inspect(&proxy, FACEBOOK.id).await.is_null(), forgotten, "{value}");
    }
}

#[tokio::test]
async fn an_unknown_id_is_believed_for_as_long_as_is_configured() {
    for (value, status) in [("\"60s\"", 404), ("\"10s\"", 200)] {
        let (sim, clock) = one(&FACEBOOK).await;
        let database = Database::new(TABLE).await;
        let proxy = proxy(&sim, &clock, &database, &set("avatar.unknown_for", value)).await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.status, 404);
        database.run(&row()).await;
        clock.advance(SECOND * 30);
        assert_eq!(proxy.get(&FACEBOOK.path()).await.status, status, "{value}");
    }
}

#[tokio::test]
async fn a_database_must_answer_by_the_timeout() {
    let (sim, clock) = one(&FACEBOOK).await;
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("\"postgres://a:b@{}/c\"", silent.local_addr().unwrap());
    for (value, millis) in [("\"100ms\"", 100), ("\"900ms\"", 900)] {
        let extra = set("directory.url", &url) + &set("directory.timeout", value);
        let proxy = Proxy::start(&sim, &clock, &extra).await;
        let (answer, took) = timed(&proxy, &FACEBOOK.path()).await;
        assert_eq!((answer.status, answer.state()), (200, "placeholder"));
        assert!(is_about(took, millis), "{value}: {took:?}");
    }
}

#[tokio::test]
async fn what_is_gone_from_the_database_is_looked_for_as_often_as_is_written() {
    let (sim, clock) = one(&FACEBOOK).await;
    let database = Database::new(&(TABLE.to_owned() + &row())).await;
    let mut proxies = Vec::new();
    for value in ["\"1h\"", "\"3h\"", "\"0s\""] {
        let proxy = proxy(&sim, &clock, &database, &set("directory.sweep", value)).await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.status, 200);
        proxies.push(proxy);
    }
    let [hourly, seldom, never] = proxies.as_slice() else { unreachable!() };
    database.run(r#"DELETE FROM "PageConnection""#).await;
    clock.advance(HOUR);
    until("the first has looked", async || !holds(hourly).await).await;
    assert!(holds(seldom).await);
    clock.advance(HOUR * 2);
    until("the second has looked", async || !holds(seldom).await).await;
    assert!(holds(never).await);
}

#[tokio::test]
async fn a_sweep_that_restarts_put_off_is_made_up_for() {
    let (sim, clock) = one(&FACEBOOK).await;
    let database = Database::new(&(TABLE.to_owned() + &row())).await;
    let sweep = set("directory.sweep", "\"1h\"");
    let extra = format!("{}tokens.keys = [\"sha256:k\"]\n{sweep}", database.url());
    let mut proxy = Proxy::start(&sim, &clock, &extra).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.status, 200);
    database.run(r#"DELETE FROM "PageConnection""#).await;
    for _ in 0..2 {
        clock.advance(HOUR * 2 / 3);
        proxy = Proxy::start_in(&sim, &clock, &extra, proxy.stop().await).await;
    }
    assert!(holds(&proxy).await, "the start is not held up by it");
    clock.advance(SECOND * 30);
    until("the sweep has looked", async || !holds(&proxy).await).await;
}

/// Whether anything of the Facebook page is held.
async fn holds(proxy: &Proxy) -> bool {
    !inspect(proxy, FACEBOOK.id).await.is_null()
}

#[tokio::test]
async fn fresh_addresses_are_saved_where_that_is_configured() {
    for (value, saved) in [("true", true), ("false", false)] {
        let (sim, clock) = one(&FACEBOOK).await;
        let database = Database::new(&(TABLE.to_owned() + &row())).await;
        let proxy = proxy(&sim, &clock, &database, &set("directory.write_back", value)).await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.status, 200);
        proxy.idle().await;
        let stored = database.text(r#"SELECT "profilePictureUrl" FROM "PageConnection""#).await;
        assert_eq!(stored, saved.then(|| sim.handed_out()[0].clone()), "{value}");
    }
}
