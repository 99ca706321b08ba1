//! Purges that were missed: by an instance that was stopped, by a Redis that was emptied, or by all others.

use graphsim::{Endpoint, Fault, Graphsim};

use super::purges::{filled, is_held, is_on_disk, purge};
use super::util::{Together, body, disturbed, on, redis_at, status, together, until};
use crate::support::accounts::{FACEBOOK, INSTAGRAM, TELEGRAM, small};
use crate::support::chaos::Mode;
use crate::support::client::hash;
use crate::support::proxy::Proxy;

/// Two instances that have viewed all; the second one is stopped, and its folder waits for it to come back.
async fn one_stopped() -> (Together, std::sync::Arc<tempfile::TempDir>) {
    let mut all = together(2, "").await;
    filled(&all).await;
    let folder = all.instances.pop().unwrap().stop().await;
    (all, folder)
}

/// An instance on the disk of an earlier one.
async fn back(all: &Together, url: &str, folder: std::sync::Arc<tempfile::TempDir>) -> Proxy {
    let entries = [INSTAGRAM, FACEBOOK, TELEGRAM].map(|connected| connected.entry("")).concat();
    let settings = format!("{}{entries}", redis_at(url));
    let proxy = Proxy::start_in(&all.sim, &all.clock, &settings, folder).await;
    until("it is subscribed", async || status(&proxy).await["subscribed"] == true).await;
    proxy
}

/// The requests to the provider and to the CDN.
fn asked(sim: &Graphsim) -> (usize, usize) {
    (sim.api_calls(FACEBOOK.account), sim.downloads(FACEBOOK.account))
}

#[tokio::test]
async fn an_instance_that_was_stopped_while_an_avatar_was_deleted_deletes_it_before_a_view_asks_for_it() {
    let (all, folder) = one_stopped().await;
    let deleted = all.instances[0].admin("DELETE", "/api/avatars/clx3facebook").await;
    assert_eq!(deleted.status, 200, "an instance that has left is not missing");
    let back = back(&all, &all.redis.url(), folder).await;
    until("its disk is clean", async || !is_on_disk(&back, &small(1).bytes)).await;
    assert!(is_held(&back, INSTAGRAM.id).await && is_on_disk(&back, &small(3).bytes), "others stay");
}

#[tokio::test]
async fn an_instance_that_was_stopped_during_a_soft_purge_keeps_the_picture_and_asks_for_a_new_one() {
    for (ids, wanted) in [(r#"{"ids":["clx3facebook"]}"#, 1), (r#"{"provider":"facebook"}"#, 1)] {
        let (all, folder) = one_stopped().await;
        assert_eq!(body(&purge(&all.instances[0], ids).await)["avatars"], wanted);
        all.sim.set_picture(FACEBOOK.account, Some(small(2)));
        all.redis.cli(&["DEL", "avatar-proxy:{clx3facebook}:picture"]);
        let before = asked(&all.sim);
        let back = back(&all, &all.redis.url(), folder).await;
        let shown = back.get(&FACEBOOK.path()).await;
        assert_eq!((shown.state(), shown.hash()), ("stale", hash(&small(1).bytes)), "{ids}");
        back.get_until(&FACEBOOK.path(), |answer| answer.hash() == hash(&small(2).bytes)).await;
        assert_eq!(asked(&all.sim), (before.0 + 1, before.1 + 1), "{ids}");
    }
}

#[tokio::test]
async fn after_a_soft_purge_an_entry_in_redis_is_stale_for_an_instance_that_starts_later() {
    let all = together(1, "").await;
    filled(&all).await;
    all.instances[0].admin("POST", "/api/avatars/clx3facebook/purge").await;
    let before = asked(&all.sim);
    let later = on(&all.sim, &all.clock, &all.redis.url(), "").await;
    let shown = later.get(&FACEBOOK.path()).await;
    assert_eq!((shown.state(), shown.hash()), ("stale", hash(&small(1).bytes)));
    later.get_until(&FACEBOOK.path(), |answer| answer.state() == "fresh").await;
    assert_eq!(asked(&all.sim), (before.0 + 1, before.1), "the same picture is not fetched again");
}

#[tokio::test]
async fn purges_are_written_to_an_emptied_redis_again_before_an_instance_brings_deleted_bytes_back() {
    let (all, folder) = one_stopped().await;
    assert_eq!(all.instances[0].admin("DELETE", "/api/avatars/clx3facebook").await.status, 200);
    all.redis.cli(&["FLUSHALL"]);
    let record = "avatar-proxy:{clx3facebook}:purged:hard".to_owned();
    until("the purge is put back", async || all.redis.keys().contains(&record)).await;
    let back = back(&all, &all.redis.url(), folder).await;
    until("its disk is clean", async || !is_on_disk(&back, &small(1).bytes)).await;
}

#[tokio::test]
async fn an_instance_that_returns_to_an_emptied_redis_applies_the_purges_once_they_are_written_again() {
    let (mut all, folder) = one_stopped().await;
    assert_eq!(all.instances[0].admin("DELETE", "/api/avatars/clx3facebook").await.status, 200);
    let knows = all.instances.pop().unwrap().stop().await;
    all.redis.cli(&["FLUSHALL"]);
    let missed = back(&all, &all.redis.url(), folder).await;
    assert_eq!(
        missed.get(&FACEBOOK.path()).await.hash(),
        hash(&small(1).bytes),
        "no other instance is there to publish it"
    );
    until("it offers what it has", async || {
        all.redis.keys().contains(&"avatar-proxy:{clx3facebook}:picture".to_owned())
    })
    .await;
    let _knows = back(&all, &all.redis.url(), knows).await;
    until("the bytes are gone from Redis and the other's disk", async || {
        let left = all.redis.keys().contains(&"avatar-proxy:{clx3facebook}:picture".to_owned());
        !left && !is_on_disk(&missed, &small(1).bytes)
    })
    .await;
}

#[tokio::test]
async fn a_purge_that_could_not_be_published_survives_a_restart() {
    let mut all = together(2, "").await;
    let (chaos, url) = disturbed(&all.redis);
    all.instances[1] = on(&all.sim, &all.clock, &url, "").await;
    filled(&all).await;
    let alone = all.instances.pop().unwrap();
    chaos.set(Mode::Cut);
    until("the cut is noticed", async || status(&alone).await["subscribed"] == false).await;
    assert_eq!(alone.admin("DELETE", "/api/avatars/clx3facebook").await.status, 503);
    let folder = alone.stop().await;
    assert!(is_held(&all.instances[0], FACEBOOK.id).await);
    chaos.set(Mode::Pass);
    let _back = back(&all, &url, folder).await;
    until("the other instance has applied the purge", async || {
        !is_held(&all.instances[0], FACEBOOK.id).await
    })
    .await;
    // It deletes behind the answer: its row is gone a moment before the file's log is cut.
    until("its disk is clean", async || !is_on_disk(&all.instances[0], &small(1).bytes)).await;
}

#[tokio::test]
async fn a_provider_that_was_deleted_without_redis_is_deleted_from_every_tier_when_redis_is_back() {
    let mut all = together(2, "").await;
    let (chaos, url) = disturbed(&all.redis);
    all.instances[1] = on(&all.sim, &all.clock, &url, "").await;
    filled(&all).await;
    for proxy in &all.instances {
        until("on disk", async || is_on_disk(proxy, &small(1).bytes)).await;
    }
    let [connected, alone] = &all.instances[..] else { panic!("two") };
    chaos.set(Mode::Cut);
    until("the cut is noticed", async || status(alone).await["subscribed"] == false).await;
    assert_eq!(purge(alone, r#"{"provider":"facebook","hard":true}"#).await.status, 503);
    assert!(!is_on_disk(alone, &small(1).bytes) && is_held(connected, FACEBOOK.id).await);
    assert_eq!(published(alone).await, [("provider:facebook".to_owned(), false)]);
    chaos.set(Mode::Pass);
    let bytes = "avatar-proxy:{clx3facebook}:picture".to_owned();
    until("Redis has no bytes", async || !all.redis.keys().contains(&bytes)).await;
    until("nor has the other instance", async || !is_on_disk(connected, &small(1).bytes)).await;
    assert!(is_held(connected, INSTAGRAM.id).await, "another provider's stay");
    until("the purge is published for good", async || {
        published(alone).await == [("provider:facebook".to_owned(), true)]
    })
    .await;
}

/// The purges in an instance's file, and whether Redis has each.
async fn published(proxy: &Proxy) -> Vec<(String, bool)> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(proxy.disk_file()).read_only(true);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::query_as("SELECT subject, told FROM purged ORDER BY subject")
        .fetch_all(&mut connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_purge_that_a_full_redis_evicted_is_written_again_for_an_instance_that_was_away() {
    let (all, folder) = one_stopped().await;
    assert_eq!(all.instances[0].admin("DELETE", "/api/avatars/clx3facebook").await.status, 200);
    assert_eq!(all.redis.cli(&["DEL", "avatar-proxy:{clx3facebook}:purged:hard"]), "1");
    let back = back(&all, &all.redis.url(), folder).await;
    until("its disk is clean", async || !is_on_disk(&back, &small(1).bytes)).await;
}

#[tokio::test]
async fn after_a_soft_purge_a_provider_that_fails_is_not_asked_at_every_view() {
    for purged in [r#"{"ids":["clx3facebook"]}"#, r#"{"provider":"facebook"}"#] {
        let all = together(2, "").await;
        filled(&all).await;
        assert_eq!(purge(&all.instances[0], purged).await.status, 200);
        all.sim.api_fault(None, Some(Fault::Close));
        let before = asked(&all.sim).0;
        for _ in 0..3 {
            for proxy in &all.instances {
                let shown = proxy.get(&FACEBOOK.path()).await;
                assert_eq!(shown.hash(), hash(&small(1).bytes), "{purged}: {}", shown.head);
                proxy.settled().await;
            }
        }
        assert_eq!(asked(&all.sim).0, before + 1, "{purged}");
    }
}

#[tokio::test]
async fn a_missed_purge_of_a_provider_that_is_no_longer_configured_is_applied() {
    let all = together(1, "").await;
    let picture = all.sim.put_file("/p/other.jpg", small(7));
    all.sim.serve(Endpoint::new("/v1/7", None, serde_json::json!({ "picture": picture })));
    let other = format!(
        "[[providers.json]]\nname = 'other'\nurl = '{}/v1/{{account}}'\nauth = 'bearer'\npointer = '/picture'\n\
         hosts = ['127.0.0.1']\n[[connection]]\nid = 'others'\nprovider = 'other'\naccount = '7'\ntoken = 'plain:t'\n",
        all.sim.other_url()
    );
    let url = all.redis.url();
    let away = Proxy::start(&all.sim, &all.clock, &format!("{}{other}", redis_at(&url))).await;
    until("it is subscribed", async || status(&away).await["subscribed"] == true).await;
    assert_eq!(away.get("/avatar/others").await.hash(), hash(&small(7).bytes));
    until("it is on disk", async || is_on_disk(&away, &small(7).bytes)).await;
    let folder = away.stop().await;
    let purged = purge(&all.instances[0], r#"{"provider":"other","hard":true}"#).await;
    assert_eq!(purged.status, 200, "{}", String::from_utf8_lossy(&purged.body));
    // Of those that are configured Redis is asked at the start, of this one alone because something of it is kept.
    let back = back(&all, &url, folder).await;
    until("its disk is clean", async || !is_on_disk(&back, &small(7).bytes)).await;
}
