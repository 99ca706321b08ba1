//! `[avatar]` and `[link]`.

use std::time::Duration;

use avatar_proxy::clock::Clock;
use futures_util::future::join_all;
use graphsim::{Fault, Graphsim};

use super::util::{DAY, HOUR, SECOND, facebook, inspect, is_about, one, set, timed};
use crate::support::accounts::{ALL, FACEBOOK, small};
use crate::support::client::Answer;
use crate::support::proxy::{Proxy, START, stand_in};

/// The answer for a picture of that age, and how long it took.
async fn aged(sim: &Graphsim, extra: &str, age: Duration, fault: Option<Fault>) -> (Answer, Duration) {
    sim.api_fault(None, None);
    let clock = Clock::manual(START);
    let proxy = facebook(sim, &clock, extra).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
    sim.api_fault(None, fault);
    clock.advance(age);
    timed(&proxy, &FACEBOOK.path()).await
}

#[tokio::test]
async fn a_picture_is_fresh_for_as_long_as_is_configured() {
    let (sim, _) = one(&FACEBOOK).await;
    for (value, state) in [("\"6h\"", "fresh"), ("\"1h\"", "stale")] {
        let (answer, _) = aged(&sim, &set("avatar.fresh_for", value), HOUR * 2, None).await;
        assert_eq!(answer.state(), state, "{value}");
    }
}

#[tokio::test]
async fn a_refresh_begins_early_at_the_fraction_that_is_configured() {
    let (sim, _) = one(&FACEBOOK).await;
    for (value, calls) in [("0.5", 2), ("1.0", 1)] {
        sim.reset_counters();
        let clock = Clock::manual(START);
        let proxy = facebook(&sim, &clock, &set("avatar.refresh_ahead", value)).await;
        proxy.get(&FACEBOOK.path()).await;
        clock.advance(HOUR * 4);
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
        proxy.settled().await;
        assert_eq!(sim.total_api_calls(), calls, "{value}");
    }
}

/// Cold views of all three accounts at one time while the API is slow: the calls that it answered at the same time, and
/// the pictures that were shown.
async fn crowd(extra: &str) -> (usize, usize) {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let mut entries = extra.to_owned();
    for connected in ALL {
        connected.add(&sim, small(1));
        entries.push_str(&connected.entry(""));
    }
    sim.api_fault(None, Some(Fault::Latency(Duration::from_millis(500))));
    let proxy = &Proxy::start(&sim, &clock, &entries).await;
    let views = join_all(ALL.map(|connected| async move { proxy.get(&connected.path()).await })).await;
    let shown = views.iter().filter(|answer| answer.state() == "fresh").count();
    (sim.most_at_once_of_all(), shown)
}

#[tokio::test]
async fn as_many_refreshes_run_at_one_time_as_are_configured() {
    for (value, at_once) in [("1", 1), ("64", 3)] {
        assert_eq!(crowd(&set("avatar.max_refreshes", value)).await, (at_once, 3), "{value}");
    }
}

#[tokio::test]
pub(crate) async fn as_many_refreshes_wait_as_are_configured() {
    for (value, shown) in [("1", 2), ("2", 3)] {
        let extra = set("avatar.queue", value) + &set("avatar.max_refreshes", "1");
        assert_eq!(crowd(&extra).await, (1, shown), "{value}");
    }
}

#[tokio::test]
async fn a_stale_picture_is_shown_at_once_for_as_long_as_is_configured() {
    let (sim, _) = one(&FACEBOOK).await;
    for (value, state) in [("\"7d\"", "stale"), ("\"0s\"", "fresh")] {
        let (answer, _) = aged(&sim, &set("avatar.stale_while_revalidate", value), DAY, None).await;
        assert_eq!(answer.state(), state, "{value}");
    }
}

#[tokio::test]
async fn a_refresh_is_awaited_for_a_short_time_within_stale_if_error_and_then_in_full() {
    let (sim, _) = one(&FACEBOOK).await;
    let rest = set("avatar.wait", "\"100ms\"")
        + &set("server.request_timeout", "\"900ms\"")
        + &set("origin.timeout", "\"10s\"")
        + &set("avatar.stale_while_revalidate", "\"0s\"");
    for (value, millis) in [("\"90d\"", 100), ("\"0s\"", 900)] {
        let extra = rest.clone() + &set("avatar.stale_if_error", value);
        let (answer, took) = aged(&sim, &extra, DAY, Some(Fault::Hang)).await;
        assert_eq!(answer.state(), "last-good");
        assert!(is_about(took, millis), "{value}: {took:?}");
    }
}

#[tokio::test]
async fn while_last_good_bytes_are_held_a_refresh_is_awaited_for_as_long_as_is_configured() {
    let (sim, _) = one(&FACEBOOK).await;
    let rest = set("avatar.stale_while_revalidate", "\"0s\"") + &set("origin.timeout", "\"10s\"");
    for (value, millis) in [("\"100ms\"", 100), ("\"900ms\"", 900)] {
        let extra = rest.clone() + &set("avatar.wait", value);
        let (answer, took) = aged(&sim, &extra, DAY, Some(Fault::Hang)).await;
        assert_eq!(answer.state(), "last-good");
        assert!(is_about(took, millis), "{value}: {took:?}");
    }
}

#[tokio::test]
async fn bytes_that_were_not_confirmed_for_as_long_as_is_configured_are_gone() {
    let (sim, _) = one(&FACEBOOK).await;
    let rest = set("avatar.stale_while_revalidate", "\"1d\"") + &set("avatar.stale_if_error", "\"1d\"");
    for (value, state) in [("\"365d\"", "last-good"), ("\"30d\"", "placeholder")] {
        let extra = rest.clone() + &set("avatar.forget_after", value);
        let (answer, _) = aged(&sim, &extra, DAY * 40, Some(Fault::Close)).await;
        assert_eq!(answer.state(), state, "{value}");
    }
}

#[tokio::test]
async fn no_picture_is_believed_for_as_long_as_is_configured() {
    for (value, state) in [("\"6h\"", "placeholder"), ("\"1h\"", "fresh")] {
        let (sim, clock) = one(&FACEBOOK).await;
        sim.set_picture(FACEBOOK.account, None);
        let proxy = facebook(&sim, &clock, &set("avatar.no_picture_for", value)).await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder");
        sim.set_picture(FACEBOOK.account, Some(small(2)));
        clock.advance(HOUR * 2);
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), state, "{value}");
    }
}

/// The calls of a view that comes `pause` after the last of that many failures.
async fn calls_after(extra: &str, failures: usize, pause: Duration) -> usize {
    let (sim, clock) = one(&FACEBOOK).await;
    sim.api_fault(None, Some(Fault::Close));
    let proxy = facebook(&sim, &clock, extra).await;
    for _ in 0..failures {
        clock.advance(DAY);
        proxy.get(&FACEBOOK.path()).await;
    }
    assert_eq!(sim.total_api_calls(), failures);
    clock.advance(pause);
    proxy.get(&FACEBOOK.path()).await;
    sim.total_api_calls() - failures
}

#[tokio::test]
async fn after_a_failure_no_call_is_made_for_as_long_as_is_configured() {
    for (value, calls) in [("\"1s\"", 1), ("\"10m\"", 0)] {
        assert_eq!(calls_after(&set("avatar.retry_min", value), 1, SECOND * 10).await, calls, "{value}");
    }
}

#[tokio::test]
async fn the_pause_grows_up_to_what_is_configured() {
    for (value, calls) in [("\"5s\"", 1), ("\"1h\"", 0)] {
        assert_eq!(calls_after(&set("avatar.retry_max", value), 8, SECOND * 10).await, calls, "{value}");
    }
}

#[tokio::test]
async fn an_address_is_dropped_as_long_before_its_end_as_is_configured() {
    let (sim, clock) = one(&FACEBOOK).await;
    let mut ends = Vec::new();
    for value in ["\"0s\"", "\"12h\""] {
        let proxy = facebook(&sim, &clock, &set("link.margin", value)).await;
        proxy.get(&FACEBOOK.path()).await;
        ends.push(inspect(&proxy, FACEBOOK.id).await["link_expires_at"].as_i64().unwrap());
    }
    assert_eq!(ends[0] - ends[1], 12 * 3600 * 1000);
}

#[tokio::test]
async fn an_address_that_names_no_end_is_used_for_as_long_as_is_configured() {
    let (sim, clock) = one(&FACEBOOK).await;
    let address = format!("{}/unsigned.jpg", sim.cdn_url());
    let body = format!(r#"{{"picture":{{"data":{{"url":"{address}","is_silhouette":false}}}},"id":"1"}}"#);
    sim.api_fault(None, Some(Fault::Status { status: 200, content_type: "application/json", body }));
    // The bytes fail for now, so that the address is kept.
    sim.cdn_fault(None, Some(Fault::Status { status: 500, content_type: "text/plain", body: "".into() }));
    for (value, hours) in [("\"24h\"", 24), ("\"1h\"", 1)] {
        let proxy = facebook(&sim, &clock, &set("link.default_ttl", value)).await;
        proxy.get(&FACEBOOK.path()).await;
        let end = inspect(&proxy, FACEBOOK.id).await["link_expires_at"].as_i64().unwrap();
        assert_eq!(end - clock.now().as_millis(), hours * 3600 * 1000, "{value}");
    }
}
