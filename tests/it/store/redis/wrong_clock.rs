//! The clock of all instances ran ahead and is right again: what lies in Redis holds nothing back either.

use std::time::Duration;

use graphsim::Fault;

use super::util::{on, together, until};
use crate::support::accounts::{FACEBOOK, small};
use crate::support::client::hash;
use crate::support::redis::RedisServer;

const AHEAD: Duration = Duration::from_secs(100 * 24 * 3600);

#[tokio::test]
async fn a_picture_confirmed_in_the_future_is_refreshed_once_and_shown_by_all() {
    let all = together(2, "").await;
    all.clock.advance(AHEAD);
    for proxy in &all.instances {
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
        proxy.settled().await;
    }
    all.clock.set_back(AHEAD);
    all.sim.set_picture(FACEBOOK.account, Some(small(2)));
    // This one has nothing but what lies in Redis.
    let newcomer = on(&all.sim, &all.clock, &all.redis.url(), "").await;
    let answer = newcomer.get(&FACEBOOK.path()).await;
    assert_eq!((answer.state(), answer.hash()), ("stale", hash(&small(1).bytes)));
    newcomer.settled().await;
    let new = hash(&small(2).bytes);
    assert_eq!(newcomer.get(&FACEBOOK.path()).await.hash(), new);
    for proxy in &all.instances {
        proxy.get_until(&FACEBOOK.path(), |answer| answer.state() == "fresh" && answer.hash() == new).await;
    }
    let late = on(&all.sim, &all.clock, &all.redis.url(), "").await;
    let answer = late.get(&FACEBOOK.path()).await;
    assert_eq!((answer.state(), answer.hash()), ("fresh", new));
    assert_eq!(all.sim.downloads(FACEBOOK.account), 2);
}

#[tokio::test]
async fn a_refresh_that_failed_in_the_future_is_tried_again_by_whoever_is_viewed() {
    let all = together(2, "").await;
    all.clock.advance(AHEAD);
    let denied = Fault::GraphError { status: 400, code: 10, subcode: None, message: "no".into() };
    all.sim.api_fault(None, Some(denied));
    assert_eq!(all.instances[0].get(&FACEBOOK.path()).await.state(), "placeholder");
    all.instances[0].settled().await;
    all.clock.set_back(AHEAD);
    all.sim.api_fault(None, None);
    assert_eq!(all.instances[1].get(&FACEBOOK.path()).await.state(), "fresh");
    until("the first one has it, too", async || {
        all.instances[0].get(&FACEBOOK.path()).await.hash() == hash(&small(1).bytes)
    })
    .await;
}

#[tokio::test]
async fn a_picture_confirmed_in_the_future_whose_token_is_dead_ages_in_redis() {
    let all = together(1, "").await;
    all.clock.advance(AHEAD);
    all.instances[0].get(&FACEBOOK.path()).await;
    all.instances[0].settled().await;
    all.sim.revoke_token(FACEBOOK.account);
    all.instances[0].admin("POST", "/api/avatars/clx3facebook/refresh").await;
    all.clock.set_back(AHEAD);
    let newcomer = on(&all.sim, &all.clock, &all.redis.url(), "").await;
    assert_eq!(newcomer.get(&FACEBOOK.path()).await.state(), "last-good");
    until("Redis holds a time that is not ahead", async || {
        verified_at(&all.redis) <= all.clock.now().as_millis()
    })
    .await;
}

/// When the picture was confirmed, by the head in clear of what lies in Redis.
fn verified_at(redis: &RedisServer) -> i64 {
    let entry = redis.keys().into_iter().find(|key| key.ends_with(&format!("{{{}}}:entry", FACEBOOK.id)));
    let script = r"return string.match(redis.call('GETRANGE', KEYS[1], 0, 127), '^%d+:%d+:(-?%d+):')";
    redis.cli(&["EVAL", script, "1", &entry.expect("an entry")]).trim().parse().expect("a time")
}
