//! What lies in Redis and goes over the wire to it is sealed, checked, and read by other versions.

use redis::Commands;

use super::util::{disturbed, on, redis_at, status, together, until};
use crate::support::accounts::{ALL, FACEBOOK, small};
use crate::support::client::hash;
use crate::support::proxy::Proxy;

const ENTRY: &str = "avatar-proxy:{clx3facebook}:entry";
const PICTURE: &str = "avatar-proxy:{clx3facebook}:picture";
const LINK: &str = "avatar-proxy:{clx3facebook}:link";

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn no_token_no_address_and_no_byte_of_a_picture_goes_over_the_wire_in_clear() {
    let all = together(0, "").await;
    let (chaos, url) = disturbed(&all.redis);
    let writer = on(&all.sim, &all.clock, &url, "").await;
    let reader = on(&all.sim, &all.clock, &url, "").await;
    for proxy in [&writer, &reader] {
        for connected in &ALL {
            assert_eq!(proxy.get(&connected.path()).await.state(), "fresh");
            proxy.settled().await;
        }
    }
    // Troubles, soft purges and deletions have words of their own.
    for connected in &ALL {
        all.sim.revoke_token(connected.account);
    }
    all.clock.advance(super::util::STALE);
    for connected in &ALL {
        writer.get(&connected.path()).await;
    }
    writer.settled().await;
    reader.admin("POST", "/api/avatars/clx3facebook/purge").await;
    reader.admin("DELETE", "/api/avatars/clx3instagram").await;
    let wire = chaos.recorded();
    for connected in &ALL {
        assert!(contains(&wire, connected.id.as_bytes()), "the search finds what is in clear");
        assert!(!contains(&wire, connected.token.as_bytes()), "a token of {}", connected.provider);
    }
    for address in all.sim.handed_out() {
        assert!(!contains(&wire, address.as_bytes()), "{address}");
    }
    // Three bytes would turn up by chance among that many random ones now and then.
    for piece in
        ["http://", "https://", "&oh=", "&oe=", "?oe=", "/bot", "Ada Lovelace", "needs_reauth", "\"code "]
    {
        assert!(!contains(&wire, piece.as_bytes()), "{piece}");
    }
    for picture in [small(1), small(3), small(4)] {
        for piece in picture.bytes.chunks_exact(16) {
            assert!(!contains(&wire, piece), "a piece of a picture");
        }
    }
}

#[tokio::test]
async fn a_value_that_was_changed_copied_or_is_of_another_version_is_a_miss() {
    let all = together(1, "").await;
    all.instances[0].get(&FACEBOOK.path()).await;
    all.instances[0].settled().await;
    let mut redis = all.redis.connection().unwrap();
    let entry: Vec<u8> = redis.get(ENTRY).unwrap();
    let head = 1 + entry.iter().enumerate().filter(|(_, byte)| **byte == b':').nth(3).unwrap().0;
    let picture: Vec<u8> = redis.get(PICTURE).unwrap();
    let mut later = entry.clone();
    later[head] = 9;
    let mut changed = entry.clone();
    changed[head + 40] ^= 1;
    let mut bytes = picture.clone();
    bytes[60] ^= 1;
    for (field, value) in
        [("later", later), ("changed", changed), ("short", entry[..8].to_vec()), ("copied", picture.clone())]
    {
        let _: () = redis.set(ENTRY, value).unwrap();
        assert_misses(&all, field).await;
        let _: () = redis.set(ENTRY, &entry).unwrap();
    }
    let _: () = redis.set(PICTURE, bytes).unwrap();
    assert_misses(&all, "a picture").await;
}

/// An instance that starts now does not use what lies in Redis, counts it, and shows the right picture.
async fn assert_misses(all: &super::util::Together, what: &str) {
    let downloads = all.sim.downloads(FACEBOOK.account);
    let fresh = on(&all.sim, &all.clock, &all.redis.url(), "").await;
    assert_eq!(fresh.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes), "{what}");
    fresh.settled().await;
    assert!(status(&fresh).await["rejected"].as_u64() >= Some(1), "{what}");
    assert_eq!(all.sim.downloads(FACEBOOK.account), downloads + 1, "{what}");
    fresh.stop().await;
}

#[tokio::test]
async fn keys_are_rotated_without_a_miss_and_a_stranger_reads_nothing() {
    let all = together(1, "").await;
    all.instances[0].get(&FACEBOOK.path()).await;
    all.instances[0].settled().await;
    let both = "[redis]\nkeys = [\"sha256:the new one\", \"sha256:the tests' own\"]\n";
    let rotated = on(&all.sim, &all.clock, &all.redis.url(), both).await;
    rotated.get(&FACEBOOK.path()).await;
    assert_eq!((all.sim.downloads(FACEBOOK.account), &status(&rotated).await["rejected"]), (1, &0.into()));
    let stranger = "[redis]\nkeys = [\"sha256:a stranger's\"]\n";
    let settings = crate::support::proxy::merged(&redis_at(&all.redis.url()), stranger);
    let stranger = Proxy::start(&all.sim, &all.clock, &format!("{settings}{}", FACEBOOK.entry(""))).await;
    stranger.get(&FACEBOOK.path()).await;
    until("it rejects", async || status(&stranger).await["rejected"].as_u64() >= Some(1)).await;
    assert_eq!(all.sim.downloads(FACEBOOK.account), 2);
}

#[tokio::test]
async fn everything_has_a_time_to_live() {
    let all = together(2, "").await;
    for proxy in &all.instances {
        for connected in &ALL {
            proxy.get(&connected.path()).await;
        }
        proxy.settled().await;
    }
    all.instances[0].admin("POST", "/api/avatars/clx3telegram/purge").await;
    let keys = all.redis.keys();
    assert!(keys.len() > 8, "{keys:?}");
    for key in &keys {
        let left: i64 = all.redis.cli(&["PTTL", key]).parse().unwrap();
        assert!(left > 0, "{key} lives for ever: {left}");
    }
    let days = |key: &str| all.redis.cli(&["TTL", key]).parse::<i64>().unwrap() / 86_400;
    assert!((29..=30).contains(&days(PICTURE)), "{}", days(PICTURE));
    // The stand-in's addresses live for four days, of which the margin is taken.
    assert!((2..4).contains(&days(LINK)), "{}", days(LINK));
}

#[tokio::test]
async fn a_stranger_who_writes_to_redis_purges_and_pauses_nothing() {
    let all = together(2, "").await;
    let path = FACEBOOK.path();
    for proxy in &all.instances {
        proxy.get(&path).await;
        proxy.settled().await;
    }
    for key in [
        "{clx3facebook}:purged:hard",
        "{clx3facebook}:purged:soft",
        "{all}:purged:hard:facebook",
        "{all}:pause:facebook",
    ] {
        all.redis.cli(&["SET", &format!("avatar-proxy:{key}"), "9000000000000:forged", "PX", "60000"]);
    }
    all.redis.cli(&["SET", "avatar-proxy:{all}:generation", "9000000000000000", "PX", "60000"]);
    let later = on(&all.sim, &all.clock, &all.redis.url(), "").await;
    let shown = later.get(&path).await;
    assert_eq!((shown.state(), shown.hash()), ("fresh", hash(&small(1).bytes)));
    assert_eq!(all.sim.downloads(FACEBOOK.account), 1);
    let deleted = all.instances[0].admin("DELETE", "/api/avatars/clx3instagram").await;
    assert_eq!(deleted.status, 200, "{}", String::from_utf8_lossy(&deleted.body));
    let count = all.redis.cli(&["GET", "avatar-proxy:{all}:generation"]);
    assert!(count.parse::<u64>().unwrap() < 9_000_000_000_000, "{count}");
}
