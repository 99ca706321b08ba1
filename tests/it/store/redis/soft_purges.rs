//! Soft purges: what an instance holds is stale everywhere at once, for a view and for an operator who asks.

use std::pin::pin;
use std::time::Duration;

use avatar_proxy::clock::Clock;

use super::purges::{filled, purge};
use super::util::{Together, body, on, redis_at, together, until};
use crate::support::accounts::{FACEBOOK, INSTAGRAM, TELEGRAM, small};
use crate::support::client::{Answer, hash};
use crate::support::proxy::{Proxy, merged};

/// With it nothing but the age decides whether a view starts a refresh.
const NOT_AHEAD: &str = "[avatar]\nrefresh_ahead = 1.0\n";
/// A purge of one avatar, of its provider, and of all.
const PURGES: [&str; 3] = [r#"{"ids":["clx3facebook"]}"#, r#"{"provider":"facebook"}"#, r#"{"all":true}"#];

/// The state that `GET /api/avatars/{id}` gives, and the stores that it names.
async fn inspected(proxy: &Proxy) -> (String, String) {
    let said = body(&proxy.admin("GET", "/api/avatars/clx3facebook").await);
    (said["state"].as_str().unwrap_or("unknown").to_owned(), said["held_in"].to_string())
}

/// Purges at the first instance; every instance must acknowledge it.
async fn purged(all: &Together, json: &str) {
    let said = body(&purge(&all.instances[0], json).await);
    let done = said["instances"]["done"].as_array().map(Vec::len);
    assert_eq!(
        (done, said["instances"]["missing"].to_string()),
        (Some(all.instances.len()), "[]".to_owned())
    );
}

/// Moves the clock by a millisecond each time that another task has run, until the answer is there: no two steps of a
/// request read the same time.
async fn while_time_passes(clock: &Clock, view: impl Future<Output = Answer>) -> Answer {
    let mut view = pin!(view);
    loop {
        tokio::select! {
            biased;
            answer = &mut view => return answer,
            () = tokio::task::yield_now() => clock.advance(Duration::from_millis(1)),
        }
    }
}

/// A view is shown the old picture as a stale one, and starts a refresh.
async fn assert_stale_and_refreshed(all: &Together, proxy: &Proxy, case: &str) {
    let shown = while_time_passes(&all.clock, proxy.get(&FACEBOOK.path())).await;
    let status = shown.header("cache-status").map(str::to_owned);
    assert_eq!(
        (shown.state(), status.as_deref(), shown.hash()),
        ("stale", Some("avatar-proxy; hit; detail=stale"), hash(&small(1).bytes)),
        "{case}"
    );
    let new = hash(&small(2).bytes);
    proxy.get_until(&FACEBOOK.path(), |answer| answer.hash() == new).await;
}

#[tokio::test]
async fn an_instance_that_holds_nothing_finds_what_was_purged_stale_in_redis() {
    for json in PURGES {
        let all = together(2, NOT_AHEAD).await;
        all.instances[0].get(&FACEBOOK.path()).await;
        all.instances[0].settled().await;
        all.sim.set_picture(FACEBOOK.account, Some(small(2)));
        purged(&all, json).await;
        for (proxy, held_in) in all.instances.iter().zip([r#"["memory","redis","disk"]"#, r#"["redis"]"#]) {
            assert_eq!(inspected(proxy).await, ("stale".to_owned(), held_in.to_owned()), "{json}");
        }
        assert_stale_and_refreshed(&all, &all.instances[1], json).await;
        all.instances[1].settled().await;
        for proxy in &all.instances {
            until("both say that it is fresh", async || inspected(proxy).await.0 == "fresh").await;
        }
    }
}

#[tokio::test]
async fn an_instance_that_holds_it_in_memory_shows_it_as_stale_even_if_its_clock_is_set_back() {
    for json in PURGES {
        let all = together(2, NOT_AHEAD).await;
        filled(&all).await;
        all.sim.set_picture(FACEBOOK.account, Some(small(2)));
        purged(&all, json).await;
        all.clock.set_back(Duration::from_secs(5));
        for proxy in &all.instances {
            assert_eq!(inspected(proxy).await.0, "stale", "{json}");
        }
        assert_stale_and_refreshed(&all, &all.instances[1], json).await;
    }
}

#[tokio::test]
async fn an_instance_that_was_away_finds_what_was_purged_stale_on_its_own_disk() {
    for json in PURGES {
        let mut all = together(2, NOT_AHEAD).await;
        filled(&all).await;
        all.sim.set_picture(FACEBOOK.account, Some(small(2)));
        let folder = all.instances.pop().unwrap().stop().await;
        purged(&all, json).await;
        for key in
            all.redis.keys().iter().filter(|key| key.contains("{clx3facebook}:") && !key.contains("purged"))
        {
            all.redis.cli(&["DEL", key]);
        }
        let settings = merged(&redis_at(&all.redis.url()), NOT_AHEAD);
        let entries = [INSTAGRAM, FACEBOOK, TELEGRAM].map(|connected| connected.entry("")).concat();
        let back = Proxy::start_in(&all.sim, &all.clock, &format!("{settings}{entries}"), folder).await;
        assert_eq!(inspected(&back).await.0, "stale", "{json}");
        assert_stale_and_refreshed(&all, &back, json).await;
    }
}

#[tokio::test]
async fn that_there_is_no_picture_is_asked_again_after_a_soft_purge_however_long_it_is_remembered() {
    let all = together(2, &format!("{NOT_AHEAD}no_picture_for = \"2d\"\n")).await;
    all.sim.set_picture(FACEBOOK.account, None);
    assert_eq!(all.instances[1].get(&FACEBOOK.path()).await.state(), "placeholder");
    all.instances[1].settled().await;
    all.sim.set_picture(FACEBOOK.account, Some(small(2)));
    purged(&all, PURGES[0]).await;
    let third = on(&all.sim, &all.clock, &all.redis.url(), NOT_AHEAD).await;
    for proxy in [&third, &all.instances[1]] {
        let shown = while_time_passes(&all.clock, proxy.get(&FACEBOOK.path())).await;
        assert_eq!((shown.state(), shown.hash()), ("fresh", hash(&small(2).bytes)));
    }
}
