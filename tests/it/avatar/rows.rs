//! The whole server over a real database: what it saves in rows, and what it notices there.

use std::time::Duration;

use avatar_proxy::avatar::SweepReport;
use avatar_proxy::clock::Clock;
use avatar_proxy::config::{Config, Environment, Layers};
use avatar_proxy::model::Secret;
use avatar_proxy::model::token::Keyring;

use crate::directory::database::{Db, Kind, on_all_four};
use crate::support::accounts::{ALL, Connected, FACEBOOK, INSTAGRAM, TELEGRAM, small};
use crate::support::client::hash;
use crate::support::proxy::{Proxy, START, stand_in};
use crate::support::wait::until;

pub(super) const KEY: &str = "sha256:the dashboard's pass phrase";
const MINUTE: Duration = Duration::from_secs(61);

pub(super) const TABLES: &str = r#"
CREATE TABLE "InstagramConnection" ("id" varchar(64) PRIMARY KEY, "username" varchar(99), "accessTokenEnc" varchar(999),
    "profilePictureUrl" varchar(999));
CREATE TABLE "PageConnection" ("id" varchar(64) PRIMARY KEY, "pageId" varchar(99), "pageName" varchar(99),
    "pageAccessTokenEnc" varchar(999), "profilePictureUrl" varchar(999));
CREATE TABLE "TelegramConnection" ("id" varchar(64) PRIMARY KEY, "chatId" varchar(99), "username" varchar(99),
    "botTokenEnc" varchar(999), "profilePictureUrl" varchar(999));
"#;

/// Every column of every table.
const COLUMNS: [(&str, &[&str]); 3] = [
    ("InstagramConnection", &["id", "username", "accessTokenEnc", "profilePictureUrl"]),
    ("PageConnection", &["id", "pageId", "pageName", "pageAccessTokenEnc", "profilePictureUrl"]),
    ("TelegramConnection", &["id", "chatId", "username", "botTokenEnc", "profilePictureUrl"]),
];

fn keyring() -> Keyring {
    let keys = ("AVATAR_PROXY__TOKENS__KEYS".into(), format!(r#"["{KEY}"]"#).into());
    let layers = Layers::load(None, &Environment::new([keys]).unwrap()).unwrap();
    Config::tokens(&layers).map(|tokens| tokens.keyring).unwrap()
}

pub(super) fn seal(token: &str) -> String {
    keyring().seal(&Secret::new(token)).unwrap()
}

/// A row as the dashboard would have written it, its token sealed and its picture's address long dead.
fn insert(connected: &Connected, id: &str) -> String {
    let Connected { account, token, provider, .. } = connected;
    let (sealed, dead) = (seal(token), "'https://scontent.example/dead.jpg?oe=5F703F10'");
    match *provider {
        "instagram" => {
            format!(r#"INSERT INTO "InstagramConnection" VALUES ('{id}', 'ada', '{sealed}', {dead});"#)
        }
        "facebook" => {
            format!(
                r#"INSERT INTO "PageConnection" VALUES ('{id}', '{account}', 'Acme', '{sealed}', {dead});"#
            )
        }
        _ => format!(
            r#"INSERT INTO "TelegramConnection" VALUES ('{id}', '{account}', 'bot', '{sealed}', NULL);"#
        ),
    }
}

async fn started(db: &Db) -> (graphsim::Graphsim, Proxy) {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let rows: String = ALL.iter().map(|connected| insert(connected, connected.id)).collect();
    db.sql(&(TABLES.to_owned() + &rows)).await;
    ALL.iter().for_each(|connected| connected.add(&sim, small(1)));
    let settings = format!("[directory]\nurl = '{}'\n[tokens]\nkeys = [\"{KEY}\"]\n", db.url());
    let proxy = Proxy::start(&sim, &clock, &settings).await;
    (sim, proxy)
}

async fn stored(db: &Db, table: &str, column: &str) -> Option<String> {
    db.text(&format!(r#"SELECT "{column}" FROM "{table}""#)).await
}

on_all_four! {
    fresh_addresses_are_saved_and_no_column_ever_holds_a_token,
    a_new_token_in_the_row_ends_the_pause,
    a_deleted_row_becomes_404_and_a_vanished_table_does_not,
}

async fn fresh_addresses_are_saved_and_no_column_ever_holds_a_token(db: Db) {
    let (sim, proxy) = started(&db).await;
    for connected in ALL {
        assert_eq!(proxy.get(&connected.path()).await.hash(), hash(&small(1).bytes), "{}", connected.id);
    }
    for table in ["InstagramConnection", "PageConnection"] {
        until(&format!("the address is saved in {table}"), async || {
            let address = stored(&db, table, "profilePictureUrl").await;
            address.is_some_and(|address| sim.handed_out().contains(&address))
        })
        .await;
    }
    assert_eq!(stored(&db, "TelegramConnection", "profilePictureUrl").await, None);
    for (table, columns) in COLUMNS {
        for column in columns {
            let value = stored(&db, table, column).await.unwrap_or_default();
            for connected in ALL {
                assert!(!value.contains(connected.token), "{table}.{column}");
            }
        }
    }
    // The same look finds what is there.
    assert_eq!(stored(&db, "PageConnection", "pageId").await.as_deref(), Some(FACEBOOK.account));
}

async fn a_new_token_in_the_row_ends_the_pause(db: Db) {
    let (sim, proxy) = started(&db).await;
    proxy.get(&FACEBOOK.path()).await;
    sim.revoke_token(FACEBOOK.account);
    proxy.clock.advance(Duration::from_secs(7 * 3600));
    proxy.get_until(&FACEBOOK.path(), |answer| answer.state() == "last-good").await;
    sim.reset_counters();
    for _ in 0..5 {
        proxy.clock.advance(MINUTE);
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "last-good");
        proxy.settled().await;
    }
    assert_eq!(sim.total_api_calls(), 0, "the provider is not asked with a dead token");
    sim.renew_token(FACEBOOK.account, "EAAthe-new-token");
    db.sql(&format!(r#"UPDATE "PageConnection" SET "pageAccessTokenEnc" = '{}'"#, seal("EAAthe-new-token")))
        .await;
    proxy.clock.advance(MINUTE);
    proxy.get_until(&FACEBOOK.path(), |answer| answer.state() == "fresh").await;
}

async fn a_deleted_row_becomes_404_and_a_vanished_table_does_not(db: Db) {
    let (_sim, proxy) = started(&db).await;
    for connected in [INSTAGRAM, TELEGRAM] {
        assert_eq!(proxy.get(&connected.path()).await.status, 200);
    }
    db.sql(r#"DELETE FROM "InstagramConnection""#).await;
    proxy.clock.advance(MINUTE);
    proxy.get_until(&INSTAGRAM.path(), |answer| answer.status == 404).await;
    let inspected = proxy.admin("GET", &format!("/api/avatars/{}", INSTAGRAM.id)).await;
    assert_eq!(inspected.status, 404);
    db.sql(r#"DROP TABLE "TelegramConnection""#).await;
    for _ in 0..5 {
        proxy.clock.advance(MINUTE);
        assert_eq!(proxy.get(&TELEGRAM.path()).await.hash(), hash(&small(1).bytes));
        proxy.idle().await;
    }
}

#[tokio::test]
pub(crate) async fn the_sweep_deletes_what_nobody_views_and_stops_where_too_much_would_go() {
    let db = Db::new(Kind::Sqlite).await;
    let (_sim, proxy) = started(&db).await;
    for n in 0..10 {
        db.sql(&insert(&FACEBOOK, &format!("page{n}"))).await;
        assert_eq!(proxy.get(&format!("/avatar/page{n}")).await.status, 200);
    }
    db.sql(r#"DELETE FROM "PageConnection" WHERE "id" IN ('page1', 'page2', 'page3')"#).await;
    assert_eq!(proxy.service.jobs().sweep().await, SweepReport::Stopped(3, 10));
    assert_eq!(proxy.get("/avatar/page1").await.status, 200);
    db.sql(&insert(&FACEBOOK, "page1")).await;
    assert_eq!(proxy.service.jobs().sweep().await, SweepReport::Deleted(2, 10));
    for (id, status) in [("page2", 404), ("page3", 404), ("page1", 200)] {
        assert_eq!(proxy.admin("GET", &format!("/api/avatars/{id}")).await.status, status, "{id}");
    }
    db.sql(r#"DROP TABLE "PageConnection""#).await;
    assert_eq!(proxy.service.jobs().sweep().await, SweepReport::Failed);
    assert_eq!(proxy.get("/avatar/page1").await.status, 200);
}

#[tokio::test]
async fn an_id_in_two_tables_is_a_placeholder_and_never_a_guess() {
    let db = Db::new(Kind::Sqlite).await;
    let (sim, proxy) = started(&db).await;
    db.sql(&(insert(&FACEBOOK, "twice") + &insert(&INSTAGRAM, "twice"))).await;
    assert_eq!(proxy.get("/avatar/twice").await.state(), "placeholder");
    assert_eq!(sim.total_api_calls(), 0);
}
