//! The three cases that started this: stored addresses that died, an API that is down, and Telegram.

use std::time::Duration;

use graphsim::{Fault, Graphsim, pictures};

use crate::support::accounts::{ALL, FACEBOOK, INSTAGRAM, small};
use crate::support::client::hash;
use crate::support::proxy::{LIFE, Proxy, START, stand_in};
use avatar_proxy::clock::Clock;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
pub(crate) async fn accounts_whose_stored_addresses_have_expired_show_their_pictures() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let mut entries = String::new();
    for (seed, connected) in (1..).zip(ALL) {
        connected.add(&sim, small(seed));
        entries.push_str(&connected.entry(&sim.direct_address(connected.account)));
    }
    clock.advance(LIFE + HOUR);
    let proxy = Proxy::start(&sim, &clock, &entries).await;
    for (seed, connected) in (1..).zip(ALL) {
        let answer = proxy.get(&connected.path()).await;
        assert_eq!((answer.status, answer.state()), (200, "fresh"), "{}", answer.head);
        assert_eq!(answer.hash(), hash(&small(seed).bytes), "{}", connected.id);
        assert_eq!(answer.header("content-type"), Some("image/jpeg"));
    }
}

#[tokio::test]
async fn with_the_api_down_the_last_good_picture_is_still_shown() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let entries: String = ALL.iter().map(|connected| connected.entry("")).collect();
    for (seed, connected) in (1..).zip(ALL) {
        connected.add(&sim, small(seed));
    }
    let proxy = Proxy::start(&sim, &clock, &entries).await;
    for connected in ALL {
        proxy.get(&connected.path()).await;
    }
    sim.api_fault(None, Some(Fault::Close));
    sim.cdn_fault(None, Some(Fault::Close));
    for days in [1, 10, 80, 250] {
        clock.advance(Duration::from_secs(days * 24 * 3600));
        for (seed, connected) in (1..).zip(ALL) {
            let answer = proxy.get_until(&connected.path(), |answer| answer.state() == "last-good").await;
            assert_eq!(answer.hash(), hash(&small(seed).bytes), "{} after {days} days", connected.id);
            assert_eq!(answer.header("cache-control"), Some("public, max-age=60, stale-if-error=604800"));
        }
    }
}

#[tokio::test]
pub(crate) async fn a_stored_address_that_still_lives_costs_no_api_call_until_it_is_confirmed() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    let entry = FACEBOOK.entry(&sim.direct_address(FACEBOOK.account));
    let proxy = Proxy::start(&sim, &clock, &entry).await;
    let answer = proxy.get(&FACEBOOK.path()).await;
    assert_eq!((answer.status, answer.hash()), (200, hash(&small(1).bytes)));
    assert_eq!((sim.total_api_calls(), sim.total_downloads()), (0, 1));
    // It counts as of age S1, so that the next view confirms it in the background.
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "stale");
    proxy.get_until(&FACEBOOK.path(), |answer| answer.state() == "fresh").await;
    assert_eq!((sim.total_api_calls(), sim.total_downloads()), (1, 1));
}

/// A stored address that may or may not work, since it names no end, or an impossible one.
async fn with_an_address_without_an_end(query: &str, fault: Option<Fault>) -> (Graphsim, Proxy) {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    let address = sim.put_file(&format!("/p/stored.jpg{query}"), small(7));
    sim.api_fault(None, fault);
    let proxy = Proxy::start(&sim, &clock, &FACEBOOK.entry(&address)).await;
    (sim, proxy)
}

/// How often the stored address was asked for.
fn tries(sim: &Graphsim) -> usize {
    sim.request_lines().iter().filter(|line| line.contains("/p/stored.jpg")).count()
}

#[tokio::test]
async fn a_stored_address_that_tells_no_end_is_shown_while_the_provider_fails_and_nothing_else_is_held() {
    for query in ["", "?oe=1", "?expires=soon"] {
        let (sim, proxy) = with_an_address_without_an_end(query, Some(Fault::Close)).await;
        let answer = proxy.get(&FACEBOOK.path()).await;
        assert_eq!((answer.status, answer.hash()), (200, hash(&small(7).bytes)), "{query}");
        // It is last good: the attempt has failed, and the provider is not asked before its pause is over.
        for _ in 0..3 {
            let answer = proxy.get(&FACEBOOK.path()).await;
            assert_eq!((answer.state(), answer.hash()), ("last-good", hash(&small(7).bytes)), "{query}");
            proxy.settled().await;
        }
        assert_eq!(sim.total_api_calls(), 1, "{query}");
        sim.api_fault(None, None);
        proxy.clock.advance(Duration::from_secs(10));
        proxy.get(&FACEBOOK.path()).await;
        proxy.settled().await;
        let answer = proxy.get(&FACEBOOK.path()).await;
        assert_eq!((answer.state(), answer.hash()), ("fresh", hash(&small(1).bytes)), "{query}");
    }
}

#[tokio::test]
async fn a_stored_address_that_tells_no_end_is_not_asked_while_the_provider_answers() {
    let (sim, proxy) = with_an_address_without_an_end("", None).await;
    let answer = proxy.get(&FACEBOOK.path()).await;
    assert_eq!((answer.state(), answer.hash()), ("fresh", hash(&small(1).bytes)));
    assert_eq!((sim.total_api_calls(), tries(&sim)), (1, 0));
}

#[tokio::test]
async fn a_stored_address_that_tells_no_end_and_is_dead_is_tried_once_in_each_pause() {
    let (sim, proxy) = with_an_address_without_an_end("", Some(Fault::Close)).await;
    sim.cdn_fault(None, Some(Fault::Status { status: 403, content_type: "text/plain", body: "no".into() }));
    for attempts in [1, 2] {
        for _ in 0..3 {
            assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder");
            proxy.settled().await;
        }
        assert_eq!((sim.total_api_calls(), tries(&sim)), (attempts, attempts));
        proxy.clock.advance(Duration::from_secs(6));
    }
}

#[tokio::test]
async fn every_address_travels_byte_for_byte() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    INSTAGRAM.add(&sim, small(1));
    FACEBOOK.add(&sim, pictures::png(2, 64));
    let entries = INSTAGRAM.entry("") + &FACEBOOK.entry("");
    let proxy = Proxy::start(&sim, &clock, &entries).await;
    for connected in [INSTAGRAM, FACEBOOK] {
        assert_eq!(proxy.get(&connected.path()).await.status, 200);
    }
    let lines = sim.request_lines();
    let handed_out = sim.handed_out();
    assert_eq!(handed_out.len(), 2);
    for address in handed_out {
        let target = address.strip_prefix(&sim.cdn_url()).expect("an address at the CDN");
        assert!(lines.contains(&format!("GET {target} HTTP/1.1")), "{target}\n{lines:#?}");
    }
}

#[tokio::test]
async fn the_token_goes_into_the_authorization_header_and_nowhere_else() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let entries: String = [INSTAGRAM, FACEBOOK].iter().map(|connected| connected.entry("")).collect();
    INSTAGRAM.add(&sim, small(1));
    FACEBOOK.add(&sim, small(2));
    let proxy = Proxy::start(&sim, &clock, &entries).await;
    for connected in [INSTAGRAM, FACEBOOK] {
        proxy.get(&connected.path()).await;
        let (with, rest): (Vec<_>, Vec<_>) =
            sim.heads().into_iter().partition(|head| head.to_lowercase().contains("authorization: bearer"));
        assert!(with.iter().any(|head| head.contains(&format!("Bearer {}", connected.token))));
        assert!(rest.iter().all(|head| !head.contains(connected.token)));
        assert!(sim.request_lines().iter().all(|line| !line.contains(connected.token)));
    }
}
