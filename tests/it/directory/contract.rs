//! What holds on all four databases.

use std::collections::HashSet;
use std::time::Duration;

use avatar_proxy::directory::{DirectoryError, WriteBack};
use avatar_proxy::model::{Address, Provider, Timestamp};

use super::database::{Db, Kind, Log, NOW, assert_unknown, directory, found, id, on_all_four, try_directory};

on_all_four! {
    the_dashboards_tables_are_found_as_prisma_names_them,
    mapped_tables_are_found_with_camel_case_columns,
    mapped_tables_are_found_with_snake_case_columns,
    found_and_unknown_are_cached_and_a_deletion_is_noticed,
    integer_ids_have_one_spelling,
    uuid_ids_have_one_spelling,
    a_text_id_is_compared_byte_for_byte,
    counted_tables_need_a_prefix_each,
    an_id_in_two_tables_is_a_misconfiguration,
    a_missing_table_or_column_is_named_and_nothing_is_unknown,
    no_table_at_all_is_a_misconfiguration,
    a_table_that_vanishes_does_not_make_its_rows_unknown,
    hostile_names_and_values_come_back_intact,
    bytes_come_as_base64_and_null_as_an_empty_token,
    a_fresh_address_is_saved_where_the_row_still_holds_the_old_one,
    telegram_addresses_are_never_saved,
    a_read_only_role_refuses_and_the_directory_works_on,
    the_sweep_learns_which_ids_exist,
    a_tokens_end_is_read_from_whatever_holds_a_time,
    a_locked_table_costs_the_timeout_and_nothing_more,
    configured_connections_come_first,
}

const CAMEL: &str = r#"
CREATE TABLE "InstagramConnection" ("id" varchar(64) PRIMARY KEY, "username" varchar(99), "accessTokenEnc" varchar(999),
    "profilePictureUrl" varchar(999));
CREATE TABLE "PageConnection" ("id" varchar(64) PRIMARY KEY, "pageId" varchar(99), "pageName" varchar(99),
    "pageAccessTokenEnc" varchar(999), "profilePictureUrl" varchar(999));
CREATE TABLE "TelegramConnection" ("id" varchar(64) PRIMARY KEY, "chatId" varchar(99), "username" varchar(99),
    "botTokenEnc" varchar(999), "profilePictureUrl" varchar(999));
INSERT INTO "InstagramConnection" VALUES ('ig1', 'ada', 'aa:bb:cc', 'https://cdn.example/old.jpg');
INSERT INTO "PageConnection" VALUES ('fb1', '4711', 'Acme', 'dd:ee:ff', NULL);
INSERT INTO "TelegramConnection" VALUES ('tg1', '-100', 'bot', '11:22:33', NULL)
"#;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A `[[table]]` block; further keys as TOML.
fn block(table: &str, provider: &str, more: &str) -> String {
    format!("[[table]]\nprovider = '{provider}'\ntable = '{table}'\nid = 'id'\ntoken = 'token'\n{more}\n")
}

async fn assert_three(db: &Db, names: [&str; 3], style: &str) {
    let directory = db.directory("");
    let instagram = found(directory.lookup(&id("ig1"), NOW).await);
    assert_eq!((instagram.provider, instagram.account.as_deref()), (Provider::Instagram, None));
    assert_eq!((instagram.name.as_deref(), instagram.token.value.expose()), (Some("ada"), "aa:bb:cc"));
    assert_eq!(instagram.picture_url.unwrap().expose(), "https://cdn.example/old.jpg");
    let page = found(directory.lookup(&id("fb1"), NOW).await);
    assert_eq!((page.provider, page.account.as_deref()), (Provider::Facebook, Some("4711")));
    assert_eq!((page.name.as_deref(), page.token.value.expose()), (Some("Acme"), "dd:ee:ff"));
    assert!(page.picture_url.is_none());
    let telegram = found(directory.lookup(&id("tg1"), NOW).await);
    assert_eq!((telegram.provider, telegram.account.as_deref()), (Provider::Telegram, Some("-100")));
    assert_eq!(telegram.token.value.expose(), "11:22:33");
    assert_unknown(directory.lookup(&id("nobody"), NOW).await);

    let survey = directory.check().await.unwrap();
    assert_eq!(survey.problem, None);
    let taken: Vec<_> = survey.tables.iter().map(|table| table.found.clone().unwrap()).collect();
    assert_eq!(taken.iter().map(|found| found.table.as_str()).collect::<Vec<_>>(), names);
    assert!(taken.iter().all(|found| found.style == style && found.id_type == "text"), "{taken:?}");
}

async fn the_dashboards_tables_are_found_as_prisma_names_them(db: Db) {
    db.sql(CAMEL).await;
    assert_three(&db, ["InstagramConnection", "PageConnection", "TelegramConnection"], "camelCase").await;
}

fn mapped(tables: &str) -> String {
    tables
        .replace("InstagramConnection", "instagram_connections")
        .replace("PageConnection", "page_connections")
        .replace("TelegramConnection", "telegram_connections")
}

async fn mapped_tables_are_found_with_camel_case_columns(db: Db) {
    db.sql(&mapped(CAMEL)).await;
    assert_three(&db, ["instagram_connections", "page_connections", "telegram_connections"], "camelCase")
        .await;
}

async fn mapped_tables_are_found_with_snake_case_columns(db: Db) {
    let snake = mapped(CAMEL)
        .replace("accessTokenEnc", "access_token_enc")
        .replace("pageAccessTokenEnc", "page_access_token_enc")
        .replace("botTokenEnc", "bot_token_enc")
        .replace("profilePictureUrl", "profile_picture_url")
        .replace("pageId", "page_id")
        .replace("pageName", "page_name")
        .replace("chatId", "chat_id");
    db.sql(&snake).await;
    assert_three(&db, ["instagram_connections", "page_connections", "telegram_connections"], "snake_case")
        .await;
}

async fn found_and_unknown_are_cached_and_a_deletion_is_noticed(db: Db) {
    db.sql(CAMEL).await;
    let directory = db.directory("");
    found(directory.lookup(&id("ig1"), NOW).await);
    assert_unknown(directory.lookup(&id("ig2"), NOW).await);
    db.sql(
        r#"DELETE FROM "InstagramConnection" WHERE "id" = 'ig1';
           INSERT INTO "InstagramConnection" ("id", "accessTokenEnc") VALUES ('ig2', 'x')"#,
    )
    .await;
    let soon = NOW + Duration::from_secs(59);
    found(directory.lookup(&id("ig1"), soon).await);
    assert_unknown(directory.lookup(&id("ig2"), soon).await);
    assert_unknown(directory.read(&id("ig1"), soon).await);
    assert_unknown(directory.lookup(&id("ig1"), soon).await);
    found(directory.lookup(&id("ig2"), NOW + Duration::from_secs(60)).await);
    directory.forget(&id("ig1"));
    assert_unknown(directory.lookup(&id("ig1"), soon).await);
}

async fn integer_ids_have_one_spelling(db: Db) {
    db.sql(r#"CREATE TABLE "pages" ("id" integer PRIMARY KEY, "token" varchar(99)); INSERT INTO "pages" VALUES (7, 't')"#)
        .await;
    let directory = db.directory(&block("pages", "facebook", ""));
    assert_eq!(found(directory.lookup(&id("7"), NOW).await).token.value.expose(), "t");
    for alias in ["007", "7a", "-7", "-0", "0x7", "7_", "99999999999", "99999999999999999999", "x", "8"] {
        assert_unknown(directory.lookup(&id(alias), NOW).await);
    }
    assert_eq!(directory.check().await.unwrap().tables[0].found.as_ref().unwrap().id_type, "integer");
}

async fn uuid_ids_have_one_spelling(db: Db) {
    let kind = if db.kind == Kind::Sqlite { "text" } else { "uuid" };
    db.sql(&format!(
        r#"CREATE TABLE "pages" ("id" {kind} PRIMARY KEY, "token" varchar(99));
           INSERT INTO "pages" VALUES ('018f3a5e-7b1c-7cc0-9d3e-0123456789ab', 't')"#
    ))
    .await;
    let directory = db.directory(&block("pages", "facebook", ""));
    found(directory.lookup(&id("018f3a5e-7b1c-7cc0-9d3e-0123456789ab"), NOW).await);
    for alias in [
        "018F3A5E-7B1C-7CC0-9D3E-0123456789AB",
        "018f3a5e7b1c7cc09d3e0123456789ab",
        "018f3a5e-7b1c-7cc0-9d3e-0123456789ac",
        "7",
    ] {
        assert_unknown(directory.lookup(&id(alias), NOW).await);
    }
    assert_eq!(directory.check().await.unwrap().tables[0].found.as_ref().unwrap().id_type, kind);
}

async fn a_text_id_is_compared_byte_for_byte(db: Db) {
    let folding = match db.kind {
        Kind::MariaDb => "COLLATE utf8mb4_general_ci",
        Kind::Sqlite => "COLLATE NOCASE",
        Kind::Postgres | Kind::PgBouncer => {
            db.sql("CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)").await;
            "COLLATE folding"
        }
    };
    let charset = if db.kind == Kind::MariaDb { "CHARACTER SET utf8mb4" } else { "" };
    db.sql(&format!(
        r#"CREATE TABLE "pages" ("id" varchar(64) {charset} {folding} PRIMARY KEY, "token" varchar(99));
           INSERT INTO "pages" VALUES ('AbC', 't'), ('trailing ', 'u'), ('007', 'v')"#
    ))
    .await;
    let directory = db.directory(&block("pages", "facebook", ""));
    found(directory.lookup(&id("AbC"), NOW).await);
    found(directory.lookup(&id("007"), NOW).await);
    for alias in ["abc", "ABC", "trailing", "7"] {
        assert_unknown(directory.lookup(&id(alias), NOW).await);
    }
    let asked = [id("abc"), id("AbC"), id("trailing")];
    assert_eq!(directory.existing(&asked).await.unwrap(), HashSet::from([id("AbC")]));
}

async fn counted_tables_need_a_prefix_each(db: Db) {
    db.sql(
        r#"CREATE TABLE "pages" ("id" integer PRIMARY KEY, "token" varchar(99));
           CREATE TABLE "grams" ("id" integer PRIMARY KEY, "token" varchar(99));
           INSERT INTO "pages" VALUES (7, 'page'); INSERT INTO "grams" VALUES (7, 'gram')"#,
    )
    .await;
    for prefixes in [["", ""], ["fb-", ""], ["x-", "x-"]] {
        let tables = block("pages", "facebook", &format!("prefix = '{}'", prefixes[0]))
            + &block("grams", "instagram", &format!("prefix = '{}'", prefixes[1]));
        let error = db.directory(&tables).lookup(&id("7"), NOW).await.unwrap_err().to_string();
        assert!(error.contains("\"pages\", \"grams\"") && error.contains("prefix"), "{error}");
    }
    let directory = db.directory(
        &(block("pages", "facebook", "prefix = 'fb-'") + &block("grams", "instagram", "prefix = 'ig-'")),
    );
    assert_eq!(found(directory.lookup(&id("fb-7"), NOW).await).token.value.expose(), "page");
    assert_eq!(found(directory.lookup(&id("ig-7"), NOW).await).token.value.expose(), "gram");
    assert_unknown(directory.lookup(&id("7"), NOW).await);
    assert_unknown(directory.lookup(&id("fb-07"), NOW).await);
    let asked = [id("fb-7"), id("ig-7"), id("7"), id("fb-8")];
    assert_eq!(directory.existing(&asked).await.unwrap(), HashSet::from([id("fb-7"), id("ig-7")]));
}

async fn an_id_in_two_tables_is_a_misconfiguration(db: Db) {
    db.sql(CAMEL).await;
    db.sql(r#"INSERT INTO "PageConnection" ("id", "pageAccessTokenEnc") VALUES ('ig1', 'x')"#).await;
    let directory = db.directory("");
    let error = directory.lookup(&id("ig1"), NOW).await.unwrap_err();
    assert_eq!(
        error,
        DirectoryError::Ambiguous {
            id: id("ig1"),
            tables: vec!["\"InstagramConnection\"".to_owned(), "\"PageConnection\"".to_owned()]
        }
    );
    found(directory.lookup(&id("fb1"), NOW).await);
}

async fn a_missing_table_or_column_is_named_and_nothing_is_unknown(db: Db) {
    db.sql(r#"CREATE TABLE "pages" ("id" varchar(64) PRIMARY KEY, "token" varchar(99)); INSERT INTO "pages" VALUES ('a', 't')"#)
        .await;
    let tables = block("pages", "facebook", "") + &block("grams", "instagram", "");
    let directory = db.directory(&tables);
    found(directory.lookup(&id("a"), NOW).await);
    let error = directory.lookup(&id("b"), NOW).await.unwrap_err().to_string();
    assert!(error.contains("\"grams\""), "{error}");
    assert!(directory.existing(&[id("a")]).await.is_err());
    db.sql(r#"CREATE TABLE "grams" ("id" varchar(64) PRIMARY KEY, "token" varchar(99))"#).await;
    assert!(directory.lookup(&id("b"), NOW + Duration::from_secs(59)).await.is_err());
    assert_unknown(directory.lookup(&id("b"), NOW + Duration::from_secs(60)).await);

    let directory = db.directory(&block("pages", "facebook", "name = 'title'"));
    let error = directory.lookup(&id("a"), NOW).await.unwrap_err().to_string();
    assert!(error.contains("\"pages\"") && error.contains("\"title\""), "{error}");
}

async fn no_table_at_all_is_a_misconfiguration(db: Db) {
    let directory = db.directory("");
    let error = directory.lookup(&id("a"), NOW).await.unwrap_err().to_string();
    assert!(
        error.contains("\"InstagramConnection\"") && error.contains("\"telegram_connections\""),
        "{error}"
    );
}

async fn a_table_that_vanishes_does_not_make_its_rows_unknown(db: Db) {
    db.sql(CAMEL).await;
    let directory = db.directory("");
    found(directory.lookup(&id("ig1"), NOW).await);
    db.sql(r#"ALTER TABLE "InstagramConnection" RENAME TO "elsewhere""#).await;
    for seconds in [60, 61, 180] {
        let error = directory.read(&id("ig1"), NOW + Duration::from_secs(seconds)).await.unwrap_err();
        assert!(matches!(error, DirectoryError::Misconfigured(_)), "{error}");
        assert!(directory.existing(&[id("ig1")]).await.is_err());
    }
    found(directory.read(&id("fb1"), NOW + Duration::from_secs(181)).await);
    db.sql(r#"ALTER TABLE "elsewhere" RENAME TO "InstagramConnection""#).await;
    found(directory.read(&id("ig1"), NOW + Duration::from_secs(300)).await);
}

async fn hostile_names_and_values_come_back_intact(db: Db) {
    let (table, column) = ("a\"b`c; DROP TABLE x; --", "to\"k`en");
    let name = "Robert'); DROP TABLE \"students\";-- \\ ünï 🦀 <b>&";
    let (quoted, token) = (db.quote(table), db.quote(column));
    let value = name.replace('\\', if db.kind == Kind::MariaDb { "\\\\" } else { "\\" }).replace('\'', "''");
    db.raw(&format!(
        "CREATE TABLE {quoted} (id varchar(64) PRIMARY KEY, {token} varchar(99), {n} varchar(200) {charset});
         INSERT INTO {quoted} VALUES ('a', 't', '{value}')",
        n = db.quote("name"),
        charset = if db.kind == Kind::MariaDb { "CHARACTER SET utf8mb4" } else { "" },
    ))
    .await;
    let block = format!(
        "[[table]]\nprovider = 'facebook'\nid = 'id'\nname = 'name'\ntable = '{table}'\ntoken = '{column}'\npicture_url = 'name'"
    );
    let directory = db.directory(&block);
    let connection = found(directory.lookup(&id("a"), NOW).await);
    assert_eq!((connection.name.as_deref(), connection.token.value.expose()), (Some(name), "t"));
    let new = address("https://cdn.example/new.jpg?a=b%27");
    assert_eq!(directory.write_back(&connection, &new).await.unwrap(), WriteBack::Saved);
    assert_eq!(found(directory.read(&id("a"), NOW).await).name.as_deref(), Some(new.expose()));
}

async fn bytes_come_as_base64_and_null_as_an_empty_token(db: Db) {
    let (bytes, literal) = match db.kind {
        Kind::Postgres | Kind::PgBouncer => ("bytea", "'\\x00ffab'"),
        Kind::MariaDb => ("longblob", "x'00ffab'"),
        Kind::Sqlite => ("BLOB", "x'00ffab'"),
    };
    db.raw(&format!(
        "CREATE TABLE pages (id varchar(64) PRIMARY KEY, token {bytes}, iv {bytes}, tag varchar(99));
         INSERT INTO pages VALUES ('a', {literal}, {literal}, 'dGFn'), ('b', NULL, NULL, NULL)"
    ))
    .await;
    let directory = db.directory(&block("pages", "facebook", "token_iv = 'iv'\ntoken_tag = 'tag'"));
    let sealed = found(directory.lookup(&id("a"), NOW).await).token;
    assert_eq!((sealed.value.expose(), sealed.iv.unwrap().expose()), ("AP+r", "AP+r"));
    assert_eq!(sealed.tag.unwrap().expose(), "dGFn");
    let sealed = found(directory.lookup(&id("b"), NOW).await).token;
    assert!(sealed.value.is_empty() && sealed.iv.is_none() && sealed.tag.is_none());
}

async fn a_fresh_address_is_saved_where_the_row_still_holds_the_old_one(db: Db) {
    db.sql(CAMEL).await;
    let directory = db.directory("");
    let select =
        |id: &str| format!(r#"SELECT "profilePictureUrl" FROM "InstagramConnection" WHERE "id" = '{id}'"#);
    let old = found(directory.lookup(&id("ig1"), NOW).await);
    let (first, second) =
        (address("https://cdn.example/1.jpg?oh=a&oe=b"), address("https://cdn.example/2.jpg"));
    assert_eq!(directory.write_back(&old, &first).await.unwrap(), WriteBack::Saved);
    assert_eq!(db.text(&select("ig1")).await.as_deref(), Some(first.expose()));
    assert_eq!(directory.write_back(&old, &second).await.unwrap(), WriteBack::Lost);
    assert_eq!(db.text(&select("ig1")).await.as_deref(), Some(first.expose()));

    let held = found(directory.lookup(&id("ig1"), NOW).await);
    assert_eq!(directory.write_back(&held, &second).await.unwrap(), WriteBack::Saved);
    let held = found(directory.lookup(&id("ig1"), NOW).await);
    assert_eq!(held.picture_url.as_ref().unwrap().expose(), second.expose());
    assert_eq!(directory.write_back(&held, &second).await.unwrap(), WriteBack::Saved, "the same again");

    let empty = found(directory.lookup(&id("fb1"), NOW).await);
    assert!(empty.picture_url.is_none());
    assert_eq!(directory.write_back(&empty, &first).await.unwrap(), WriteBack::Saved);
    assert_eq!(directory.write_back(&empty, &second).await.unwrap(), WriteBack::Lost);

    // A comparison that folds case would take another picture for the one that was read.
    db.sql(r#"UPDATE "InstagramConnection" SET "profilePictureUrl" = 'https://cdn.example/A.jpg'"#).await;
    let upper = found(directory.read(&id("ig1"), NOW).await);
    db.sql(r#"UPDATE "InstagramConnection" SET "profilePictureUrl" = 'https://cdn.example/a.jpg'"#).await;
    assert_eq!(directory.write_back(&upper, &first).await.unwrap(), WriteBack::Lost);

    let silent = super::database::directory(&db.url(), "write_back = false", "");
    let held = found(silent.lookup(&id("ig1"), NOW).await);
    assert_eq!(silent.write_back(&held, &first).await.unwrap(), WriteBack::NotConfigured);
}

async fn telegram_addresses_are_never_saved(db: Db) {
    db.sql(CAMEL).await;
    let directory = db.directory("");
    let connection = found(directory.lookup(&id("tg1"), NOW).await);
    let address = address("https://api.telegram.org/file/bot1:SECRET/photos/file_0.jpg");
    assert_eq!(directory.write_back(&connection, &address).await.unwrap(), WriteBack::NotConfigured);
    assert_eq!(db.text(r#"SELECT "profilePictureUrl" FROM "TelegramConnection""#).await, None);
}

async fn a_read_only_role_refuses_and_the_directory_works_on(db: Db) {
    db.sql(CAMEL).await;
    let directory = directory(&db.read_only_url().await, "", "");
    let connection = found(directory.lookup(&id("ig1"), NOW).await);
    let new = address("https://cdn.example/new.jpg?oh=SIGNED");
    let log = Log::begin();
    for _ in 0..3 {
        assert_eq!(directory.write_back(&connection, &new).await.unwrap(), WriteBack::Refused);
    }
    log.assert_one_warning("InstagramConnection");
    found(directory.read(&id("ig1"), NOW).await);
}

async fn the_sweep_learns_which_ids_exist(db: Db) {
    db.sql(CAMEL).await;
    let rows: Vec<String> = (0..1200).map(|n| format!("('s{n}', 'x')")).collect();
    db.sql(&format!(
        r#"INSERT INTO "InstagramConnection" ("id", "accessTokenEnc") VALUES {}"#,
        rows.join(", ")
    ))
    .await;
    let directory = db.directory("");
    let asked: Vec<_> =
        (0..2400).map(|n| id(&format!("s{n}"))).chain([id("ig1"), id("fb1"), id("tg1")]).collect();
    let existing = directory.existing(&asked).await.unwrap();
    assert_eq!(existing.len(), 1203);
    assert!(
        existing.contains(&id("s1199")) && !existing.contains(&id("s1200")) && existing.contains(&id("tg1"))
    );
}

/// Columns that hold 2027-02-14 08:00 UTC, by the engines' own types: name, type, value.
fn times(kind: Kind) -> &'static [(&'static str, &'static str, &'static str)] {
    match kind {
        Kind::Postgres | Kind::PgBouncer => &[
            ("plain", "timestamp(3)", "'2027-02-14 08:00:00'"),
            ("zoned", "timestamptz", "'2027-02-14 10:00:00+02'"),
            ("seconds", "bigint", "1802592000"),
            ("millis", "bigint", "1802592000000"),
            ("counted", "integer", "1802592000"),
        ],
        Kind::MariaDb => &[
            ("plain", "datetime(3)", "'2027-02-14 08:00:00'"),
            ("zoned", "timestamp NULL", "FROM_UNIXTIME(1802592000)"),
            ("seconds", "bigint unsigned", "1802592000"),
            ("millis", "bigint", "1802592000000"),
            ("counted", "integer", "1802592000"),
        ],
        Kind::Sqlite => &[
            ("plain", "DATETIME", "1802592000000"),
            ("spelled", "DATETIME", "'2027-02-14T08:00:00.000+00:00'"),
            ("zulu", "TEXT", "'2027-02-14T08:00:00Z'"),
            ("seconds", "INTEGER", "1802592000"),
            ("digits", "TEXT", "'1802592000'"),
            ("milli_digits", "VARCHAR(20)", "'1802592000000'"),
            ("floating", "REAL", "1802592000"),
            ("milli_floating", "DOUBLE", "1802592000000.5"),
        ],
    }
}

async fn a_tokens_end_is_read_from_whatever_holds_a_time(db: Db) {
    let columns = times(db.kind).iter().map(|(name, kind, _)| format!("{name} {kind}, ")).collect::<String>();
    let values: Vec<&str> = times(db.kind).iter().map(|(_, _, value)| *value).collect();
    db.sql(&format!(
        "CREATE TABLE t ({columns} never varchar(20), id varchar(20) PRIMARY KEY, token varchar(20));
         INSERT INTO t VALUES ({}, 'never', 'a', 'x'); INSERT INTO t (id, token) VALUES ('b', 'x')",
        values.join(", ")
    ))
    .await;
    let end = Timestamp::from_secs(1_802_592_000);
    for (column, _, _) in times(db.kind) {
        let mapped = block("t", "facebook", &format!("token_expires_at = '{column}'"));
        let directory = directory(&db.url(), "", &mapped);
        let of = async |row: &str| found(directory.lookup(&id(row), NOW).await).token_expires_at;
        assert_eq!((of("a").await, of("b").await), (Some(end), None), "{column}");
        let ends = directory.token_ends(&[id("a"), id("b"), id("c")], NOW).await.unwrap();
        assert_eq!(ends, [(id("a"), end)], "{column}");
    }
    let unmapped = directory(&db.url(), "", &block("t", "facebook", ""));
    assert_eq!(found(unmapped.lookup(&id("a"), NOW).await).token_expires_at, None);
    assert_eq!(unmapped.token_ends(&[id("a")], NOW).await.unwrap(), []);
    let wrong = directory(&db.url(), "", &block("t", "facebook", "token_expires_at = 'never'"));
    match db.kind {
        // Every value has a type of its own there.
        Kind::Sqlite => assert_eq!(found(wrong.lookup(&id("a"), NOW).await).token_expires_at, None),
        Kind::Postgres | Kind::PgBouncer | Kind::MariaDb => {
            let error = wrong.lookup(&id("a"), NOW).await.unwrap_err().to_string();
            assert!(error.contains("its never is of type") && error.contains("a time, or"), "{error}");
        }
    }
}

async fn a_locked_table_costs_the_timeout_and_nothing_more(db: Db) {
    use sqlx::{AssertSqlSafe, raw_sql};
    db.sql(CAMEL).await;
    let directory = directory(&db.url(), "timeout = '300ms'\nmax_connections = 2", "");
    found(directory.lookup(&id("ig1"), NOW).await);
    let (lock, unlock) = match db.kind {
        Kind::Postgres | Kind::PgBouncer => (r#"BEGIN; LOCK TABLE "InstagramConnection""#, "COMMIT"),
        Kind::MariaDb => ("LOCK TABLES `InstagramConnection` WRITE", "UNLOCK TABLES"),
        Kind::Sqlite => ("BEGIN EXCLUSIVE", "COMMIT"),
    };
    macro_rules! while_locked {
        ($connection:expr) => {{
            let mut other = $connection;
            raw_sql(AssertSqlSafe(lock)).execute(&mut other).await.unwrap();
            for _ in 0..4 {
                let asked =
                    tokio::time::timeout(Duration::from_secs(2), directory.read(&id("ig1"), NOW)).await;
                let error = asked.expect("longer than its deadline").unwrap_err();
                assert!(matches!(error, DirectoryError::Unavailable(_)), "{error}");
            }
            raw_sql(AssertSqlSafe(unlock)).execute(&mut other).await.unwrap();
        }};
    }
    match db.kind {
        Kind::Postgres | Kind::PgBouncer => while_locked!(db.postgres(&db.name).await),
        Kind::MariaDb => while_locked!(db.mariadb(&db.name).await),
        Kind::Sqlite => while_locked!(db.sqlite().await),
    }
    // pgbouncer's own two places may still be taken by the queries that were given up.
    for _ in 0..20 {
        if directory.read(&id("ig1"), NOW).await.is_ok() {
            return;
        }
    }
    panic!("no connection came back");
}

async fn configured_connections_come_first(db: Db) {
    db.sql(CAMEL).await;
    let acme = "id = 'acme'\nprovider = 'telegram'\ntoken = 'plain:1:A'\nname = 'Acme'";
    let shadow = "id = 'ig1'\nprovider = 'facebook'\ntoken = 'plain:EAA'\naccount = '9'";
    let directory = try_directory(&db.url(), "", "", &[acme, shadow]).unwrap();
    let connection = found(directory.lookup(&id("acme"), NOW).await);
    assert_eq!((connection.provider, connection.name.as_deref()), (Provider::Telegram, Some("Acme")));
    assert_eq!(connection.table, None);
    let new = address("https://cdn.example/new.jpg");
    assert_eq!(directory.write_back(&connection, &new).await.unwrap(), WriteBack::NotConfigured);
    assert_eq!(found(directory.lookup(&id("ig1"), NOW).await).provider, Provider::Facebook);
    let asked = [id("acme"), id("fb1"), id("gone")];
    assert_eq!(directory.existing(&asked).await.unwrap(), HashSet::from([id("acme"), id("fb1")]));
    let twice = try_directory(&db.url(), "", "", &[acme, acme]).unwrap_err().to_string();
    assert!(twice.contains("acme"), "{twice}");
}
