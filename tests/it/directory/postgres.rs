//! What concerns single databases: schemas, query plans, pgbouncer's pool of two, servers that are away or hang.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use avatar_proxy::directory::{DirectoryError, WriteBack};
use avatar_proxy::model::Address;
use sqlx::{AssertSqlSafe, Row};

use super::database::{Db, Kind, Log, NOW, assert_unknown, directory, found, id};
use crate::support::pgbouncer;
use crate::support::server::free_port;
use crate::support::wait::until_some;

#[tokio::test]
async fn only_the_schema_of_the_url_is_looked_at() {
    for kind in [Kind::Postgres, Kind::PgBouncer] {
        let db = Db::new(kind).await;
        let table =
            r#"("id" text PRIMARY KEY, "username" text, "accessTokenEnc" text, "profilePictureUrl" text)"#;
        db.sql(&format!(
            r#"CREATE SCHEMA "ten""ant"; CREATE TABLE "ten""ant"."InstagramConnection" {table};
               CREATE TABLE "InstagramConnection" {table};
               INSERT INTO "ten""ant"."InstagramConnection" VALUES ('a', 'tenant', 't', NULL);
               INSERT INTO "InstagramConnection" VALUES ('a', 'public', 'p', NULL), ('b', 'public', 'p', NULL)"#
        ))
        .await;
        let mark = if kind == Kind::PgBouncer { '&' } else { '?' };
        let tenant = directory(&format!("{}{mark}schema=ten%22ant", db.url()), "", "");
        let connection = found(tenant.lookup(&id("a"), NOW).await);
        assert_eq!(connection.name.as_deref(), Some("tenant"));
        assert_unknown(tenant.lookup(&id("b"), NOW).await);
        let address = Address::parse("https://cdn.example/a.jpg").unwrap();
        assert_eq!(tenant.write_back(&connection, &address).await.unwrap(), WriteBack::Saved);
        let public = r#"SELECT "profilePictureUrl" FROM "InstagramConnection" WHERE "id" = 'a'"#;
        assert_eq!(db.text(public).await, None);
        assert_eq!(found(db.directory("").lookup(&id("a"), NOW).await).name.as_deref(), Some("public"));
    }
}

#[tokio::test]
async fn the_index_serves_ids_of_every_type() {
    let db = Db::new(Kind::Postgres).await;
    let uuid = "00000000-0000-4000-8000-000000000007";
    for (kind, value, asked) in [
        ("text", "'x' || n", "x7"),
        ("varchar(64)", "'x' || n", "x7"),
        ("char(12)", "'x' || n", "x7"),
        ("uuid", "('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid", uuid),
        ("integer", "n", "7"),
        ("bigint", "n", "7"),
    ] {
        db.sql(&format!(
            "DROP TABLE IF EXISTS pages; CREATE TABLE pages (id {kind} PRIMARY KEY, token text);
             INSERT INTO pages SELECT {value}, 't' FROM generate_series(1, 20000) AS n; ANALYZE pages"
        ))
        .await;
        let directory =
            db.directory("[[table]]\nprovider = 'facebook'\ntable = 'pages'\nid = 'id'\ntoken = 'token'");
        let before = sequential_scans(&db).await;
        for _ in 0..10 {
            found(directory.read(&id(asked), NOW).await);
        }
        assert_eq!(directory.existing(&[id(asked), id("gone")]).await.unwrap().len(), 1);
        drop(directory);
        let after = settled(&db, before).await;
        // The scan that built the index may be counted late; eleven lookups without it would be eleven.
        assert!(after.0 <= before.0 + 1, "{kind}: {before:?} {after:?} sequential scans");
    }
}

/// What the server itself counted: sequential and index scans of the table.
async fn sequential_scans(db: &Db) -> (i64, i64) {
    let mut connection = db.postgres(&db.name).await;
    let sql = "SELECT coalesce(seq_scan, 0), coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'pages'";
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
    (row.get(0), row.get(1))
}

/// A backend reports its counts when it ends, at the latest.
async fn settled(db: &Db, before: (i64, i64)) -> (i64, i64) {
    until_some("ten index scans more", async || {
        Some(sequential_scans(db).await).filter(|counts| counts.1 >= before.1 + 10)
    })
    .await
}

#[tokio::test]
async fn fifty_lookups_at_once_share_pgbouncers_two_connections_and_each_gets_its_own_row() {
    let db = Db::new(Kind::PgBouncer).await;
    db.sql(
        r#"CREATE TABLE "InstagramConnection" ("id" text PRIMARY KEY, "username" text, "accessTokenEnc" text,
               "profilePictureUrl" text);
           CREATE TABLE "PageConnection" ("id" text PRIMARY KEY, "pageId" text, "pageName" text,
               "pageAccessTokenEnc" text, "profilePictureUrl" text);
           INSERT INTO "InstagramConnection" SELECT 'ig' || n, 'name' || n, 'token' || n, NULL
               FROM generate_series(0, 49) AS n;
           INSERT INTO "PageConnection" SELECT 'fb' || n, n, 'page' || n, 'sealed' || n, NULL
               FROM generate_series(0, 49) AS n"#,
    )
    .await;
    for connections in [4, 50] {
        let directory =
            Arc::new(directory(&db.url(), &format!("max_connections = {connections}\ntimeout = '20s'"), ""));
        for round in 0..5 {
            let lookups = (0..50).map(|n| {
                let directory = Arc::clone(&directory);
                async move {
                    let (kind, name, token) =
                        if (n + round) % 2 == 0 { ("ig", "name", "token") } else { ("fb", "page", "sealed") };
                    let connection = found(directory.read(&id(&format!("{kind}{n}")), NOW).await);
                    assert_eq!(connection.id, id(&format!("{kind}{n}")));
                    assert_eq!(connection.name.as_deref(), Some(format!("{name}{n}").as_str()));
                    assert_eq!(connection.token.value.expose(), format!("{token}{n}"));
                }
            });
            futures_util::future::join_all(lookups).await;
        }
    }
    // This pgbouncer knows nothing of named statements: one of ours would have failed on the other connection.
    let servers = format!(
        "SELECT count(*)::text FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()",
        db.name
    );
    assert_eq!(db.text(&servers).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_timeout_and_is_found_again() {
    let db = Db::new(Kind::PgBouncer).await;
    db.sql(r#"CREATE TABLE "InstagramConnection" ("id" text PRIMARY KEY, "accessTokenEnc" text)"#).await;
    db.sql(r#"INSERT INTO "InstagramConnection" VALUES ('a', 't')"#).await;
    let bouncer = pgbouncer::start();
    let url = format!("postgresql://postgres@127.0.0.1:{}/{}?pgbouncer=true", bouncer.port, db.name);
    let directory = Arc::new(directory(&url, "timeout = '200ms'\nmax_connections = 2", ""));
    found(directory.read(&id("a"), NOW).await);
    bouncer.signal("STOP");
    let late = AtomicUsize::new(0);
    let asked = (0..10).map(|_| async {
        let read = tokio::time::timeout(Duration::from_millis(1500), directory.read(&id("a"), NOW)).await;
        match read {
            Ok(read) => assert!(matches!(read, Err(DirectoryError::Unavailable(_))), "{read:?}"),
            Err(_) => drop(late.fetch_add(1, Ordering::Relaxed)),
        }
    });
    futures_util::future::join_all(asked).await;
    assert_eq!(late.load(Ordering::Relaxed), 0, "answers after their deadline");
    // The cached answer stays: it was read a moment ago.
    found(directory.lookup(&id("a"), NOW).await);
    bouncer.signal("CONT");
    for _ in 0..20 {
        if directory.read(&id("a"), NOW).await.is_ok() {
            return;
        }
    }
    panic!("no connection came back");
}

#[tokio::test]
async fn a_database_that_is_away_is_unavailable_and_found_when_it_comes() {
    for scheme in ["postgres", "mysql"] {
        let url = format!("{scheme}://u:hunter2@127.0.0.1:{}/d", free_port());
        let directory = directory(&url, "timeout = '100ms'", "");
        let error = directory.lookup(&id("a"), NOW).await.unwrap_err();
        assert!(matches!(error, DirectoryError::Unavailable(_)), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(directory.existing(&[id("a")]).await.is_err());
        assert!(directory.check().await.is_err());
    }
    let missing = directory("file:/nowhere/dev.db", "", "");
    assert!(missing.lookup(&id("a"), NOW).await.is_err());
    assert!(!std::path::Path::new("/nowhere").exists());
}

#[tokio::test]
async fn an_address_too_long_for_its_column_is_not_saved_and_not_cut() {
    for kind in [Kind::Postgres, Kind::PgBouncer, Kind::MariaDb] {
        let db = Db::new(kind).await;
        db.sql(
            r#"CREATE TABLE "InstagramConnection" ("id" varchar(191) PRIMARY KEY, "accessTokenEnc" varchar(191),
                   "profilePictureUrl" varchar(40)); INSERT INTO "InstagramConnection" VALUES ('a', 't', 'old')"#,
        )
        .await;
        let directory = db.directory("");
        let connection = found(directory.lookup(&id("a"), NOW).await);
        let long = Address::parse("https://cdn.example/a-path-that-is-longer-than-forty.jpg").unwrap();
        let log = Log::begin();
        for _ in 0..3 {
            assert_eq!(directory.write_back(&connection, &long).await.unwrap(), WriteBack::TooLong);
        }
        log.assert_one_warning("InstagramConnection");
        let select = r#"SELECT "profilePictureUrl" FROM "InstagramConnection""#;
        assert_eq!(db.text(select).await.as_deref(), Some("old"));
        let short = Address::parse("https://cdn.example/a.jpg").unwrap();
        assert_eq!(directory.write_back(&connection, &short).await.unwrap(), WriteBack::Saved);
        assert_eq!(directory.check().await.unwrap().tables[0].found.as_ref().unwrap().picture_max, Some(40));
    }
}
