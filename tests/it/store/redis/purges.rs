//! Purges and deletions: they reach every instance, and nothing comes back.

use std::net::SocketAddr;
use std::time::Duration;

use avatar_proxy::avatar::SweepReport;
use graphsim::Fault;

use super::util::{STALE, Together, body, disturbed, on, status, together, until};
use crate::support::accounts::{FACEBOOK, INSTAGRAM, TELEGRAM, small};
use crate::support::chaos::Mode;
use crate::support::client::{Answer, hash, raw};
use crate::support::proxy::Proxy;

/// Views every account on every instance.
pub(super) async fn filled(all: &Together) {
    for proxy in &all.instances {
        for connected in [INSTAGRAM, FACEBOOK, TELEGRAM] {
            proxy.get(&connected.path()).await;
        }
        proxy.settled().await;
    }
}

pub(super) async fn purge(proxy: &Proxy, json: &str) -> Answer {
    purge_at(proxy.admin, json).await
}

pub(super) async fn purge_at(admin: SocketAddr, json: &str) -> Answer {
    let length = json.len();
    let head = format!(
        "POST /api/purge HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    raw(admin, &format!("{head}{json}")).await
}

pub(super) async fn is_held(proxy: &Proxy, id: &str) -> bool {
    proxy.admin("GET", &format!("/api/avatars/{id}")).await.status == 200
}

/// Whether a piece of the picture's middle stands in any file of the instance.
pub(super) fn is_on_disk(proxy: &Proxy, picture: &[u8]) -> bool {
    let middle = &picture[picture.len() / 2..picture.len() / 2 + 64];
    std::fs::read_dir(proxy.folder.path()).unwrap().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        bytes.windows(middle.len()).any(|window| window == middle)
    })
}

#[tokio::test]
async fn a_deleted_avatar_is_gone_from_every_tier_of_every_instance() {
    let all = together(3, "").await;
    filled(&all).await;
    for proxy in &all.instances {
        until("on disk", async || is_on_disk(proxy, &small(1).bytes)).await;
    }
    let deleted = all.instances[0].admin("DELETE", "/api/avatars/clx3facebook").await;
    let said = body(&deleted);
    assert_eq!((deleted.status, said["status"].as_str()), (200, Some("deleted")), "{said}");
    assert_eq!(said["instances"]["done"].as_array().map(Vec::len), Some(3), "{said}");
    assert_eq!(said["instances"]["missing"].as_array().map(Vec::len), Some(0), "{said}");
    for proxy in &all.instances {
        assert!(!is_on_disk(proxy, &small(1).bytes));
        assert!(!is_held(proxy, FACEBOOK.id).await);
        assert!(is_held(proxy, INSTAGRAM.id).await, "others stay");
    }
    let left: Vec<String> =
        all.redis.keys().into_iter().filter(|key| key.contains("{clx3facebook}")).collect();
    assert_eq!(left, ["avatar-proxy:{clx3facebook}:purged:hard"], "no more than that it is purged");
}

#[tokio::test]
async fn a_soft_purge_makes_every_instance_ask_and_one_of_them_does() {
    let all = together(2, "").await;
    filled(&all).await;
    all.sim.set_picture(FACEBOOK.account, Some(small(2)));
    let purged = all.instances[0].admin("POST", "/api/avatars/clx3facebook/purge").await;
    assert_eq!((purged.status, body(&purged)["avatars"].as_u64()), (200, Some(1)));
    let calls = all.sim.api_calls(FACEBOOK.account);
    let shown = all.instances[1].get(&FACEBOOK.path()).await;
    assert_eq!((shown.state(), shown.hash()), ("stale", hash(&small(1).bytes)), "shown meanwhile");
    for proxy in &all.instances {
        let new = hash(&small(2).bytes);
        proxy.get_until(&FACEBOOK.path(), |answer| answer.hash() == new).await;
    }
    assert_eq!(all.sim.api_calls(FACEBOOK.account), calls + 1);
}

#[tokio::test]
async fn a_provider_and_all_can_be_purged_as_a_whole() {
    let all = together(2, "").await;
    filled(&all).await;
    let deleted = purge(&all.instances[1], r#"{"provider":"facebook","hard":true}"#).await;
    let said = body(&deleted);
    assert_eq!((deleted.status, said["avatars"].as_u64()), (200, Some(1)), "{said}");
    for proxy in &all.instances {
        assert!(!is_held(proxy, FACEBOOK.id).await);
        assert!(is_held(proxy, TELEGRAM.id).await);
    }
    let purged = purge(&all.instances[0], r#"{"all":true}"#).await;
    assert_eq!(body(&purged)["avatars"].as_u64(), Some(2), "{}", String::from_utf8_lossy(&purged.body));
    for connected in [INSTAGRAM, TELEGRAM] {
        assert_eq!(all.instances[1].get(&connected.path()).await.state(), "stale");
    }
    // A refresh under way has its lease.
    all.instances[1].settled().await;
    let deleted = purge(&all.instances[0], r#"{"all":true,"hard":true}"#).await;
    assert_eq!(deleted.status, 200);
    let left: Vec<String> = all
        .redis
        .keys()
        .into_iter()
        .filter(|key| key.contains("{clx3") && !key.contains(":purged:"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn an_instance_that_does_not_acknowledge_a_purge_is_named_and_applies_it_when_it_returns() {
    let all = together(1, "").await;
    let (chaos, url) = disturbed(&all.redis);
    let silent = on(&all.sim, &all.clock, &url, "").await;
    let name = status(&silent).await["instance"].as_str().unwrap().to_owned();
    for proxy in [&all.instances[0], &silent] {
        proxy.get(&FACEBOOK.path()).await;
        proxy.settled().await;
    }
    chaos.set(Mode::Hang);
    let deleted = all.instances[0].admin("DELETE", "/api/avatars/clx3facebook").await;
    let said = body(&deleted);
    assert_eq!(deleted.status, 202, "{said}");
    assert_eq!(said["instances"]["missing"], serde_json::json!([name]), "{said}");
    all.sim.set_picture(FACEBOOK.account, None);
    until("the silence is noticed", async || status(&silent).await["subscribed"] == false).await;
    chaos.set(Mode::Pass);
    chaos.drop_connections();
    until("it is back", async || status(&silent).await["subscribed"] == true).await;
    assert_eq!(silent.get(&FACEBOOK.path()).await.state(), "placeholder");
    silent.settled().await;
    until("its disk is clean", async || !is_on_disk(&silent, &small(1).bytes)).await;
}

#[tokio::test]
async fn a_refresh_under_way_elsewhere_brings_nothing_back() {
    let all = together(2, "").await;
    filled(&all).await;
    all.sim.set_picture(FACEBOOK.account, Some(small(2)));
    all.sim.cdn_fault(None, Some(Fault::Latency(Duration::from_millis(500))));
    all.clock.advance(STALE);
    all.instances[0].get(&FACEBOOK.path()).await;
    until("a download is under way", async || all.sim.downloads(FACEBOOK.account) == 2).await;
    let deleted = all.instances[1].admin("DELETE", "/api/avatars/clx3facebook").await;
    assert_eq!(deleted.status, 200);
    for proxy in &all.instances {
        proxy.settled().await;
        assert!(!is_held(proxy, FACEBOOK.id).await);
        assert!(!is_on_disk(proxy, &small(2).bytes) && !is_on_disk(proxy, &small(1).bytes));
    }
    assert!(!all.redis.keys().contains(&"avatar-proxy:{clx3facebook}:picture".to_owned()));
}

#[tokio::test]
async fn a_deletion_while_redis_is_away_says_so_and_is_published_when_redis_returns() {
    let all = together(1, "").await;
    let (chaos, url) = disturbed(&all.redis);
    let alone = on(&all.sim, &all.clock, &url, "").await;
    for proxy in [&all.instances[0], &alone] {
        proxy.get(&FACEBOOK.path()).await;
        proxy.settled().await;
    }
    chaos.set(Mode::Cut);
    until("the cut is noticed", async || status(&alone).await["subscribed"] == false).await;
    let deleted = alone.admin("DELETE", "/api/avatars/clx3facebook").await;
    assert_eq!((deleted.status, body(&deleted)["error"].as_str()), (503, Some("redis_away")));
    assert!(!is_held(&alone, FACEBOOK.id).await);
    assert!(is_held(&all.instances[0], FACEBOOK.id).await);
    chaos.set(Mode::Pass);
    until("the other instance has applied the purge", async || {
        !is_held(&all.instances[0], FACEBOOK.id).await
    })
    .await;
}

#[tokio::test]
async fn an_instance_that_missed_a_purge_of_all_applies_it_when_it_returns() {
    let all = together(2, "").await;
    filled(&all).await;
    let Together { sim, clock, redis, mut instances } = all;
    let gone = instances.pop().unwrap();
    let folder = gone.stop().await;
    let purged = purge(&instances[0], r#"{"all":true,"hard":true}"#).await;
    assert_eq!(body(&purged)["instances"]["done"].as_array().map(Vec::len), Some(1));
    let settings = super::util::redis_at(&redis.url());
    let entries = [INSTAGRAM, FACEBOOK, TELEGRAM].map(|connected| connected.entry("")).concat();
    let back = Proxy::start_in(&sim, &clock, &format!("{settings}{entries}"), folder).await;
    until("its disk is clean", async || {
        !is_on_disk(&back, &small(1).bytes) && !is_on_disk(&back, &small(4).bytes)
    })
    .await;
}

#[tokio::test]
async fn a_wrong_purge_is_refused_with_what_would_be_right() {
    let all = together(1, "").await;
    for wrong in [
        "",
        "{}",
        "[]",
        r#"{"ids":[]}"#,
        r#"{"ids":["a"],"all":true}"#,
        r#"{"provider":"myspace"}"#,
        r#"{"all":false}"#,
        r#"{"all":true,"hart":true}"#,
    ] {
        let answer = purge(&all.instances[0], wrong).await;
        assert_eq!((answer.status, body(&answer)["error"].as_str()), (400, Some("invalid_purge")), "{wrong}");
    }
    let answer = purge(&all.instances[0], r#"{"ids":["a/b"]}"#).await;
    assert_eq!(body(&answer)["error"], "invalid_id");
    let many = serde_json::json!({ "ids": vec!["a"; 1001] }).to_string();
    assert_eq!(purge(&all.instances[0], &many).await.status, 400);
    let nobody = purge(&all.instances[0], r#"{"ids":["nobody"]}"#).await;
    assert_eq!((nobody.status, body(&nobody)["avatars"].as_u64()), (200, Some(0)));
}

#[tokio::test]
async fn a_connection_whose_row_is_gone_leaves_redis_and_every_instance_by_the_sweep() {
    let all = together(1, "").await;
    all.instances[0].get(&FACEBOOK.path()).await;
    all.instances[0].settled().await;
    let settings = super::util::redis_at(&all.redis.url());
    let later = Proxy::start(&all.sim, &all.clock, &format!("{settings}{}", INSTAGRAM.entry(""))).await;
    until("it is subscribed", async || status(&later).await["subscribed"] == true).await;
    assert_eq!(later.service.jobs().sweep().await, SweepReport::Deleted(1, 1));
    until("it is gone everywhere", async || {
        let left = all.redis.keys().into_iter().any(|key| key.ends_with("{clx3facebook}:picture"));
        !left && !is_held(&all.instances[0], FACEBOOK.id).await
    })
    .await;
}
