//! Each kind is sent by what causes it, and by nothing else.

use std::net::SocketAddr;
use std::time::Duration;

use avatar_proxy::model::ETag;
use graphsim::Fault;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::util::{MINUTE, STALE, all_sent, change, until, view, viewed, world};
use crate::routes::connections::tell;
use crate::support::accounts::{FACEBOOK, small};
use crate::support::chaos::{Chaos, Mode};
use crate::support::redis::RedisServer;
use crate::support::webhooks::Message;

fn kinds(messages: &[Message]) -> Vec<String> {
    messages.iter().map(Message::kind).collect()
}

#[tokio::test]
async fn another_picture_is_reported_with_its_etag_and_a_first_or_equal_one_is_not() {
    let (world, proxy) = viewed().await;
    world.clock.advance(STALE);
    view(&proxy).await;
    world.receiver.expect(0).await;
    world.sim.set_picture(FACEBOOK.account, Some(small(2)));
    world.clock.advance(STALE);
    view(&proxy).await;
    let [changed] = world.receiver.expect(1).await.try_into().unwrap();
    assert!(changed.head.starts_with("POST /hooks/avatars?from=proxy HTTP/1.1\r\n"), "{}", changed.head);
    assert_eq!(changed.header("content-type"), "application/json");
    let (data, sequence) = (changed.data(), changed.sequence());
    let etag = ETag::of(&small(2).bytes).as_str().to_owned();
    assert_eq!(
        data,
        json!({ "id": FACEBOOK.id, "provider": "facebook", "reason": null, "etag": etag, "sequence": sequence })
    );
    assert_eq!(changed.json()["timestamp"], "2026-01-01T12:00:02.000Z");
    assert_eq!(changed.id(), format!("{}_changed_{sequence}", FACEBOOK.id));
    assert_eq!(proxy.get(&FACEBOOK.path()).await.header("etag"), Some(etag.as_str()));
}

#[tokio::test]
async fn a_removed_picture_and_one_that_came_back_are_reported() {
    let (world, proxy) = viewed().await;
    for picture in [None, Some(small(1))] {
        world.sim.set_picture(FACEBOOK.account, picture);
        world.clock.advance(STALE);
        view(&proxy).await;
        all_sent(&proxy).await;
    }
    let messages = world.receiver.expect(2).await;
    assert_eq!(kinds(&messages), ["no_picture", "changed"]);
    assert!(messages[0].data()["etag"].is_null());
    assert!(messages[0].sequence() < messages[1].sequence());
}

#[tokio::test]
async fn a_dead_token_is_reported_once_and_its_renewal_once() {
    let (world, proxy) = viewed().await;
    world.sim.revoke_token(FACEBOOK.account);
    world.clock.advance(STALE);
    view(&proxy).await;
    all_sent(&proxy).await;
    for _ in 0..3 {
        world.clock.advance(STALE);
        view(&proxy).await;
        // An operator may also try in vain.
        proxy.admin("POST", &format!("/api/avatars/{}/refresh", FACEBOOK.id)).await;
    }
    let [dead] = world.receiver.expect(1).await.try_into().unwrap();
    assert_eq!((dead.kind().as_str(), &dead.data()["reason"]), ("needs_reauth", &json!("needs_reauth")));
    assert_eq!(dead.data()["etag"], ETag::of(&small(1).bytes).as_str(), "what is shown meanwhile");

    world.reconnect("EAAthe-new-token").await;
    world.clock.advance(MINUTE);
    proxy.get_until(&FACEBOOK.path(), |answer| answer.state() == "fresh").await;
    let messages = world.receiver.expect(2).await;
    assert_eq!(kinds(&messages), ["needs_reauth", "recovered"]);
    assert_eq!(messages[1].data()["reason"], "needs_reauth", "what is over");
}

#[tokio::test]
async fn a_recovery_is_reported_whatever_has_failed_before_it() {
    let (world, proxy) = viewed().await;
    world.sim.revoke_token(FACEBOOK.account);
    world.clock.advance(STALE);
    view(&proxy).await;
    world.reconnect("EAAthe-new-token").await;
    world.sim.api_fault(None, Some(graphsim::Fault::Close));
    world.clock.advance(MINUTE);
    view(&proxy).await;
    view(&proxy).await;
    world.sim.api_fault(None, None);
    world.clock.advance(Duration::from_secs(10));
    proxy.get_until(&FACEBOOK.path(), |answer| answer.state() == "fresh").await;
    assert_eq!(kinds(&world.receiver.expect(2).await), ["needs_reauth", "recovered"]);
}

#[tokio::test]
async fn a_fault_of_the_configuration_and_its_end_are_reported_over_restarts() {
    let world = world().await;
    let wrong = "[tokens]\nkeys = [\"sha256:another pass phrase\"]\n";
    let proxy = world.proxy(wrong).await;
    view(&proxy).await;
    world.receiver.expect(1).await;
    world.clock.advance(MINUTE);
    // Still wrong: it is tried once more, and that is no news.
    let proxy = world.proxy_in(proxy.stop().await, wrong).await;
    view(&proxy).await;
    world.receiver.expect(1).await;
    world.clock.advance(MINUTE);
    let proxy = world.proxy_in(proxy.stop().await, "").await;
    view(&proxy).await;
    let messages = world.receiver.expect(2).await;
    assert_eq!(kinds(&messages), ["misconfigured", "recovered"]);
    assert_eq!(messages[1].data()["reason"], "misconfigured");
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
}

#[tokio::test]
async fn a_soft_purge_forgets_no_dead_token() {
    let (world, proxy) = viewed().await;
    world.sim.revoke_token(FACEBOOK.account);
    world.clock.advance(STALE);
    view(&proxy).await;
    world.clock.advance(MINUTE);
    proxy.admin("POST", &format!("/api/avatars/{}/purge", FACEBOOK.id)).await;
    let calls = world.sim.total_api_calls();
    view(&proxy).await;
    assert_eq!(world.sim.total_api_calls(), calls + 1, "a purge allows an attempt at once");
    world.receiver.expect(1).await;
    proxy.admin("POST", &format!("/api/avatars/{}/purge", FACEBOOK.id)).await;
    world.reconnect("EAAthe-new-token").await;
    world.clock.advance(MINUTE);
    proxy.get_until(&FACEBOOK.path(), |answer| answer.state() == "fresh").await;
    assert_eq!(kinds(&world.receiver.expect(2).await), ["needs_reauth", "recovered"]);
}

#[tokio::test]
async fn a_deleted_row_is_reported_and_an_operators_purge_is_not() {
    let (world, proxy) = viewed().await;
    proxy.admin("DELETE", &format!("/api/avatars/{}", FACEBOOK.id)).await;
    view(&proxy).await;
    proxy.admin("POST", &format!("/api/avatars/{}/purge", FACEBOOK.id)).await;
    view(&proxy).await;
    world.receiver.expect(0).await;
    world.db.sql(r#"DELETE FROM "PageConnection""#).await;
    world.clock.advance(MINUTE);
    proxy.get_until(&FACEBOOK.path(), |answer| answer.status == 404).await;
    let [deleted] = world.receiver.expect(1).await.try_into().unwrap();
    assert_eq!((deleted.kind().as_str(), &deleted.data()["provider"]), ("deleted", &json!("facebook")));
    assert!(deleted.data()["etag"].is_null() && deleted.data()["reason"].is_null());
}

#[tokio::test]
async fn a_deletion_that_the_dashboard_asked_for_is_reported_once() {
    let (world, proxy) = viewed().await;
    for _ in 0..2 {
        assert_eq!(tell(proxy.admin, FACEBOOK.id, "deleted").await.status, 200);
    }
    assert_eq!(kinds(&world.receiver.expect(1).await), ["deleted"]);
}

#[tokio::test]
async fn a_deletion_whose_caller_leaves_is_done() {
    let (world, proxy) = viewed().await;
    // The file takes nothing until the caller has left.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(proxy.disk_file());
    let mut file = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut file).await.unwrap();
    world.db.sql(r#"DELETE FROM "PageConnection""#).await;
    let mut caller = TcpStream::connect(proxy.admin).await.unwrap();
    let body = r#"{"event":"deleted"}"#;
    let head = format!(
        "POST /api/connections/{} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        FACEBOOK.id,
        body.len()
    );
    caller.write_all((head + body).as_bytes()).await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(150), caller.readable()).await;
    assert!(waits.is_err(), "the deletion waits for the file");
    // The server closes the connection when it has seen that the caller leaves.
    caller.shutdown().await.unwrap();
    assert_eq!(caller.read(&mut [0]).await.unwrap(), 0, "no answer");
    sqlx::raw_sql("ROLLBACK").execute(&mut file).await.unwrap();
    let held = format!("/api/avatars/{}", FACEBOOK.id);
    until("it is gone", async || proxy.admin("GET", &held).await.status == 404).await;
    assert_eq!(kinds(&world.receiver.expect(1).await), ["deleted"]);
}

#[tokio::test]
async fn a_refresh_that_ends_while_a_deletion_waits_for_redis_is_not_reported_after_it() {
    let (world, redis) = (world().await, RedisServer::start());
    let chaos = Chaos::start(SocketAddr::from(([127, 0, 0, 1], redis.port)));
    let shared = format!(
        "[redis]\nurl = \"redis://{}\"\nkeys = [\"sha256:the tests' own\"]\ntimeout = \"1s\"\n",
        chaos.address()
    );
    let proxy = world.proxy(&shared).await;
    view(&proxy).await;
    world.sim.set_picture(FACEBOOK.account, Some(small(2)));
    world.sim.cdn_fault(None, Some(Fault::Latency(Duration::from_millis(400))));
    world.clock.advance(STALE);
    proxy.get(&FACEBOOK.path()).await;
    until("a download is under way", async || world.sim.downloads(FACEBOOK.account) == 2).await;
    chaos.set(Mode::Hang);
    world.db.sql(r#"DELETE FROM "PageConnection""#).await;
    let until_it_has_ended = async {
        proxy.has_running(0).await;
        chaos.set(Mode::Pass);
    };
    tokio::join!(tell(proxy.admin, FACEBOOK.id, "deleted"), until_it_has_ended);
    proxy.settled().await;
    assert_eq!(kinds(&world.receiver.expect(1).await), ["deleted"]);
}

#[tokio::test]
async fn a_deletion_that_the_sweep_finds_is_reported_only_for_an_avatar_that_is_held() {
    let (world, proxy) = viewed().await;
    world.db.sql(r#"DELETE FROM "PageConnection""#).await;
    proxy.service.jobs().sweep().await;
    world.receiver.expect(1).await;
    proxy.service.jobs().sweep().await;
    assert_eq!(proxy.get("/avatar/nobody").await.status, 404);
    assert_eq!(kinds(&world.receiver.expect(1).await), ["deleted"]);
}

#[tokio::test]
async fn a_change_that_is_first_seen_after_a_restart_is_reported_after_a_view_and_after_an_operators_refresh()
{
    let world = world().await;
    let mut proxy = world.proxy("").await;
    view(&proxy).await;
    for (seed, by_operator) in [(2, true), (3, false)] {
        all_sent(&proxy).await;
        proxy = world.proxy_in(proxy.stop().await, "").await;
        world.clock.advance(STALE);
        world.sim.set_picture(FACEBOOK.account, Some(small(seed)));
        match by_operator {
            true => _ = proxy.admin("POST", &format!("/api/avatars/{}/refresh", FACEBOOK.id)).await,
            false => view(&proxy).await,
        }
        world.receiver.expect(seed as usize - 1).await;
    }
}

#[tokio::test]
async fn each_change_of_many_is_reported_in_order() {
    let (world, proxy) = viewed().await;
    for seed in [2, 1, 2, 3] {
        change(&world, &proxy, seed).await;
    }
    let messages = world.receiver.expect(4).await;
    let etags: Vec<_> = messages.iter().map(|message| message.data()["etag"].clone()).collect();
    let expected = [2, 1, 2, 3].map(|seed| json!(ETag::of(&small(seed).bytes).as_str()));
    assert_eq!(etags, expected);
    assert!(messages.windows(2).all(|two| two[0].sequence() < two[1].sequence()));
}
