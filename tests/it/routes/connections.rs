//! The dashboard's hooks: a connection was created, updated or deleted.

use std::net::SocketAddr;
use std::time::Duration;

use avatar_proxy::clock::Clock;
use graphsim::{Account, Fault, Graphsim, Kind};
use serde_json::{Value, json};

use super::util::assert_error;
use crate::directory::database::Kind as Database;
use crate::support::accounts::{ALL, Connected, FACEBOOK, INSTAGRAM, small};
use crate::support::client::{Answer, hash, post};
use crate::support::dashboard::{Dashboard, seal};
use crate::support::proxy::{Proxy, START, stand_in};
use crate::support::wait::until;

const MANY: &str = "/api/connections";

fn of(id: &str) -> String {
    format!("{MANY}/{id}")
}

/// The hook for one connection.
pub(crate) async fn tell(admin: SocketAddr, id: &str, event: &str) -> Answer {
    post(admin, &of(id), &json!({ "event": event }).to_string()).await
}

async fn tell_of_many(proxy: &Proxy, event: &str, ids: &[&str]) -> Answer {
    post(proxy.admin, MANY, &json!({ "event": event, "ids": ids }).to_string()).await
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// Waits until every accepted hook is done.
pub(crate) async fn worked_off(proxy: &Proxy) {
    until("all that was accepted is done", async || is_worked_off(proxy).await).await;
    proxy.settled().await;
}

async fn is_worked_off(proxy: &Proxy) -> bool {
    let told = body(&proxy.admin("GET", MANY).await);
    told["done"] == told["accepted"]
}

async fn held(proxy: &Proxy, id: &str) -> Option<Value> {
    let answer = proxy.admin("GET", &format!("/api/avatars/{id}")).await;
    (answer.status == 200).then(|| body(&answer))
}

/// An account of each provider, nothing viewed.
async fn cold(extra: &str) -> (Graphsim, Proxy) {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    ALL.iter().for_each(|connected| connected.add(&sim, small(1)));
    let entries: String = ALL.iter().map(|connected| connected.entry("")).collect();
    let proxy = Proxy::start(&sim, &clock, &(extra.to_owned() + &entries)).await;
    (sim, proxy)
}

/// A dashboard's database with the Facebook page in it, its proxy, and a view.
async fn viewed() -> (Graphsim, Dashboard, Proxy) {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    let dashboard = Dashboard::new(Database::Sqlite, 999).await;
    dashboard.connect(&FACEBOOK, None).await;
    let proxy = Proxy::start(&sim, &clock, &dashboard.config()).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
    proxy.settled().await;
    (sim, dashboard, proxy)
}

#[tokio::test]
async fn a_new_connection_is_warm_before_its_first_view() {
    let (sim, proxy) = cold("").await;
    let told = tell(proxy.admin, FACEBOOK.id, "created").await;
    assert_eq!((told.status, &body(&told)["status"]), (202, &"accepted".into()), "{}", body(&told));
    assert_eq!((&body(&told)["avatars"], &body(&told)["run"]), (&1.into(), &START.as_millis().into()));
    worked_off(&proxy).await;
    assert_eq!((sim.api_calls(FACEBOOK.account), sim.downloads(FACEBOOK.account)), (1, 1));
    let answer = proxy.get(&FACEBOOK.path()).await;
    assert_eq!((answer.state(), answer.hash()), ("fresh", hash(&small(1).bytes)));
    assert_eq!(answer.header("cache-status"), Some("avatar-proxy; hit"));
    assert_eq!(sim.total_api_calls(), 1);
}

#[tokio::test]
async fn no_hook_waits_for_a_provider() {
    let (sim, proxy) = cold("").await;
    sim.api_fault(None, Some(Fault::Hang));
    for event in ["created", "updated", "reauthorized"] {
        let watch = avatar_proxy::clock::Stopwatch::start();
        assert_eq!(tell(proxy.admin, FACEBOOK.id, event).await.status, 202);
        assert!(watch.elapsed() < Duration::from_millis(500), "{event}: {:?}", watch.elapsed());
    }
}

#[tokio::test]
async fn a_fresh_avatar_is_left_alone_however_often_it_is_created() {
    let (sim, proxy) = cold("").await;
    for _ in 0..3 {
        assert_eq!(tell(proxy.admin, FACEBOOK.id, "created").await.status, 202);
        worked_off(&proxy).await;
    }
    assert_eq!(sim.total_api_calls(), 1);
    assert_eq!(held(&proxy, FACEBOOK.id).await.unwrap()["state"], "fresh");
}

#[tokio::test]
async fn a_row_that_comes_after_its_first_view_is_found_at_once() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    let dashboard = Dashboard::new(Database::Sqlite, 999).await;
    let proxy = Proxy::start(&sim, &clock, &dashboard.config()).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.status, 404);
    dashboard.connect(&FACEBOOK, None).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.status, 404, "remembered for avatar.unknown_for");
    tell(proxy.admin, FACEBOOK.id, "created").await;
    worked_off(&proxy).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
}

#[tokio::test]
async fn an_id_without_a_row_is_accepted_and_its_row_may_come_later() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    let dashboard = Dashboard::new(Database::Sqlite, 999).await;
    let proxy = Proxy::start(&sim, &clock, &dashboard.config()).await;
    for event in ["created", "updated", "reauthorized"] {
        assert_eq!(tell(proxy.admin, FACEBOOK.id, event).await.status, 202);
        worked_off(&proxy).await;
    }
    dashboard.connect(&FACEBOOK, None).await;
    assert_eq!(
        proxy.get(&FACEBOOK.path()).await.hash(),
        hash(&small(1).bytes),
        "no cache remembers that it was not there"
    );
}

#[tokio::test]
async fn a_changed_row_is_read_and_its_provider_asked_at_once() {
    let (sim, dashboard, proxy) = viewed().await;
    sim.set_picture(FACEBOOK.account, Some(small(2)));
    sim.renew_token(FACEBOOK.account, "EAAanother-token-of-the-page");
    let sealed = seal("EAAanother-token-of-the-page");
    dashboard
        .db
        .sql(&format!(
            r#"UPDATE "PageConnection" SET "pageAccessTokenEnc" = '{sealed}', "pageName" = 'Ada King'"#
        ))
        .await;
    for calls in [2, 3] {
        assert_eq!(tell(proxy.admin, FACEBOOK.id, "updated").await.status, 202);
        worked_off(&proxy).await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(2).bytes));
        assert_eq!(sim.api_calls(FACEBOOK.account), calls);
    }
    assert!(held(&proxy, FACEBOOK.id).await.unwrap()["trouble"].is_null());
}

#[tokio::test]
async fn a_new_connection_whose_token_has_changed_since_is_asked_for_with_the_new_one() {
    let (sim, dashboard, proxy) = viewed().await;
    sim.renew_token(FACEBOOK.account, "EAAanother-token-of-the-page");
    let sealed = seal("EAAanother-token-of-the-page");
    dashboard.db.sql(&format!(r#"UPDATE "PageConnection" SET "pageAccessTokenEnc" = '{sealed}'"#)).await;
    tell(proxy.admin, FACEBOOK.id, "created").await;
    worked_off(&proxy).await;
    let held = held(&proxy, FACEBOOK.id).await.unwrap();
    assert!(held["trouble"].is_null(), "{held}");
    assert_eq!(sim.api_calls(FACEBOOK.account), 2);
}

#[tokio::test]
async fn a_dead_token_gets_one_attempt_when_its_owner_has_logged_in_again() {
    let (sim, _dashboard, proxy) = viewed().await;
    sim.revoke_token(FACEBOOK.account);
    proxy.admin("POST", &format!("/api/avatars/{}/refresh", FACEBOOK.id)).await;
    let trouble = held(&proxy, FACEBOOK.id).await.unwrap()["trouble"].clone();
    assert_eq!((&trouble["class"], &trouble["retry_at"]), (&"needs_reauth".into(), &Value::Null));
    proxy.clock.advance(Duration::from_secs(30 * 24 * 3600));
    proxy.get(&FACEBOOK.path()).await;
    proxy.settled().await;
    assert_eq!(sim.api_calls(FACEBOOK.account), 2, "no view asks with a dead token");
    tell(proxy.admin, FACEBOOK.id, "created").await;
    worked_off(&proxy).await;
    assert_eq!(sim.api_calls(FACEBOOK.account), 2, "not even for a new connection");
    tell(proxy.admin, FACEBOOK.id, "reauthorized").await;
    worked_off(&proxy).await;
    assert_eq!(sim.api_calls(FACEBOOK.account), 3);
    proxy.get(&FACEBOOK.path()).await;
    proxy.settled().await;
    assert_eq!(sim.api_calls(FACEBOOK.account), 3, "still dead: one attempt and no more");
    sim.renew_token(FACEBOOK.account, FACEBOOK.token);
    tell(proxy.admin, FACEBOOK.id, "reauthorized").await;
    worked_off(&proxy).await;
    assert!(held(&proxy, FACEBOOK.id).await.unwrap()["trouble"].is_null());
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
}

#[tokio::test]
async fn a_refresh_that_was_under_way_with_the_old_row_does_not_stand_for_the_new_one() {
    let (sim, dashboard, proxy) = viewed().await;
    sim.set_picture(FACEBOOK.account, Some(small(2)));
    sim.api_fault_times(None, Fault::Latency(Duration::from_millis(400)), 1);
    proxy.clock.advance(Duration::from_secs(6 * 3600));
    proxy.get(&FACEBOOK.path()).await;
    until("the provider is called", async || sim.api_calls(FACEBOOK.account) == 2).await;
    let other = Account::new(Kind::Facebook, "204500000000009", "EAAtoken-of-the-other-page", small(3));
    sim.add(other);
    let sealed = seal("EAAtoken-of-the-other-page");
    dashboard
        .db
        .sql(&format!(
            r#"UPDATE "PageConnection" SET "pageId" = '204500000000009', "pageAccessTokenEnc" = '{sealed}'"#
        ))
        .await;
    tell(proxy.admin, FACEBOOK.id, "updated").await;
    worked_off(&proxy).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(3).bytes));
}

#[tokio::test]
async fn a_first_refresh_that_waits_with_the_old_row_does_not_stand_for_the_new_one() {
    let clock = Clock::manual(START);
    let (sim, dashboard) = (stand_in(&clock).await, Dashboard::new(Database::Sqlite, 999).await);
    let second = Connected { id: "second", account: "204500000000003", token: "EAAsecond", ..FACEBOOK };
    for (connected, seed) in [(&FACEBOOK, 1), (&second, 2)] {
        connected.add(&sim, small(seed));
        dashboard.connect(connected, None).await;
    }
    let settings = format!("providers.facebook.max_calls = 1\n{}", dashboard.config());
    let proxy = Proxy::start(&sim, &clock, &settings).await;
    sim.api_fault(Some(FACEBOOK.account), Some(Fault::Latency(Duration::from_millis(600))));
    let (first, waits) = (FACEBOOK.path(), second.path());
    let tell_while_it_waits = async {
        proxy.has_waiting(1).await;
        sim.renew_token(second.account, "EAAanother-token-of-the-second");
        let sealed = seal("EAAanother-token-of-the-second");
        let row =
            format!(r#"UPDATE "PageConnection" SET "pageAccessTokenEnc" = '{sealed}' WHERE "id" = 'second'"#);
        dashboard.db.sql(&row).await;
        assert_eq!(tell(proxy.admin, second.id, "updated").await.status, 202);
    };
    let meanwhile = async {
        proxy.has_running(1).await;
        tokio::join!(proxy.get(&waits), tell_while_it_waits)
    };
    tokio::join!(proxy.get(&first), meanwhile);
    worked_off(&proxy).await;
    let held = held(&proxy, second.id).await.unwrap();
    assert!(held["trouble"].is_null() && held["state"] == "fresh", "{held}");
    assert_eq!(sim.api_calls(second.account), 1, "never with the old token");
}

#[tokio::test]
async fn a_deletion_is_done_when_it_is_answered_and_an_unknown_id_is_no_error() {
    let (sim, proxy) = cold("").await;
    proxy.get(&FACEBOOK.path()).await;
    proxy.settled().await;
    for avatars in [1, 0] {
        let told = tell(proxy.admin, FACEBOOK.id, "deleted").await;
        assert_eq!((told.status, body(&told)), (200, json!({ "status": "deleted", "avatars": avatars })));
        assert_eq!(held(&proxy, FACEBOOK.id).await, None);
    }
    assert_eq!(tell(proxy.admin, "nobody", "deleted").await.status, 200);
    assert_eq!(sim.total_api_calls(), 1);
    // Its row is still there: the next view shows it again.
    assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
}

#[tokio::test]
async fn a_deletion_cancels_the_hooks_that_wait() {
    let (sim, proxy) = cold("[avatar]\nmax_refreshes = 1\n").await;
    sim.api_fault(None, Some(Fault::Latency(Duration::from_millis(300))));
    tell_of_many(&proxy, "created", &[FACEBOOK.id, INSTAGRAM.id]).await;
    until("the provider is called", async || sim.total_api_calls() > 0).await;
    // One is under way, the other waits for it.
    let deleted = tell_of_many(&proxy, "deleted", &[FACEBOOK.id, INSTAGRAM.id]).await;
    assert_eq!(deleted.status, 200);
    worked_off(&proxy).await;
    assert_eq!((held(&proxy, FACEBOOK.id).await, held(&proxy, INSTAGRAM.id).await), (None, None));
    assert_eq!(sim.total_api_calls(), 1);
}

#[tokio::test]
async fn a_thousand_ids_of_64_characters_are_accepted_at_once_and_refreshed_a_few_at_a_time() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let mut entries = "[avatar]\nmax_refreshes = 8\n".to_owned();
    let ids: Vec<String> = (0..1000).map(|n| format!("{n:0>64}")).collect();
    for (n, id) in ids.iter().enumerate().take(40) {
        let (account, token) = (format!("20450000000{n:04}"), format!("EAAtoken-of-{n}"));
        sim.add(Account::new(Kind::Facebook, &account, &token, small(1)));
        entries += &format!(
            "[[connection]]\nid = \"{id}\"\nprovider = \"facebook\"\naccount = \"{account}\"\ntoken = \"plain:{token}\"\n"
        );
    }
    let proxy = Proxy::start(&sim, &clock, &entries).await;
    sim.api_fault(None, Some(Fault::Latency(Duration::from_millis(20))));
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let told = tell_of_many(&proxy, "created", &ids).await;
    assert_eq!((told.status, &body(&told)["avatars"]), (202, &1000.into()), "{}", body(&told));
    let mut most = 0;
    while !is_worked_off(&proxy).await {
        most = most.max(proxy.service.snapshot().depth().0);
    }
    assert!((1..=2).contains(&most), "a quarter of avatar.max_refreshes, and not {most}");
    assert_eq!((sim.total_api_calls(), sim.total_downloads()), (40, 40), "no refresh fell out");
    let deleted = tell_of_many(&proxy, "deleted", &ids).await;
    assert_eq!(body(&deleted), json!({ "status": "deleted", "avatars": 40 }));
}

#[tokio::test]
async fn a_batch_too_many_is_refused_as_a_whole_and_accepted_later() {
    let (sim, proxy) = cold("[avatar]\nmax_refreshes = 1\n").await;
    sim.api_fault_times(None, Fault::Latency(Duration::from_millis(600)), 1);
    tell(proxy.admin, FACEBOOK.id, "created").await;
    until("the provider is called", async || sim.total_api_calls() > 0).await;
    let batch = |n: usize| (0..1000).map(|id| format!("nobody-{n}-{id}")).collect::<Vec<String>>();
    let post_batch = async |n| {
        let ids = batch(n);
        tell_of_many(&proxy, "created", &ids.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    for n in 0..9 {
        assert_eq!(post_batch(n).await.status, 202, "{n}");
    }
    let refused = post_batch(9).await;
    assert_error(&refused, 503, "busy");
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert_error(
        &tell_of_many(&proxy, "updated", &batch(9).iter().map(String::as_str).collect::<Vec<_>>()).await,
        503,
        "busy",
    );
    worked_off(&proxy).await;
    assert_eq!(post_batch(9).await.status, 202);
}

#[tokio::test]
async fn a_database_that_is_away_for_a_moment_loses_no_hook() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    let dashboard = Dashboard::new(Database::Sqlite, 999).await;
    dashboard.connect(&FACEBOOK, None).await;
    let file = dashboard.db.url().strip_prefix("file:").unwrap().to_owned();
    let proxy = Proxy::start(&sim, &clock, &dashboard.config()).await;
    std::fs::rename(&file, format!("{file}.away")).unwrap();
    assert_eq!(tell(proxy.admin, FACEBOOK.id, "created").await.status, 202);
    // A view waits for the attempt that is under way, or makes one more.
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder");
    std::fs::rename(format!("{file}.away"), &file).unwrap();
    worked_off(&proxy).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.header("cache-status"), Some("avatar-proxy; hit"));
}

#[tokio::test]
async fn a_wrong_hook_is_refused_with_what_would_be_right() {
    let (sim, proxy) = cold("").await;
    for wrong in [
        "",
        "{}",
        "[]",
        "created",
        r#"{"event":"made"}"#,
        r#"{"event":"created","ids":["a"]}"#,
        r#"{"event":null}"#,
        r#"{"event":"created"}}"#,
    ] {
        assert_error(&post(proxy.admin, &of(FACEBOOK.id), wrong).await, 400, "invalid_event");
    }
    let too_many = json!({ "event": "created", "ids": vec!["a"; 1001] }).to_string();
    for wrong in [
        "",
        r#"{"event":"created"}"#,
        r#"{"event":"created","ids":[]}"#,
        r#"{"event":"created","ids":"a"}"#,
        r#"{"ids":["a"]}"#,
        r#"{"event":"created","ids":["a"],"all":true}"#,
        &too_many,
    ] {
        assert_error(&post(proxy.admin, MANY, wrong).await, 400, "invalid_event");
    }
    for event in ["created", "updated", "reauthorized", "deleted"] {
        assert_error(&tell_of_many(&proxy, event, &[FACEBOOK.id, "a/b"]).await, 400, "invalid_id");
        assert_error(&tell(proxy.admin, "a.b", event).await, 400, "invalid_id");
    }
    let too_long = json!({ "event": "created", "ids": vec!["a".repeat(64); 2000] }).to_string();
    assert_error(&post(proxy.admin, MANY, &too_long).await, 413, "body_too_long");
    worked_off(&proxy).await;
    assert_eq!(sim.total_api_calls(), 0, "nothing of it was taken for something");
}

#[tokio::test]
async fn an_id_that_stands_twice_is_one() {
    let (sim, proxy) = cold("").await;
    let told = tell_of_many(&proxy, "created", &[FACEBOOK.id, INSTAGRAM.id, FACEBOOK.id]).await;
    assert_eq!(body(&told)["avatars"], 2);
    worked_off(&proxy).await;
    assert_eq!(sim.total_api_calls(), 2);
}

#[tokio::test]
async fn other_methods_are_405_and_the_token_is_asked_for() {
    let (_sim, proxy) = cold("").await;
    for (target, allow, methods) in [
        (MANY.to_owned(), "GET, HEAD, POST", ["PUT", "DELETE", "PATCH"]),
        (of(FACEBOOK.id), "POST", ["GET", "PUT", "DELETE"]),
    ] {
        for method in methods {
            let answer = proxy.admin(method, &target).await;
            assert_error(&answer, 405, "method_not_allowed");
            assert_eq!(answer.header("allow"), Some(allow), "{method} {target}");
        }
    }
    assert_eq!(proxy.request("POST", &of(FACEBOOK.id), "").await.status, 404, "not on the public port");
    let (sim, guarded) = cold("[admin]\ntoken = \"the-admins-own-token-41c7\"\n").await;
    for event in ["created", "deleted"] {
        assert_error(&tell(guarded.admin, FACEBOOK.id, event).await, 401, "unauthorized");
        assert_error(&tell_of_many(&guarded, event, &[FACEBOOK.id]).await, 401, "unauthorized");
    }
    assert_eq!(sim.total_api_calls(), 0);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_the_hooks_that_it_accepted() {
    let (sim, proxy) = cold("[avatar]\nmax_refreshes = 1\n").await;
    sim.api_fault(None, Some(Fault::Latency(Duration::from_millis(500))));
    tell_of_many(&proxy, "created", &ALL.map(|connected| connected.id)).await;
    until("the provider is called", async || sim.total_api_calls() > 0).await;
    let watch = avatar_proxy::clock::Stopwatch::start();
    proxy.stop().await;
    assert!(watch.elapsed() < Duration::from_secs(3), "{:?}", watch.elapsed());
    assert_eq!(sim.total_api_calls(), 1, "what waited was not begun");
}
