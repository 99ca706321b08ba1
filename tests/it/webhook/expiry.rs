//! Tokens that end soon: the state says so, and one event reports it.

use std::time::Duration;

use graphsim::{Endpoint, Fault};
use serde_json::{Value, json};

use super::util::{MINUTE, STALE, World, tried, until, view, world};
use crate::support::accounts::{FACEBOOK, small};
use crate::support::proxy::{Proxy, START};
use crate::support::webhooks::{OK, Reply};

const DAY: Duration = Duration::from_secs(24 * 3600);
const TABLE: &str = "[[directory.table]]\nprovider = 'facebook'\ntable = 'PageConnection'\nid = 'id'\n\
    account = 'pageId'\ntoken = 'pageAccessTokenEnc'\ntoken_expires_at = 'tokenExpiresAt'\n";

/// The dashboard knows when the page's token ends: in that many days.
async fn ending_in(days: u32) -> World {
    let world = world().await;
    world.db.sql(r#"ALTER TABLE "PageConnection" ADD "tokenExpiresAt" DATETIME"#).await;
    write_end(&world, days).await;
    world
}

/// As Prisma writes it.
async fn write_end(world: &World, days: u32) {
    let end = (START + DAY * days).as_millis();
    world.db.sql(&format!(r#"UPDATE "PageConnection" SET "tokenExpiresAt" = {end}"#)).await;
}

/// What the admin API says of the token's end.
async fn said(proxy: &Proxy) -> (Value, Value) {
    let answer = proxy.admin("GET", &format!("/api/avatars/{}", FACEBOOK.id)).await;
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    (said["token_expires_at"].clone(), said["expires_soon"].clone())
}

#[tokio::test]
pub(crate) async fn a_token_that_ends_within_seven_days_is_reported_once_over_views_refreshes_sweeps_and_restarts()
 {
    let world = ending_in(10).await;
    let proxy = world.proxy(TABLE).await;
    view(&proxy).await;
    let end = (START + DAY * 10).as_millis();
    assert_eq!(said(&proxy).await, (json!(end), json!(false)));
    world.clock.advance(DAY * 3 - MINUTE);
    view(&proxy).await;
    world.receiver.expect(0).await;
    world.clock.advance(MINUTE * 2);
    view(&proxy).await;
    let [soon] = world.receiver.expect(1).await.try_into().unwrap();
    assert_eq!(soon.kind(), "expires_soon");
    assert_eq!(soon.json()["timestamp"], "2026-01-04T00:01:01.000Z", "when it was seen");
    let data = soon.data();
    assert_eq!(data["token_expires_at"], "2026-01-11T00:00:00.000Z");
    assert_eq!((&data["id"], &data["reason"]), (&json!(FACEBOOK.id), &Value::Null));
    assert_eq!(said(&proxy).await, (json!(end), json!(true)));

    let calls = world.sim.total_api_calls();
    view(&proxy).await;
    assert_eq!(world.sim.total_api_calls(), calls, "no provider is asked because of it");
    world.clock.advance(STALE);
    view(&proxy).await;
    proxy.service.jobs().sweep().await;
    let proxy = world.proxy_in(proxy.stop().await, TABLE).await;
    world.clock.advance(STALE);
    view(&proxy).await;
    proxy.service.jobs().sweep().await;
    assert_eq!(said(&proxy).await, (json!(end), json!(true)));
    world.receiver.expect(1).await;
}

#[tokio::test]
pub(crate) async fn the_end_of_a_token_whose_avatar_nobody_views_is_reported_by_the_sweep() {
    let world = ending_in(8).await;
    let proxy = world.proxy(TABLE).await;
    view(&proxy).await;
    let proxy = world.proxy_in(proxy.stop().await, TABLE).await;
    proxy.service.jobs().sweep().await;
    world.receiver.expect(0).await;
    world.clock.advance(DAY * 2);
    let calls = world.sim.total_api_calls();
    for _ in 0..2 {
        proxy.service.jobs().sweep().await;
        assert_eq!(world.receiver.expect(1).await[0].kind(), "expires_soon");
    }
    assert_eq!(world.sim.total_api_calls(), calls);
}

#[tokio::test]
async fn a_renewed_token_ends_the_state_and_its_own_end_is_reported_again() {
    let world = ending_in(3).await;
    let proxy = world.proxy(TABLE).await;
    view(&proxy).await;
    world.receiver.expect(1).await;
    world.reconnect("EAAthe-new-token").await;
    write_end(&world, 60).await;
    world.clock.advance(MINUTE);
    view(&proxy).await;
    until("the new end is known", async || said(&proxy).await.1 == json!(false)).await;
    // The dashboard may learn of an end later than of its token.
    write_end(&world, 5).await;
    world.clock.advance(MINUTE);
    view(&proxy).await;
    let messages = world.receiver.expect(2).await;
    assert_eq!(messages[1].data()["token_expires_at"], "2026-01-06T00:00:00.000Z");
    assert!(messages[0].sequence() < messages[1].sequence());
}

#[tokio::test]
async fn a_token_end_that_was_near_when_it_was_first_seen_waits_for_its_receiver_like_every_event() {
    let world = ending_in(1).await;
    let proxy = world.proxy(TABLE).await;
    world.receiver.set(Reply::Status(500, ""));
    view(&proxy).await;
    tried(&world, &proxy, 1).await;
    world.receiver.set(OK);
    world.clock.advance(MINUTE);
    assert_eq!(world.receiver.expect(1).await[0].kind(), "expires_soon");
}

#[tokio::test]
async fn an_impossible_token_end_is_ignored_and_the_picture_is_shown() {
    let world = ending_in(3).await;
    // To SQLite's own functions "now" is a time.
    for end in ["NULL", "0", "-1", "'soon'", "7", "'now'", "''", "1e300", "x'31373637323235363030'"] {
        world.db.sql(&format!(r#"UPDATE "PageConnection" SET "tokenExpiresAt" = {end}"#)).await;
        let proxy = world.proxy(TABLE).await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh", "{end}");
        assert_eq!(said(&proxy).await, (Value::Null, json!(false)), "{end}");
    }
    world.receiver.expect(0).await;
}

/// A row of a JSON provider that says when its token ends: in that many days.
fn told_by_the_provider(world: &World, days: u32) -> String {
    let picture = world.sim.put_file("/p/a.jpg", small(1));
    let ends = (START + DAY * days).as_secs();
    world.sim.serve(Endpoint::new("/me", None, json!({"picture": picture, "ends": ends})));
    format!(
        "[[connection]]\nid = '{}'\nprovider = 'other'\n[[providers.json]]\nname = 'other'\nurl = '{}/me'\nauth = 'none'\n\
         pointer = '/picture'\ntoken_expires_pointer = '/ends'\nhosts = ['127.0.0.1']\n",
        FACEBOOK.id,
        world.sim.other_url()
    )
}

#[tokio::test]
pub(crate) async fn a_token_end_that_only_the_provider_names_is_reported_once_by_a_view_or_by_the_sweep() {
    for viewed in [true, false] {
        let world = world().await;
        let block = told_by_the_provider(&world, 8);
        let proxy = world.proxy(&block).await;
        view(&proxy).await;
        let end = (START + DAY * 8).as_millis();
        assert_eq!(said(&proxy).await, (json!(end), json!(false)));
        let proxy = world.proxy_in(proxy.stop().await, &block).await;
        proxy.service.jobs().sweep().await;
        world.receiver.expect(0).await;
        world.clock.advance(DAY * 2);
        let calls = world.sim.endpoint_calls("/me");
        for _ in 0..2 {
            match viewed {
                true => view(&proxy).await,
                false => _ = proxy.service.jobs().sweep().await,
            }
            let [soon] = world.receiver.expect(1).await.try_into().unwrap();
            assert_eq!(soon.kind(), "expires_soon");
            assert_eq!(soon.data()["token_expires_at"], "2026-01-09T00:00:00.000Z");
        }
        assert_eq!(said(&proxy).await, (json!(end), json!(true)));
        assert_eq!(
            world.sim.endpoint_calls("/me"),
            calls + usize::from(viewed),
            "a stale view asks, no sweep does"
        );
    }
}

#[tokio::test]
async fn a_row_that_is_read_while_a_refresh_fails_does_not_undo_the_failure() {
    let world = ending_in(30).await;
    let proxy = world.proxy(TABLE).await;
    view(&proxy).await;
    world.clock.advance(MINUTE);
    world.sim.revoke_token(FACEBOOK.account);
    world.sim.api_fault(None, Some(Fault::Latency(Duration::from_millis(400))));
    let calls = world.sim.total_api_calls();
    let path = format!("/api/avatars/{}/refresh", FACEBOOK.id);
    let read_meanwhile = async {
        until("the provider is asked", async || world.sim.total_api_calls() > calls).await;
        write_end(&world, 60).await;
        let mut locked = world.db.sqlite().await;
        sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut locked).await.unwrap();
        // It has the row read again, which must wait for the lock.
        proxy.get(&FACEBOOK.path()).await;
        until("the refresh has failed", async || trouble(&proxy).await == "needs_reauth").await;
        sqlx::raw_sql("COMMIT").execute(&mut locked).await.unwrap();
    };
    tokio::join!(proxy.admin("POST", &path), read_meanwhile);
    world.receiver.expect(1).await;
    assert_eq!(trouble(&proxy).await, "needs_reauth");
    world.clock.advance(MINUTE);
    view(&proxy).await;
    let end = json!((START + DAY * 60).as_millis());
    until("the new end is known", async || said(&proxy).await.0 == end).await;
    assert_eq!(trouble(&proxy).await, "needs_reauth");
}

/// The class of the last failure.
async fn trouble(proxy: &Proxy) -> Value {
    let answer = proxy.admin("GET", &format!("/api/avatars/{}", FACEBOOK.id)).await;
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    said["trouble"]["class"].clone()
}
