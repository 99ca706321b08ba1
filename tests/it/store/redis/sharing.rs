//! What one instance resolved, downloaded or met, all know.

use std::time::Duration;

use avatar_proxy::clock::{Clock, Stopwatch};
use graphsim::Fault;

use super::util::{STALE, disturbed, instance, on, redis_at, status, together, until, world};
use crate::support::accounts::{FACEBOOK, INSTAGRAM, large, small};
use crate::support::chaos::Mode;
use crate::support::client::hash;
use crate::support::proxy::{Proxy, START};
use crate::support::redis::RedisServer;

#[tokio::test]
async fn what_one_instance_downloaded_the_others_have_without_a_call() {
    let ((sim, clock), redis) = (world().await, RedisServer::start());
    let extra = redis_at(&redis.url());
    let first = instance(&sim, &clock, &extra).await;
    assert_eq!(first.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
    first.settled().await;
    let second = instance(&sim, &clock, &extra).await;
    let answer = second.get(&FACEBOOK.path()).await;
    assert_eq!((answer.state(), answer.hash()), ("fresh", hash(&small(1).bytes)));
    assert_eq!((sim.api_calls(FACEBOOK.account), sim.downloads(FACEBOOK.account)), (1, 1));
    assert!(redis.keys().iter().all(|key| key.starts_with("avatar-proxy:")), "{:?}", redis.keys());
}

#[tokio::test]
async fn a_stale_avatar_is_refreshed_by_one_instance_for_all() {
    let all = together(3, "").await;
    for proxy in &all.instances {
        proxy.get(&FACEBOOK.path()).await;
        proxy.settled().await;
    }
    all.sim.set_picture(FACEBOOK.account, Some(small(2)));
    all.clock.advance(STALE);
    for proxy in &all.instances {
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "stale");
    }
    for proxy in &all.instances {
        proxy.settled().await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(2).bytes));
    }
    assert_eq!((all.sim.api_calls(FACEBOOK.account), all.sim.downloads(FACEBOOK.account)), (2, 2));
}

#[tokio::test]
async fn an_instance_without_the_lease_gets_the_result_and_does_not_poll_for_it() {
    let all = together(2, "").await;
    all.sim.cdn_fault(None, Some(Fault::Latency(Duration::from_millis(600))));
    let path = FACEBOOK.path();
    let (first, second) = tokio::join!(all.instances[0].get(&path), all.instances[1].get(&path));
    assert_eq!((first.hash(), second.hash()), (hash(&small(1).bytes), hash(&small(1).bytes)));
    assert_eq!((all.sim.api_calls(FACEBOOK.account), all.sim.downloads(FACEBOOK.account)), (1, 1));
    assert!(all.redis.command_calls("pttl") <= 3, "{}", all.redis.command_calls("pttl"));
}

#[tokio::test]
async fn a_changed_picture_is_shown_by_all_and_none_goes_back_to_the_old_one() {
    let all = together(2, "").await;
    for proxy in &all.instances {
        assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
        proxy.settled().await;
    }
    all.sim.set_picture(FACEBOOK.account, Some(small(2)));
    all.clock.advance(Duration::from_secs(60));
    let refreshed = all.instances[0].admin("POST", "/api/avatars/clx3facebook/refresh").await;
    assert_eq!(refreshed.status, 200);
    all.instances[0].settled().await;
    let new = hash(&small(2).bytes);
    all.instances[1].get_until(&FACEBOOK.path(), |answer| answer.hash() == new).await;
    for proxy in all.instances.iter().cycle().take(10) {
        let answer = proxy.get(&FACEBOOK.path()).await;
        assert_eq!((answer.state(), answer.hash()), ("fresh", new.clone()));
    }
    assert_eq!(all.sim.downloads(FACEBOOK.account), 2);
}

#[tokio::test]
async fn a_hit_in_memory_makes_no_call_to_redis() {
    let all = together(1, "").await;
    let proxy = &all.instances[0];
    proxy.get(&FACEBOOK.path()).await;
    proxy.settled().await;
    proxy.get(&FACEBOOK.path()).await;
    // One look takes six of them; the heartbeat of each second one.
    let reads = || all.redis.command_calls("getrange") + all.redis.command_calls("set");
    let before = reads();
    for _ in 0..100 {
        assert_eq!(
            proxy.get(&FACEBOOK.path()).await.header("cache-status").map(|s| s.contains("hit")),
            Some(true)
        );
    }
    assert!(reads() - before < 6, "{before}, {}", reads());
}

#[tokio::test]
async fn a_throttled_app_is_paused_for_every_instance() {
    let all = together(2, "").await;
    all.sim.api_fault(None, Some(Fault::Throttled { code: 4, minutes: 30 }));
    assert_eq!(all.instances[0].get(&FACEBOOK.path()).await.state(), "placeholder");
    all.instances[0].settled().await;
    let calls = all.sim.total_api_calls();
    until("the other instance knows", async || {
        all.instances[1].get(&FACEBOOK.path()).await;
        let answer = all.instances[1].admin("GET", "/api/avatars/clx3facebook").await;
        String::from_utf8_lossy(&answer.body).contains("throttled")
    })
    .await;
    assert_eq!(all.sim.total_api_calls(), calls);
    // An instance that starts during the pause obeys it, even for an account of which no instance knows anything yet.
    let third = on(&all.sim, &all.clock, &all.redis.url(), "").await;
    third.get(&INSTAGRAM.path()).await;
    third.settled().await;
    assert_eq!(all.sim.total_api_calls(), calls);
    all.sim.api_fault(None, None);
    all.clock.advance(Duration::from_secs(31 * 60));
    assert_eq!(third.get(&INSTAGRAM.path()).await.state(), "fresh");
}

#[tokio::test]
async fn a_pause_that_began_without_redis_is_shared_when_redis_returns() {
    let all = together(1, "").await;
    let (chaos, url) = disturbed(&all.redis);
    let alone = on(&all.sim, &all.clock, &url, "").await;
    chaos.set(Mode::Cut);
    until("the cut is noticed", async || status(&alone).await["subscribed"] == false).await;
    all.sim.api_fault(None, Some(Fault::Throttled { code: 4, minutes: 30 }));
    assert_eq!(alone.get(&FACEBOOK.path()).await.state(), "placeholder");
    alone.settled().await;
    chaos.set(Mode::Pass);
    let is_paused = async || all.redis.keys().iter().any(|key| key.ends_with("{all}:pause:instagram"));
    until("Redis knows of the pause", is_paused).await;
    let newcomer = on(&all.sim, &all.clock, &all.redis.url(), "").await;
    assert_eq!(newcomer.get(&INSTAGRAM.path()).await.state(), "placeholder");
    assert_eq!(all.sim.total_api_calls(), 1);
}

#[tokio::test]
async fn a_dead_token_is_remembered_as_long_as_its_picture_is_viewed() {
    let all = together(1, "").await;
    let viewed = async || {
        all.instances[0].get(&FACEBOOK.path()).await;
        all.instances[0].settled().await;
    };
    viewed().await;
    all.sim.revoke_token(FACEBOOK.account);
    all.clock.advance(STALE);
    viewed().await;
    let keys = all.redis.keys();
    let key = keys.iter().find(|key| key.ends_with("{clx3facebook}:trouble")).expect("it is known to all");
    all.redis.cli(&["PEXPIRE", key, "60000"]);
    let left = || all.redis.cli(&["PTTL", key]).trim().parse::<i64>().expect("a number");
    assert!((1..=60_000).contains(&left()), "{}", left());
    let newcomer = on(&all.sim, &all.clock, &all.redis.url(), "").await;
    assert_eq!(newcomer.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
    assert!(left() > 60_000, "the picture would outlive what is known of its token");
}

/// A provider's reply, seen by one instance; then how often each account was asked for by another, until that much later.
async fn asked_by_the_other(header: &'static str, usage: &str, after: Duration) -> (usize, usize) {
    let all = together(2, "[avatar]\nfresh_for = \"10m\"\n").await;
    let told = Fault::Headers(vec![(header, usage.to_owned())]);
    all.sim.api_fault(Some(FACEBOOK.account), Some(told));
    for connected in [INSTAGRAM, FACEBOOK] {
        assert_eq!(all.instances[0].get(&connected.path()).await.state(), "fresh");
    }
    all.instances[0].settled().await;
    all.sim.api_fault(Some(FACEBOOK.account), None);
    all.clock.advance(after);
    for connected in [FACEBOOK, INSTAGRAM] {
        assert_eq!(all.instances[1].get(&connected.path()).await.status, 200);
    }
    all.instances[1].settled().await;
    (all.sim.api_calls(FACEBOOK.account), all.sim.api_calls(INSTAGRAM.account))
}

#[tokio::test]
async fn a_quota_that_one_instance_saw_used_up_is_left_alone_by_all() {
    const MINUTE: Duration = Duration::from_secs(60);
    let app = r#"{"call_count":100}"#;
    assert_eq!(asked_by_the_other("X-App-Usage", app, 59 * MINUTE).await, (1, 1), "Instagram's hang on it");
    assert_eq!(asked_by_the_other("X-App-Usage", app, 61 * MINUTE).await, (2, 2));
    let account = r#"{"1":[{"call_count":100,"estimated_time_to_regain_access":45}]}"#;
    let header = "X-Business-Use-Case-Usage";
    assert_eq!(asked_by_the_other(header, account, 44 * MINUTE).await, (1, 2), "another account is asked");
    assert_eq!(asked_by_the_other(header, account, 46 * MINUTE).await, (2, 2));
}

#[tokio::test]
async fn a_dead_token_is_asked_for_by_none_and_a_new_one_at_once() {
    let all = together(2, "").await;
    all.instances[0].get(&FACEBOOK.path()).await;
    all.instances[1].get(&FACEBOOK.path()).await;
    all.sim.revoke_token(FACEBOOK.account);
    all.clock.advance(STALE);
    all.instances[0].get(&FACEBOOK.path()).await;
    all.instances[0].settled().await;
    let calls = all.sim.api_calls(FACEBOOK.account);
    for _ in 0..3 {
        assert_eq!(all.instances[1].get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
        all.instances[1].settled().await;
    }
    assert_eq!(all.sim.api_calls(FACEBOOK.account), calls, "the other instance asks for a dead token");
    // The owner has logged in again: an instance that reads the new row refreshes, and the others show it.
    all.sim.renew_token(FACEBOOK.account, "EAAa-new-token-77ab01");
    all.sim.set_picture(FACEBOOK.account, Some(small(2)));
    let settings = redis_at(&all.redis.url());
    let renewed = FACEBOOK.entry("").replace(FACEBOOK.token, "EAAa-new-token-77ab01");
    let third =
        crate::support::proxy::Proxy::start(&all.sim, &all.clock, &format!("{settings}{renewed}")).await;
    let new = hash(&small(2).bytes);
    third.get_until(&FACEBOOK.path(), |answer| answer.hash() == new).await;
    third.settled().await;
    all.instances[1].get_until(&FACEBOOK.path(), |answer| answer.hash() == new).await;
}

#[tokio::test]
async fn after_its_subscription_broke_an_instance_asks_redis_before_it_shows_its_own_copy() {
    let all = together(1, "").await;
    let (chaos, url) = disturbed(&all.redis);
    let cut_off = on(&all.sim, &all.clock, &url, "").await;
    cut_off.get(&FACEBOOK.path()).await;
    cut_off.settled().await;
    chaos.set(Mode::Cut);
    until("the cut is noticed", async || status(&cut_off).await["subscribed"] == false).await;
    // Meanwhile the picture changes, and then another goes.
    all.sim.set_picture(FACEBOOK.account, Some(small(2)));
    all.clock.advance(Duration::from_secs(60));
    all.instances[0].admin("POST", "/api/avatars/clx3facebook/refresh").await;
    all.instances[0].settled().await;
    assert_eq!(
        cut_off.get(&FACEBOOK.path()).await.hash(),
        hash(&small(1).bytes),
        "an outage shows the cached picture"
    );
    chaos.set(Mode::Pass);
    until("it is back", async || status(&cut_off).await["subscribed"] == true).await;
    assert_eq!(cut_off.get(&FACEBOOK.path()).await.hash(), hash(&small(2).bytes));
    assert_eq!(all.sim.downloads(FACEBOOK.account), 2);
}

#[tokio::test]
async fn an_emptied_redis_is_filled_again_by_what_is_viewed() {
    let all = together(2, "").await;
    all.instances[0].get(&INSTAGRAM.path()).await;
    all.instances[0].settled().await;
    all.redis.cli(&["FLUSHALL"]);
    // A new instance finds nothing, refreshes, and shares.
    all.instances[1].get(&INSTAGRAM.path()).await;
    all.instances[1].settled().await;
    assert!(
        all.redis.keys().iter().any(|key| key.ends_with("{clx3instagram}:picture")),
        "{:?}",
        all.redis.keys()
    );
}

#[tokio::test]
async fn an_instance_that_waits_for_another_goes_on_alone_when_redis_dies() {
    let all = together(2, "").await;
    all.sim.cdn_fault(None, Some(Fault::Latency(Duration::from_millis(500))));
    let path = FACEBOOK.path();
    let (first, second, ()) = tokio::join!(
        timed(&all.instances[0], &path),
        async {
            until("the other has the lease", async || all.sim.downloads(FACEBOOK.account) == 1).await;
            timed(&all.instances[1], &path).await
        },
        async {
            until("the other has the lease", async || all.sim.downloads(FACEBOOK.account) == 1).await;
            // An instance that asks for the lease also asks how long it lasts.
            until("the second has asked for it", async || all.redis.command_calls("pttl") == 2).await;
            all.redis.signal("KILL");
        }
    );
    for (shown, took) in [first, second] {
        assert_eq!(shown, hash(&small(1).bytes), "{took:?}");
        // The lease would have lasted 15 s.
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
}

/// The hash of an answer, and how long it took.
async fn timed(proxy: &Proxy, path: &str) -> (String, Duration) {
    let watch = Stopwatch::start();
    (proxy.get(path).await.hash(), watch.elapsed())
}

#[tokio::test]
async fn a_changed_picture_that_is_too_large_for_redis_is_fetched_by_the_others_without_asking_the_provider()
{
    let all = together(2, "[redis]\nmax_value = \"1KiB\"\n").await;
    all.sim.set_picture(FACEBOOK.account, Some(large(1)));
    for proxy in &all.instances {
        proxy.get(&FACEBOOK.path()).await;
        proxy.settled().await;
    }
    assert_eq!((all.sim.api_calls(FACEBOOK.account), all.sim.downloads(FACEBOOK.account)), (1, 2));
    all.sim.set_picture(FACEBOOK.account, Some(large(2)));
    all.instances[0].admin("POST", "/api/avatars/clx3facebook/refresh").await;
    all.instances[0].settled().await;
    let shown = all.instances[1].get(&FACEBOOK.path()).await;
    assert_eq!((shown.state(), shown.hash()), ("stale", hash(&large(1).bytes)), "shown meanwhile");
    let new = hash(&large(2).bytes);
    let shown = all.instances[1].get_until(&FACEBOOK.path(), |answer| answer.hash() == new).await;
    assert_eq!(shown.state(), "fresh");
    assert_eq!((all.sim.api_calls(FACEBOOK.account), all.sim.downloads(FACEBOOK.account)), (2, 4));
}

#[tokio::test]
async fn a_clock_that_runs_ahead_keeps_no_picture_fresh_for_the_others() {
    // Clocks may differ by five minutes: what lies that far ahead was confirmed now. What lies further ahead proves nothing.
    for (ahead, first) in [(Duration::from_secs(240), "fresh"), (Duration::from_secs(3600), "stale")] {
        let all = together(1, "").await;
        let ahead = Clock::manual(START + ahead);
        let ahead = on(&all.sim, &ahead, &all.redis.url(), "").await;
        ahead.get(&FACEBOOK.path()).await;
        ahead.settled().await;
        let right = &all.instances[0];
        assert_eq!(right.get(&FACEBOOK.path()).await.state(), first);
        if first == "fresh" {
            all.clock.advance(STALE);
            assert_eq!(right.get(&FACEBOOK.path()).await.state(), "stale", "earlier than the other says");
        }
        right.get_until(&FACEBOOK.path(), |answer| answer.state() == "fresh").await;
        assert_eq!((all.sim.api_calls(FACEBOOK.account), all.sim.downloads(FACEBOOK.account)), (2, 1));
    }
}
