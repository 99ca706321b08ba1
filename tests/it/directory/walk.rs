//! A walk over the directory meets every connection once, in pages, on every database.

use avatar_proxy::directory::{Cursor, Directory, DirectoryError};

use super::database::{Db, Kind, id, on_all_four, try_directory};

on_all_four! {
    every_row_comes_once_in_pages_of_any_size,
    ids_of_every_type_are_walked_in_their_own_order,
    rows_that_come_and_go_disturb_no_walk,
    a_row_whose_id_fits_no_address_is_passed_over,
    a_missing_table_is_named,
}

const TABLES: &str = r#"
CREATE TABLE "InstagramConnection" ("id" varchar(64) PRIMARY KEY, "accessTokenEnc" varchar(99));
CREATE TABLE "PageConnection" ("id" varchar(64) PRIMARY KEY, "pageId" varchar(99), "pageAccessTokenEnc" varchar(99));
CREATE TABLE "TelegramConnection" ("id" varchar(64) PRIMARY KEY, "botTokenEnc" varchar(99));
"#;

/// All ids in the order in which they come.
async fn walked(directory: &Directory, count: usize) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    for _ in 0..1000 {
        let page = directory.page(cursor.as_ref(), count).await.unwrap();
        assert!(page.ids.len() <= count);
        ids.extend(page.ids.iter().map(ToString::to_string));
        match page.next {
            Some(next) => cursor = Some(next),
            None => return ids,
        }
    }
    panic!("a walk without an end");
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

async fn every_row_comes_once_in_pages_of_any_size(db: Db) {
    db.sql(TABLES).await;
    let mut expected: Vec<String> = vec!["acme".to_owned(), "shop".to_owned()];
    for (table, prefix, count) in [("InstagramConnection", "ig", 7), ("TelegramConnection", "tg", 4)] {
        for n in 0..count {
            let columns = if prefix == "ig" { r#""id", "accessTokenEnc""# } else { r#""id", "botTokenEnc""# };
            db.sql(&format!(r#"INSERT INTO "{table}" ({columns}) VALUES ('{prefix}{n}', 't')"#)).await;
            expected.push(format!("{prefix}{n}"));
        }
    }
    let entry = |id: &str| format!("id = '{id}'\nprovider = 'facebook'\ntoken = 'plain:t'\n");
    let (acme, shop) = (entry("acme"), entry("shop"));
    let directory = try_directory(&db.url(), "", "", &[&shop, &acme]).unwrap();
    assert_eq!(directory.count().await.unwrap(), 13);
    for count in [1, 2, 3, 4, 7, 100] {
        assert_eq!(walked(&directory, count).await, expected, "{count} at a time");
    }
}

async fn ids_of_every_type_are_walked_in_their_own_order(db: Db) {
    let uuids: Vec<String> =
        (0..9).map(|n| format!("{n}18f3a5e-{}b1c-7cc0-9d3e-0123456789a{n}", 8 - n)).collect();
    let numbers: Vec<String> =
        [-3, 1, 2, 9, 10, 11, 100, 2_000_000_000].iter().map(ToString::to_string).collect();
    let words: Vec<String> = ["B", "Z9", "a", "a-b", "a_b", "ab", "b1", "z"].map(str::to_owned).to_vec();
    let uuid = match db.kind {
        Kind::Sqlite => "varchar(36)",
        Kind::Postgres | Kind::PgBouncer | Kind::MariaDb => "uuid",
    };
    for (table, kind, ids) in [
        ("u", uuid, &uuids),
        ("n", "bigint", &numbers),
        ("i", "integer", &numbers),
        ("w", "varchar(64)", &words),
        ("c", "char(40)", &words),
    ] {
        let values: Vec<String> = ids.iter().rev().map(|id| format!("('{id}', 't')")).collect();
        let values = if kind.ends_with("int") || kind == "integer" {
            values.join(", ").replace("('", "(").replace("', 't'", ", 't'")
        } else {
            values.join(", ")
        };
        db.sql(&format!(r#"CREATE TABLE "{table}" ("id" {kind} PRIMARY KEY, "token" varchar(9)); INSERT INTO "{table}" VALUES {values}"#)).await;
        let block = format!(
            "[[table]]\nprovider = 'facebook'\ntable = '{table}'\nid = 'id'\ntoken = 'token'\nprefix = 'fb-'"
        );
        let directory = db.directory(&block);
        let expected = sorted(ids.iter().map(|id| format!("fb-{id}")).collect());
        for count in [1, 3, 100] {
            assert_eq!(sorted(walked(&directory, count).await), expected, "{kind}, {count} at a time");
        }
    }
}

async fn rows_that_come_and_go_disturb_no_walk(db: Db) {
    db.sql(TABLES).await;
    let insert = |id: &str| format!(r#"INSERT INTO "InstagramConnection" VALUES ('{id}', 't')"#);
    for n in [2, 4, 6, 8] {
        db.sql(&insert(&format!("ig{n}"))).await;
    }
    let directory = db.directory("");
    let first = directory.page(None, 2).await.unwrap();
    assert!(first.ids.is_empty(), "there are no entries of the configuration");
    let page = directory.page(first.next.as_ref(), 2).await.unwrap();
    assert_eq!(page.ids, [id("ig2"), id("ig4")]);
    // The row behind which the walk is has gone, one has come before it, and one after it.
    db.sql(&format!(
        r#"DELETE FROM "InstagramConnection" WHERE "id" = 'ig4'; {}; {}"#,
        insert("ig1"),
        insert("ig7")
    ))
    .await;
    let kept = serde_json::to_string(&page.next).unwrap();
    let cursor: Option<Cursor> = serde_json::from_str(&kept).unwrap();
    let later = db.directory("");
    let page = later.page(cursor.as_ref(), 100).await.unwrap();
    assert_eq!(page.ids, [id("ig6"), id("ig7"), id("ig8")]);
}

async fn a_row_whose_id_fits_no_address_is_passed_over(db: Db) {
    db.sql(TABLES).await;
    for id in ["a b", "a/b", "ok", "", "\u{e9}"] {
        db.sql(&format!(r#"INSERT INTO "InstagramConnection" VALUES ('{id}', 't')"#)).await;
    }
    let directory = db.directory("");
    for count in [1, 2, 100] {
        assert_eq!(walked(&directory, count).await, ["ok"]);
    }
    assert_eq!(directory.count().await.unwrap(), 5);
}

async fn a_missing_table_is_named(db: Db) {
    db.sql(TABLES).await;
    let block = |table: &str| {
        format!("[[table]]\nprovider = 'facebook'\ntable = '{table}'\nid = 'id'\ntoken = 'token'")
    };
    let error = db.directory(&block("pages")).page(None, 1).await.unwrap_err();
    assert!(matches!(&error, DirectoryError::Misconfigured(why) if why.contains("pages")), "{error}");
    let cursor: Cursor = serde_json::from_str(r#"{"table":"0:pages","after":"a"}"#).unwrap();
    let error = db.directory("").page(Some(&cursor), 1).await.unwrap_err();
    assert!(matches!(&error, DirectoryError::Misconfigured(why) if why.contains("0:pages")), "{error}");
}
