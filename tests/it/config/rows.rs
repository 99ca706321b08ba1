//! `[[directory.table]]` and `[[connection]]`: every field leads somewhere else when it names something else.

use graphsim::Graphsim;

use super::providers::sealed;
use super::util::{Database, inspect, one, set};
use crate::support::accounts::FACEBOOK;
use crate::support::proxy::Proxy;

/// What is seen of a connection, one text each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Status and state of the answer.
    Answer,
    /// The first call of an API: its request line.
    Call,
    /// The token of that call.
    Token,
    /// The placeholder's initials.
    Initials,
    /// Where the fresh address was saved.
    Saved,
    /// When the token ends.
    Ends,
}

/// A block with these fields, the named one replaced.
fn block(header: &str, fields: &[(&str, &str)], key: &str, value: &str) -> String {
    let lines = fields.iter().map(|(name, right)| {
        let value = if key.ends_with(&format!(".{name}")) { value } else { right };
        format!("{name} = \"{value}\"\n")
    });
    format!("{header}\n{}", lines.collect::<String>())
}

async fn looks(proxy: &Proxy, sim: &Graphsim, id: &str) -> Vec<(Seen, String)> {
    let answer = proxy.get(&format!("/avatar/{id}")).await;
    let head = sim.heads().first().cloned().unwrap_or_default();
    let token = head.lines().find(|line| line.to_lowercase().starts_with("authorization"));
    let initials = proxy.get(&format!("/avatar/{id}?d=initials&f=y")).await;
    vec![
        (Seen::Answer, format!("{} {}", answer.status, answer.state())),
        (Seen::Call, head.lines().next().unwrap_or("none").to_owned()),
        (Seen::Token, token.unwrap_or("none").to_owned()),
        (Seen::Initials, String::from_utf8_lossy(&initials.body).into_owned()),
    ]
}

#[track_caller]
fn assert_differs(right: &[(Seen, String)], other: &[(Seen, String)], seen: Seen, key: &str) {
    let of = |all: &[(Seen, String)]| all.iter().find(|one| one.0 == seen).map(|one| one.1.clone());
    assert_ne!(of(right), of(other), "{key}");
}

const COLUMNS: [&str; 8] = ["key", "account", "token", "iv", "tag", "picture", "label", "ends"];

/// Each column twice, `x` with what is right and `x2` with something else.
async fn odd_database() -> Database {
    let sealed = sealed(FACEBOOK.token, "sha256:k");
    let parts: Vec<&str> = sealed.split(':').collect();
    let [iv, tag, text] = parts[..] else { panic!("{} parts", parts.len()) };
    let columns: String = COLUMNS.iter().map(|name| format!("\"{name}\" TEXT, \"{name}2\" TEXT, ")).collect();
    let columns = columns.trim_end_matches(", ");
    let zeros = "0".repeat(32);
    Database::new(&format!(
        "CREATE TABLE odd ({columns}); CREATE TABLE odd2 ({columns}); INSERT INTO odd VALUES ('a', 'b', '{}', '999',
         '{text}', '{zeros}', '{iv}', '{zeros}', '{tag}', '{zeros}', NULL, NULL, 'Ada Lovelace', 'Grace Hopper',
         '2026-02-01', '2026-03-01');",
        FACEBOOK.account
    ))
    .await
}

async fn table_looks(key: &str, value: &str) -> Vec<(Seen, String)> {
    let right = [
        ("provider", "facebook"),
        ("table", "odd"),
        ("id", "key"),
        ("prefix", "x-"),
        ("account", "account"),
        ("token", "token"),
        ("token_iv", "iv"),
        ("token_tag", "tag"),
        ("picture_url", "picture"),
        ("name", "label"),
        ("token_expires_at", "ends"),
    ];
    let (sim, clock) = one(&FACEBOOK).await;
    let database = odd_database().await;
    let extra = database.url()
        + &set("tokens.keys", "[\"sha256:k\"]")
        + &block("[[directory.table]]", &right, key, value);
    let proxy = Proxy::start(&sim, &clock, &extra).await;
    let mut seen = looks(&proxy, &sim, "x-a").await;
    proxy.idle().await;
    let mut saved = Vec::new();
    for column in ["picture", "picture2"] {
        let is_saved = database.text(&format!("SELECT \"{column}\" FROM odd")).await.is_some();
        saved.extend(is_saved.then_some(column));
    }
    seen.push((Seen::Saved, saved.join(" ")));
    seen.push((Seen::Ends, inspect(&proxy, "x-a").await["token_expires_at"].to_string()));
    seen
}

#[tokio::test]
async fn every_field_of_a_table_leads_to_what_it_names() {
    let right = table_looks("", "").await;
    assert_eq!(right[0].1, "200 fresh");
    assert_eq!(right[4].1, "picture");
    assert_eq!(right[5].1, "1769904000000");
    assert_eq!(right, table_looks("", "").await, "nothing of it changes by itself");
    for (key, value, seen) in [
        ("directory.table.provider", "instagram", Seen::Call),
        ("directory.table.table", "odd2", Seen::Answer),
        ("directory.table.id", "key2", Seen::Answer),
        ("directory.table.prefix", "y-", Seen::Answer),
        ("directory.table.account", "account2", Seen::Call),
        ("directory.table.token", "token2", Seen::Answer),
        ("directory.table.token_iv", "iv2", Seen::Answer),
        ("directory.table.token_tag", "tag2", Seen::Answer),
        ("directory.table.picture_url", "picture2", Seen::Saved),
        ("directory.table.name", "label2", Seen::Initials),
        ("directory.table.token_expires_at", "ends2", Seen::Ends),
    ] {
        assert_differs(&right, &table_looks(key, value).await, seen, key);
    }
}

async fn connection_looks(key: &str, value: &str) -> (Vec<(Seen, String)>, usize) {
    let token = format!("plain:{}", FACEBOOK.token);
    let (sim, clock) = one(&FACEBOOK).await;
    let stored = sim.direct_address(FACEBOOK.account);
    let right = [
        ("id", "acme"),
        ("provider", "facebook"),
        ("account", FACEBOOK.account),
        ("token", &token),
        ("name", "Ada Lovelace"),
        ("picture_url", ""),
    ];
    let value = if value == "stored" { &stored } else { value };
    let proxy = Proxy::start(&sim, &clock, &block("[[connection]]", &right, key, value)).await;
    let seen = looks(&proxy, &sim, "acme").await;
    (seen, sim.total_api_calls())
}

#[tokio::test]
async fn every_field_of_a_connection_is_obeyed() {
    let (right, calls) = connection_looks("", "").await;
    assert_eq!((right[0].1.as_str(), calls), ("200 fresh", 1));
    assert_eq!(right, connection_looks("", "").await.0, "nothing of it changes by itself");
    for (key, value, seen) in [
        ("connection.id", "other", Seen::Answer),
        ("connection.provider", "instagram", Seen::Call),
        ("connection.account", "999", Seen::Call),
        ("connection.token", "plain:another", Seen::Token),
        ("connection.name", "Grace Hopper", Seen::Initials),
        ("connection.picture_url", "stored", Seen::Call),
    ] {
        assert_differs(&right, &connection_looks(key, value).await.0, seen, key);
    }
}
