//! What a dashboard tells one instance, all know.

use std::time::Duration;

use avatar_proxy::clock::Clock;
use serde_json::json;

use super::util::{body, disturbed, instance, on, redis_at, status, together, until, world};
use crate::directory::database::Kind;
use crate::routes::connections::{tell, worked_off};
use crate::support::accounts::{FACEBOOK, small};
use crate::support::chaos::Mode;
use crate::support::client::{hash, post};
use crate::support::dashboard::{Dashboard, seal};
use crate::support::proxy::{Proxy, START, stand_in};
use crate::support::redis::RedisServer;

#[tokio::test]
async fn a_new_connection_is_warm_everywhere_by_one_call() {
    let all = together(3, "").await;
    let [first, second, third] = &all.instances[..] else { panic!("three") };
    for proxy in [first, second, first] {
        assert_eq!(tell(proxy.admin, FACEBOOK.id, "created").await.status, 202);
    }
    worked_off(first).await;
    worked_off(second).await;
    let answer = third.get(&FACEBOOK.path()).await;
    assert_eq!(answer.header("cache-status"), Some("avatar-proxy; hit"));
    assert_eq!((all.sim.api_calls(FACEBOOK.account), all.sim.downloads(FACEBOOK.account)), (1, 1));
}

#[tokio::test]
async fn a_token_that_was_renewed_at_one_instance_is_known_at_the_other() {
    let all = together(2, "").await;
    let [first, second] = &all.instances[..] else { panic!("two") };
    first.get(&FACEBOOK.path()).await;
    all.sim.revoke_token(FACEBOOK.account);
    // What was confirmed in this very moment counts as what the operator asks for.
    all.clock.advance(Duration::from_secs(1));
    second.admin("POST", &format!("/api/avatars/{}/refresh", FACEBOOK.id)).await;
    for proxy in [first, second] {
        until("it is known that the token is dead", async || {
            proxy.get(&FACEBOOK.path()).await;
            proxy.settled().await;
            let held = body(&proxy.admin("GET", &format!("/api/avatars/{}", FACEBOOK.id)).await);
            held["trouble"]["class"] == "needs_reauth"
        })
        .await;
    }
    all.sim.renew_token(FACEBOOK.account, FACEBOOK.token);
    all.sim.set_picture(FACEBOOK.account, Some(small(2)));
    let calls = all.sim.api_calls(FACEBOOK.account);
    let told = tell(first.admin, FACEBOOK.id, "reauthorized").await;
    let said = body(&told);
    assert_eq!((told.status, said["instances"]["done"].as_array().map(Vec::len)), (202, Some(2)), "{said}");
    worked_off(first).await;
    let new = hash(&small(2).bytes);
    let answer = second.get_until(&FACEBOOK.path(), |answer| answer.hash() == new).await;
    assert_eq!(answer.state(), "fresh");
    assert_eq!(all.sim.api_calls(FACEBOOK.account), calls + 1, "one attempt for both");
}

#[tokio::test]
async fn a_row_that_changed_is_read_anew_by_every_instance() {
    let clock = Clock::manual(START);
    let (sim, redis) = (stand_in(&clock).await, RedisServer::start());
    FACEBOOK.add(&sim, small(1));
    let dashboard = Dashboard::new(Kind::Sqlite, 999).await;
    dashboard.connect(&FACEBOOK, None).await;
    let settings = dashboard.config() + &redis_at(&redis.url()) + "[avatar]\nfresh_for = \"10s\"\n";
    let first = Proxy::start(&sim, &clock, &settings).await;
    let second = Proxy::start(&sim, &clock, &settings).await;
    for proxy in [&second, &first] {
        until("it is subscribed", async || status(proxy).await["subscribed"] == true).await;
        proxy.get(&FACEBOOK.path()).await;
        proxy.settled().await;
    }
    sim.renew_token(FACEBOOK.account, "EAAanother-token-of-the-page");
    let sealed = seal("EAAanother-token-of-the-page");
    dashboard.db.sql(&format!(r#"UPDATE "PageConnection" SET "pageAccessTokenEnc" = '{sealed}'"#)).await;
    assert_eq!(tell(first.admin, FACEBOOK.id, "updated").await.status, 202);
    worked_off(&first).await;
    // Rows are cached for a minute, except after a hook.
    clock.advance(Duration::from_secs(11));
    sim.set_picture(FACEBOOK.account, Some(small(2)));
    let calls = sim.api_calls(FACEBOOK.account);
    let new = hash(&small(2).bytes);
    second.get_until(&FACEBOOK.path(), |answer| answer.hash() == new).await;
    assert_eq!(sim.api_calls(FACEBOOK.account), calls + 1);
}

#[tokio::test]
async fn a_deletion_names_the_instances_that_have_not_applied_it_yet() {
    let all = together(1, "").await;
    let (chaos, url) = disturbed(&all.redis);
    let silent = on(&all.sim, &all.clock, &url, "").await;
    let name = status(&silent).await["instance"].as_str().unwrap().to_owned();
    silent.get(&FACEBOOK.path()).await;
    silent.settled().await;
    let ids = json!({ "event": "deleted", "ids": [FACEBOOK.id] }).to_string();
    chaos.set(Mode::Hang);
    let deleted = post(all.instances[0].admin, "/api/connections", &ids).await;
    assert_eq!((deleted.status, &body(&deleted)["instances"]["missing"]), (202, &json!([name])));
    chaos.set(Mode::Pass);
    chaos.drop_connections();
    until("it is back", async || status(&silent).await["subscribed"] == true).await;
    until("all have done it", async || {
        let deleted = post(all.instances[0].admin, "/api/connections", &ids).await;
        deleted.status == 200
    })
    .await;
    assert_eq!(silent.admin("GET", &format!("/api/avatars/{}", FACEBOOK.id)).await.status, 404);
}

#[tokio::test]
async fn without_redis_a_change_is_accepted_and_a_deletion_is_not_confirmed() {
    let (sim, clock) = world().await;
    let redis = RedisServer::start();
    let (chaos, url) = disturbed(&redis);
    let alone = instance(&sim, &clock, &redis_at(&url)).await;
    until("it is subscribed", async || status(&alone).await["subscribed"] == true).await;
    alone.get(&FACEBOOK.path()).await;
    alone.settled().await;
    chaos.set(Mode::Cut);
    until("the cut is noticed", async || status(&alone).await["subscribed"] == false).await;
    sim.set_picture(FACEBOOK.account, Some(small(2)));
    let told = tell(alone.admin, FACEBOOK.id, "updated").await;
    assert_eq!((told.status, &body(&told)["redis"]), (202, &"away".into()));
    worked_off(&alone).await;
    assert_eq!(alone.get(&FACEBOOK.path()).await.hash(), hash(&small(2).bytes));
    let told = tell(alone.admin, FACEBOOK.id, "deleted").await;
    assert_eq!((told.status, &body(&told)["error"]), (503, &"redis_away".into()));
}
