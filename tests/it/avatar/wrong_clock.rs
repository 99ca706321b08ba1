//! A clock that ran ahead and is right again: nothing that was written meanwhile holds anything back.

use std::time::Duration;

use avatar_proxy::clock::Clock;
use graphsim::{Fault, Graphsim};
use serde_json::Value;

use super::rows::{KEY, TABLES, seal};
use crate::directory::database::{Db, Kind};
use crate::support::accounts::{FACEBOOK, INSTAGRAM, small};
use crate::support::client::hash;
use crate::support::proxy::{Proxy, START, stand_in};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// As far as a wrong real-time clock or a resumed snapshot may be off.
const AHEAD: Duration = Duration::from_secs(100 * 24 * 3600);
/// Later than a row is read again, and than an unknown id is remembered.
const MINUTE: Duration = Duration::from_secs(61);

/// A proxy whose clock runs ahead, over the Facebook page of the stand-in.
async fn ahead() -> (Graphsim, Proxy) {
    let clock = Clock::manual(START + AHEAD);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    let proxy = Proxy::start(&sim, &clock, &FACEBOOK.entry("")).await;
    (sim, proxy)
}

/// The clock is right again: in the running process, or in the next one.
async fn corrected(sim: &Graphsim, proxy: Proxy, restarts: bool) -> Proxy {
    proxy.settled().await;
    let clock = proxy.clock.clone();
    if !restarts {
        clock.set_back(AHEAD);
        return proxy;
    }
    let folder = proxy.stop().await;
    clock.set_back(AHEAD);
    Proxy::start_in(sim, &clock, &FACEBOOK.entry(""), folder).await
}

async fn inspected(proxy: &Proxy) -> Value {
    let answer = proxy.admin("GET", &format!("/api/avatars/{}", FACEBOOK.id)).await;
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[tokio::test]
async fn a_picture_confirmed_in_the_future_is_shown_and_refreshed_at_its_next_view() {
    for restarts in [false, true] {
        let (sim, proxy) = ahead().await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
        let proxy = corrected(&sim, proxy, restarts).await;
        sim.set_picture(FACEBOOK.account, Some(small(2)));
        let answer = proxy.get(&FACEBOOK.path()).await;
        assert_eq!((answer.state(), answer.hash()), ("stale", hash(&small(1).bytes)), "{restarts}");
        proxy.settled().await;
        let answer = proxy.get(&FACEBOOK.path()).await;
        assert_eq!((answer.state(), answer.hash()), ("fresh", hash(&small(2).bytes)), "{restarts}");
        // What the disk holds, too, is the new picture.
        let (folder, clock) = (proxy.folder.clone(), proxy.clock.clone());
        proxy.stop().await;
        let proxy = Proxy::start_in(&sim, &clock, &FACEBOOK.entry(""), folder).await;
        let answer = proxy.get(&FACEBOOK.path()).await;
        assert_eq!((answer.state(), answer.hash()), ("fresh", hash(&small(2).bytes)), "{restarts}");
    }
}

#[tokio::test]
async fn a_picture_confirmed_in_the_future_ages_from_now_on_while_its_provider_fails() {
    for restarts in [false, true] {
        let (sim, proxy) = ahead().await;
        proxy.get(&FACEBOOK.path()).await;
        let proxy = corrected(&sim, proxy, restarts).await;
        sim.api_fault(None, Some(Fault::Close));
        proxy.get(&FACEBOOK.path()).await;
        proxy.settled().await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "last-good");
        proxy.clock.advance(365 * DAY);
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder", "{restarts}: it is forgotten");
    }
}

#[tokio::test]
async fn a_picture_confirmed_in_the_future_that_nobody_views_is_forgotten_in_time() {
    let (sim, proxy) = ahead().await;
    proxy.get(&FACEBOOK.path()).await;
    let proxy = corrected(&sim, proxy, true).await;
    proxy.service.jobs().sweep().await;
    // A deletion is answered when the disk has written all that came before it.
    assert_eq!(proxy.admin("DELETE", "/api/avatars/another").await.status, 200);
    proxy.clock.advance(365 * DAY);
    proxy.service.jobs().sweep().await;
    assert_eq!(proxy.admin("GET", &format!("/api/avatars/{}", FACEBOOK.id)).await.status, 404);
}

#[tokio::test]
async fn that_an_account_has_no_picture_is_asked_again_if_it_was_learned_in_the_future() {
    for restarts in [false, true] {
        let (sim, proxy) = ahead().await;
        sim.set_picture(FACEBOOK.account, None);
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder");
        let proxy = corrected(&sim, proxy, restarts).await;
        sim.set_picture(FACEBOOK.account, Some(small(2)));
        let answer = proxy.get(&FACEBOOK.path()).await;
        assert_eq!((answer.state(), answer.hash()), ("fresh", hash(&small(2).bytes)), "{restarts}");
    }
}

#[tokio::test]
async fn a_refresh_that_failed_in_the_future_is_tried_again_at_the_next_view() {
    let denied = Fault::GraphError { status: 400, code: 10, subcode: None, message: "no".into() };
    for (restarts, fault) in
        [(false, Fault::Close), (true, Fault::Close), (false, denied.clone()), (true, denied)]
    {
        let (sim, proxy) = ahead().await;
        sim.api_fault(None, Some(fault.clone()));
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder");
        let proxy = corrected(&sim, proxy, restarts).await;
        sim.api_fault(None, None);
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh", "{restarts}, {fault:?}");
    }
}

#[tokio::test]
async fn a_dead_token_stays_dead_whatever_the_clock_said() {
    for restarts in [false, true] {
        let (sim, proxy) = ahead().await;
        sim.revoke_token(FACEBOOK.account);
        proxy.get(&FACEBOOK.path()).await;
        let proxy = corrected(&sim, proxy, restarts).await;
        sim.reset_counters();
        proxy.get(&FACEBOOK.path()).await;
        proxy.settled().await;
        assert_eq!(sim.total_api_calls(), 0, "{restarts}: it is asked for again when the row changes");
    }
}

#[tokio::test]
async fn an_account_that_was_to_rest_in_the_future_is_asked_at_its_next_view() {
    let used =
        r#"{"104500000000002":[{"type":"pages","call_count":100,"estimated_time_to_regain_access":600}]}"#;
    for restarts in [false, true] {
        let (sim, proxy) = ahead().await;
        let quota = Fault::Headers(vec![("X-Business-Use-Case-Usage", used.to_owned())]);
        sim.api_fault(None, Some(quota));
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
        assert!(inspected(&proxy).await["rest_until"].is_number(), "it is to rest for ten hours");
        let proxy = corrected(&sim, proxy, restarts).await;
        sim.api_fault(None, None);
        sim.set_picture(FACEBOOK.account, Some(small(2)));
        assert!(inspected(&proxy).await["rest_until"].is_null(), "{restarts}");
        proxy.get(&FACEBOOK.path()).await;
        proxy.settled().await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(2).bytes), "{restarts}");
    }
}

#[tokio::test]
async fn an_app_near_its_limit_is_not_slowed_down_until_the_future_is_over() {
    let (sim, proxy) = ahead().await;
    let quota = Fault::Headers(vec![("X-App-Usage", r#"{"call_count":99}"#.to_owned())]);
    sim.api_fault(None, Some(quota));
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
    let proxy = corrected(&sim, proxy, false).await;
    sim.api_fault(None, None);
    sim.set_picture(FACEBOOK.account, Some(small(2)));
    proxy.get(&FACEBOOK.path()).await;
    proxy.settled().await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(2).bytes));
}

/// A dashboard's database with its tables, and a proxy over it whose clock is two hours ahead.
async fn over_a_database() -> (Db, Graphsim, Proxy) {
    let (clock, db) = (Clock::manual(START + 2 * HOUR), Db::new(Kind::Sqlite).await);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    INSTAGRAM.add(&sim, small(3));
    db.sql(TABLES).await;
    let settings = format!("[directory]\nurl = '{}'\n[tokens]\nkeys = [\"{KEY}\"]\n", db.url());
    let proxy = Proxy::start(&sim, &clock, &settings).await;
    (db, sim, proxy)
}

async fn connect(db: &Db) {
    let (id, account, token) = (FACEBOOK.id, FACEBOOK.account, seal(FACEBOOK.token));
    db.sql(&format!(r#"INSERT INTO "PageConnection" VALUES ('{id}', '{account}', 'Acme', '{token}', NULL)"#))
        .await;
}

#[tokio::test]
async fn an_id_that_was_unknown_in_the_future_is_looked_up_again() {
    let (db, _sim, proxy) = over_a_database().await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.status, 404);
    proxy.clock.set_back(2 * HOUR);
    connect(&db).await;
    let answer = proxy.get(&FACEBOOK.path()).await;
    assert_eq!((answer.status, answer.hash()), (200, hash(&small(1).bytes)));
}

#[tokio::test]
async fn a_row_that_was_read_in_the_future_and_is_deleted_is_gone_at_its_next_view() {
    let (db, _sim, proxy) = over_a_database().await;
    connect(&db).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.status, 200);
    proxy.settled().await;
    proxy.clock.set_back(2 * HOUR);
    proxy.clock.advance(MINUTE);
    db.sql(r#"DELETE FROM "PageConnection""#).await;
    proxy.get_until(&FACEBOOK.path(), |answer| answer.status == 404).await;
}
