//! An instance that stops while it refreshes.

use std::time::Duration;

use graphsim::Fault;

use super::util::{STALE, Together, together, until};
use crate::support::accounts::{FACEBOOK, small};
use crate::support::client::hash;

#[tokio::test]
async fn what_the_last_refresh_of_an_instance_brings_is_shown_by_the_others() {
    let all = together(2, "").await;
    for proxy in &all.instances {
        proxy.get(&FACEBOOK.path()).await;
        proxy.settled().await;
    }
    all.clock.advance(STALE);
    all.sim.set_picture(FACEBOOK.account, Some(small(2)));
    all.sim.api_fault(None, Some(Fault::Latency(Duration::from_millis(500))));
    all.sim.reset_counters();
    let Together { sim, clock: _, redis, mut instances } = all;
    let stops = instances.pop().unwrap();
    assert_eq!(stops.get(&FACEBOOK.path()).await.state(), "stale");
    until("it asks the provider", async || sim.api_calls(FACEBOOK.account) == 1).await;
    stops.stop().await;
    sim.api_fault(None, Some(Fault::Close));
    let shown = instances[0].get(&FACEBOOK.path()).await;
    assert_eq!((shown.state(), shown.hash()), ("fresh", hash(&small(2).bytes)));
    assert_eq!(sim.api_calls(FACEBOOK.account), 1);
    assert!(!redis.keys().iter().any(|key| key.ends_with(":lease")), "its lease is given back");
    assert_eq!(redis.cli(&["ZCARD", "avatar-proxy:{all}:instances"]), "1", "it has left");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_what_another_instance_refreshes() {
    let all = together(2, "[origin]\ntimeout = \"60s\"\n").await;
    for proxy in &all.instances {
        proxy.get(&FACEBOOK.path()).await;
        proxy.settled().await;
    }
    all.clock.advance(STALE);
    all.sim.api_fault(None, Some(Fault::Latency(Duration::from_secs(30))));
    all.sim.reset_counters();
    let Together { sim, clock: _clock, redis: _redis, mut instances } = all;
    let waits = instances.pop().unwrap();
    instances[0].get(&FACEBOOK.path()).await;
    until("the first asks the provider", async || sim.api_calls(FACEBOOK.account) == 1).await;
    waits.get(&FACEBOOK.path()).await;
    until("the second has found the lease taken", async || waits.service.snapshot().depth() == (1, 0, 0))
        .await;
    let stopped = tokio::time::timeout(Duration::from_secs(3), waits.stop()).await;
    assert!(stopped.is_ok(), "it waited until its background work was given up");
}
