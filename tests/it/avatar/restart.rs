//! After a restart, with all providers down.

use std::time::Duration;

use graphsim::Fault;

use crate::support::accounts::{ALL, FACEBOOK, small};
use crate::support::client::hash;
use crate::support::proxy::{Proxy, START, stand_in};
use avatar_proxy::clock::Clock;

#[tokio::test]
pub(crate) async fn every_last_good_picture_is_served_after_a_restart_with_all_providers_down() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let entries: String = ALL.iter().map(|connected| connected.entry("")).collect();
    let proxy = {
        for (seed, connected) in (1..).zip(ALL) {
            connected.add(&sim, small(seed));
        }
        let proxy = Proxy::start(&sim, &clock, &entries).await;
        for connected in ALL {
            proxy.get(&connected.path()).await;
        }
        proxy
    };
    let folder = proxy.stop().await;
    sim.api_fault(None, Some(Fault::Close));
    sim.cdn_fault(None, Some(Fault::Close));
    clock.advance(Duration::from_secs(30 * 24 * 3600));
    let proxy = Proxy::start_in(&sim, &clock, &entries, folder).await;
    for (seed, connected) in (1..).zip(ALL) {
        let answer = proxy.get(&connected.path()).await;
        assert_eq!(
            (answer.state(), answer.hash()),
            ("last-good", hash(&small(seed).bytes)),
            "{}",
            connected.id
        );
    }
}

#[tokio::test]
pub(crate) async fn a_failure_is_remembered_over_a_restart_so_that_no_provider_is_called_again() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    sim.revoke_token(FACEBOOK.account);
    let proxy = Proxy::start(&sim, &clock, &FACEBOOK.entry("")).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder");
    let folder = proxy.stop().await;
    sim.reset_counters();
    clock.advance(Duration::from_secs(30 * 24 * 3600));
    let proxy = Proxy::start_in(&sim, &clock, &FACEBOOK.entry(""), folder).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder");
    proxy.settled().await;
    assert_eq!(sim.total_api_calls(), 0);
}

#[tokio::test]
pub(crate) async fn the_pause_of_a_whole_app_is_kept_over_a_restart() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    ALL.iter().for_each(|connected| connected.add(&sim, small(1)));
    let fault = Fault::GraphError { status: 400, code: 4, subcode: None, message: "limit".into() };
    sim.api_fault(None, Some(fault));
    let entries: String = ALL.iter().map(|connected| connected.entry("")).collect();
    let proxy = Proxy::start(&sim, &clock, &entries).await;
    proxy.get(&FACEBOOK.path()).await;
    let folder = proxy.stop().await;
    sim.api_fault(None, None);
    sim.reset_counters();
    let second = entries.replace("clx3facebook", "never-seen-before");
    let proxy = Proxy::start_in(&sim, &clock, &second, folder).await;
    assert_eq!(proxy.get("/avatar/never-seen-before").await.state(), "placeholder");
    assert_eq!(sim.total_api_calls(), 0);
}

#[tokio::test]
pub(crate) async fn a_configuration_that_was_put_right_is_tried_at_the_next_start() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    let wrong = FACEBOOK.entry("") + "[providers.facebook]\nhosts = [\"example.com\"]\n";
    let proxy = Proxy::start(&sim, &clock, &wrong).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder");
    clock.advance(Duration::from_secs(60));
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder");
    assert_eq!(sim.total_api_calls(), 1);
    let folder = proxy.stop().await;
    let proxy = Proxy::start_in(&sim, &clock, &FACEBOOK.entry(""), folder).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
}
