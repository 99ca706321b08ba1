//! What a reply names beside the picture: the account's name, and when its token ends.

use std::time::Duration;

use avatar_proxy::clock::Clock;
use graphsim::{Endpoint, Fault, Graphsim};
use serde_json::{Value, json};

use crate::directory::database::{Db, Kind};
use crate::support::accounts::small;
use crate::support::client::hash;
use crate::support::proxy::{Proxy, START, stand_in};
use crate::support::wait::until;

/// In seconds: 2026-03-01 00:00 UTC and a month later.
const ENDS: i64 = 1_772_323_200;
const LATER: i64 = 1_775_001_600;

/// An account whose picture, name and end of the token a test changes.
struct Account {
    sim: Graphsim,
    clock: Clock,
}

impl Account {
    async fn new() -> Self {
        let clock = Clock::manual(START);
        let sim = stand_in(&clock).await;
        let account = Self { sim, clock };
        account.is("a", 1, "Ada Lovelace", Some(ENDS));
        account
    }

    /// What the API says from now on.
    fn is(&self, file: &str, seed: u32, name: &str, ends: Option<i64>) {
        let picture = self.sim.put_file(&format!("/p/{file}.jpg"), small(seed));
        let body = json!({"picture": picture, "name": name, "ends": ends});
        self.sim.serve(Endpoint::new("/me", None, body));
    }

    fn block(&self) -> String {
        format!(
            "[[providers.json]]\nname = 'other'\nurl = '{}/me'\nauth = 'none'\npointer = '/picture'\n\
             name_pointer = '/name'\ntoken_expires_pointer = '/ends'\nhosts = ['127.0.0.1']\n",
            self.sim.other_url()
        )
    }

    /// A proxy with a row that names nothing but its token.
    async fn proxy(&self) -> Proxy {
        Proxy::start(&self.sim, &self.clock, &self.row("first")).await
    }

    fn row(&self, token: &str) -> String {
        format!("[[connection]]\nid = 'acme'\nprovider = 'other'\ntoken = 'plain:{token}'\n{}", self.block())
    }

    /// The same as a row of a table that says when the token ends; and what names the table.
    async fn in_a_table(&self, ends: i64) -> (Db, String) {
        let db = Db::new(Kind::Sqlite).await;
        let row = format!("INSERT INTO other VALUES ('acme', 'x', {ends})");
        db.sql(&format!("CREATE TABLE other (id TEXT PRIMARY KEY, token TEXT, ends INTEGER); {row}")).await;
        let table = "[[directory.table]]\nprovider = 'other'\ntable = 'other'\nid = 'id'\ntoken = 'token'\n\
                     token_expires_at = 'ends'\n";
        let directory = format!("[directory]\nurl = '{}'\nwrite_back = false\n{table}", db.url());
        (db, directory + &self.block())
    }

    fn calls(&self) -> usize {
        self.sim.endpoint_calls("/me")
    }
}

/// The end of the token in seconds, and the initials of a placeholder.
async fn told(proxy: &Proxy) -> (Option<i64>, String) {
    let answer = proxy.admin("GET", "/api/avatars/acme").await;
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    let drawn = String::from_utf8(proxy.get("/avatar/acme?f=y").await.body).unwrap().replace('\u{200c}', "");
    let initials = ["AL", "GH"].into_iter().find(|initials| drawn.contains(&format!(">{initials}<")));
    (said["token_expires_at"].as_i64().map(|at| at / 1000), initials.unwrap_or_default().to_owned())
}

async fn refresh(proxy: &Proxy) -> Value {
    let answer = proxy.admin("POST", "/api/avatars/acme/refresh").await;
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn the_name_and_token_end_of_a_reply_whose_picture_failed_stay_when_it_is_fetched_without_another_call()
{
    let account = Account::new().await;
    let proxy = account.proxy().await;
    proxy.get("/avatar/acme").await;
    assert_eq!(told(&proxy).await, (Some(ENDS), "AL".to_owned()));
    account.is("b", 2, "Grace Hopper", Some(LATER));
    let down = Fault::Status { status: 500, content_type: "text/plain", body: String::new() };
    account.sim.cdn_fault(None, Some(down));
    assert_eq!(refresh(&proxy).await["trouble"]["class"], "transient");
    assert_eq!(told(&proxy).await, (Some(LATER), "GH".to_owned()));
    account.sim.cdn_fault(None, None);
    let calls = account.calls();
    assert_eq!(refresh(&proxy).await["trouble"], Value::Null);
    assert_eq!(account.calls(), calls, "the address that is held leads to the picture");
    assert_eq!(proxy.get("/avatar/acme").await.hash(), hash(&small(2).bytes));
    assert_eq!(told(&proxy).await, (Some(LATER), "GH".to_owned()));
}

#[tokio::test]
async fn a_token_end_that_the_provider_no_longer_names_is_dropped() {
    let account = Account::new().await;
    let proxy = account.proxy().await;
    proxy.get("/avatar/acme").await;
    account.is("a", 1, "Ada Lovelace", None);
    refresh(&proxy).await;
    assert_eq!(told(&proxy).await, (None, "AL".to_owned()));
}

#[tokio::test]
async fn the_end_of_the_old_token_says_nothing_of_the_new_one() {
    let account = Account::new().await;
    let proxy = account.proxy().await;
    proxy.get("/avatar/acme").await;
    account.sim.serve(Endpoint { status: 500, ..Endpoint::new("/me", None, json!({})) });
    assert_eq!(refresh(&proxy).await["trouble"]["class"], "transient");
    assert_eq!(told(&proxy).await.0, Some(ENDS), "a failure takes nothing away");
    let folder = proxy.stop().await;
    let proxy = Proxy::start_in(&account.sim, &account.clock, &account.row("second"), folder).await;
    assert_eq!(refresh(&proxy).await["trouble"]["class"], "transient");
    assert_eq!(told(&proxy).await.0, None);
}

#[tokio::test]
async fn a_token_end_from_the_row_is_never_taken_for_the_providers() {
    let account = Account::new().await;
    let (db, settings) = account.in_a_table(LATER).await;
    let proxy = Proxy::start(&account.sim, &account.clock, &settings).await;
    proxy.get("/avatar/acme").await;
    assert_eq!(told(&proxy).await.0, Some(LATER), "the row's word comes first");
    db.sql("UPDATE other SET ends = NULL").await;
    account.sim.serve(Endpoint { status: 500, ..Endpoint::new("/me", None, json!({})) });
    let proxy = Proxy::start_in(&account.sim, &account.clock, &settings, proxy.stop().await).await;
    assert_eq!(refresh(&proxy).await["trouble"]["class"], "transient");
    assert_eq!(told(&proxy).await.0, None);
    account.is("a", 1, "Ada Lovelace", Some(ENDS));
    refresh(&proxy).await;
    assert_eq!(told(&proxy).await.0, Some(ENDS));
}

#[tokio::test]
async fn a_view_notices_that_the_row_no_longer_names_a_token_end() {
    let account = Account::new().await;
    let (db, settings) = account.in_a_table(LATER).await;
    let proxy = Proxy::start(&account.sim, &account.clock, &settings).await;
    proxy.get("/avatar/acme").await;
    db.sql("UPDATE other SET ends = NULL").await;
    account.clock.advance(Duration::from_secs(61));
    until("the row names no end", async || told(&proxy).await.0.is_none()).await;
}
