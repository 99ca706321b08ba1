//! The limits that a provider names in any reply are obeyed at once, and no longer than they hold.

use std::time::Duration;

use avatar_proxy::clock::Clock;
use futures_util::future::join_all;
use graphsim::{Fault, Graphsim, Kind};

use crate::support::accounts::{Connected, FACEBOOK, TELEGRAM, small};
use crate::support::client::{self, Answer, hash};
use crate::support::proxy::{Proxy, START, stand_in};

const MINUTE: Duration = Duration::from_secs(60);
/// A picture is fresh for ten minutes and shown at once for one more. A view that waited would wait for very long.
const SETTINGS: &str = "[server]\nrequest_timeout = \"15m\"\n[avatar]\nfresh_for = \"10m\"\nrefresh_ahead = 1.0\n\
                        stale_while_revalidate = \"1m\"\nwait = \"10m\"\n";
const STALE: Duration = Duration::from_secs(11 * 60 + 1);

const SECOND_PAGE: Connected =
    Connected { id: "second", account: "104500000000077", token: "EAAsecond-page", ..FACEBOOK };
const BY_FACEBOOK: Connected = Connected {
    id: "by-facebook",
    provider: "instagram",
    account: "17841400000000099",
    token: "EAAtoken-of-an-instagram-account",
    kind: Kind::InstagramViaFacebook,
};

async fn world(accounts: &[Connected], settings: &str) -> (Graphsim, Proxy) {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    accounts.iter().for_each(|connected| connected.add(&sim, small(1)));
    let entries: String = accounts.iter().map(|connected| connected.entry("")).collect();
    let proxy = Proxy::start(&sim, &clock, &format!("{settings}{entries}")).await;
    (sim, proxy)
}

fn says(name: &'static str, value: String) -> Fault {
    Fault::Headers(vec![(name, value)])
}

fn app_used(percent: u32) -> Fault {
    says("X-App-Usage", format!(r#"{{"call_count":{percent}}}"#))
}

fn refused() -> Fault {
    Fault::Status { status: 403, content_type: "text/plain", body: "URL signature expired".into() }
}

/// A view that must not wait for the provider's turn.
async fn at_once(proxy: &Proxy, whose: &Connected) -> Answer {
    let answer = tokio::time::timeout(Duration::from_secs(15), proxy.get(&whose.path())).await;
    answer.expect("the view waits for a provider that is slowed down")
}

#[tokio::test]
pub(crate) async fn an_app_whose_replies_stop_naming_its_quota_is_called_normally_after_an_hour() {
    let (sim, proxy) = world(&[FACEBOOK], SETTINGS).await;
    sim.api_fault(None, Some(app_used(99)));
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
    proxy.settled().await;
    sim.api_fault(None, None);
    proxy.clock.advance(STALE);
    at_once(&proxy, &FACEBOOK).await;
    proxy.quiet().await;
    assert_eq!(sim.api_calls(FACEBOOK.account), 1, "at 99 % it is left alone for 12 minutes");
    proxy.clock.advance(50 * MINUTE);
    proxy.settled().await;
    for calls in [2, 3, 4] {
        assert_eq!(sim.api_calls(FACEBOOK.account), calls);
        proxy.clock.advance(STALE);
        assert_eq!(at_once(&proxy, &FACEBOOK).await.hash(), hash(&small(1).bytes));
        proxy.settled().await;
    }
}

#[tokio::test]
pub(crate) async fn no_view_with_a_picture_to_show_waits_for_an_app_that_is_slowed_down() {
    let (sim, proxy) = world(&[FACEBOOK, SECOND_PAGE], SETTINGS).await;
    for page in [FACEBOOK, SECOND_PAGE] {
        assert_eq!(proxy.get(&page.path()).await.state(), "fresh");
    }
    proxy.clock.advance(STALE);
    sim.api_fault(None, Some(app_used(95)));
    proxy.get(&FACEBOOK.path()).await;
    proxy.settled().await;
    for _ in 0..2 {
        let shown = at_once(&proxy, &SECOND_PAGE).await;
        assert_eq!(shown.hash(), hash(&small(1).bytes));
    }
    assert_eq!(sim.api_calls(SECOND_PAGE.account), 1);
    proxy.clock.advance(4 * MINUTE);
    proxy.settled().await;
    assert_eq!(sim.api_calls(SECOND_PAGE.account), 2, "it is asked for in its turn");
}

/// At 99 % the first page is asked for, then the second one is viewed, whose row has an address that lives; what the CDN
/// does with it. What is shown, and how often its API was asked.
async fn first_view_by_the_rows_address(cdn: Option<Fault>) -> (Answer, usize) {
    let (sim, proxy) = world(&[FACEBOOK], SETTINGS).await;
    SECOND_PAGE.add(&sim, small(2));
    let stored = sim.direct_address(SECOND_PAGE.account);
    let folder = proxy.stop().await;
    let clock = Clock::manual(START);
    let settings = format!("{SETTINGS}{}{}", FACEBOOK.entry(""), SECOND_PAGE.entry(&stored));
    let proxy = Proxy::start_in(&sim, &clock, &settings, folder).await;
    sim.api_fault(None, Some(app_used(99)));
    proxy.get(&FACEBOOK.path()).await;
    proxy.settled().await;
    sim.cdn_fault(None, cdn);
    (at_once(&proxy, &SECOND_PAGE).await, sim.api_calls(SECOND_PAGE.account))
}

#[tokio::test]
async fn a_first_picture_that_needs_no_call_does_not_wait_for_an_app_that_is_slowed_down() {
    let (shown, calls) = first_view_by_the_rows_address(None).await;
    assert_eq!((shown.hash(), calls), (hash(&small(2).bytes), 0));
}

#[tokio::test]
async fn a_first_picture_whose_stored_address_fails_is_asked_for_only_in_its_turn() {
    let (shown, calls) = first_view_by_the_rows_address(Some(refused())).await;
    assert_eq!((shown.state(), calls), ("placeholder", 0));
}

#[tokio::test]
async fn a_first_view_waits_for_its_picture_only_if_its_turn_comes_in_time() {
    for (percent, state) in [(99, "placeholder"), (80, "fresh")] {
        let (sim, proxy) = world(&[FACEBOOK, SECOND_PAGE], "").await;
        sim.api_fault(None, Some(app_used(percent)));
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
        proxy.settled().await;
        let clock = proxy.clock.clone();
        let view = at_once(&proxy, &SECOND_PAGE);
        let time = async {
            // Its turn comes while the view waits for it, if it does.
            if state == "fresh" {
                proxy.has_waiting(1).await;
                clock.advance(MINUTE);
            }
        };
        let (shown, ()) = tokio::join!(view, time);
        assert_eq!(shown.state(), state, "at {percent} %");
    }
}

#[tokio::test]
async fn no_first_view_waits_while_the_app_may_not_be_called() {
    let (sim, proxy) = world(&[FACEBOOK, SECOND_PAGE], SETTINGS).await;
    sim.api_fault(None, Some(app_used(100)));
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
    proxy.settled().await;
    for _ in 0..2 {
        assert_eq!(at_once(&proxy, &SECOND_PAGE).await.state(), "placeholder");
    }
    assert_eq!(sim.api_calls(SECOND_PAGE.account), 0);
}

#[tokio::test]
async fn an_error_that_says_that_the_account_is_used_up_stops_calls_to_it() {
    let (sim, proxy) = world(&[FACEBOOK], SETTINGS).await;
    sim.api_fault(None, Some(Fault::Throttled { code: 2, minutes: 40 }));
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder");
    for minutes in [1, 20, 18] {
        proxy.clock.advance(MINUTE * minutes);
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder");
        assert_eq!(sim.api_calls(FACEBOOK.account), 1, "code 2 alone would be tried again after seconds");
    }
    sim.api_fault(None, None);
    proxy.clock.advance(2 * MINUTE);
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
}

#[tokio::test]
async fn an_account_near_its_limit_is_not_called_again_when_the_cdn_refuses_its_address() {
    let (sim, proxy) = world(&[FACEBOOK], SETTINGS).await;
    let usage = r#"{"1":[{"type":"pages","call_count":85}]}"#;
    sim.api_fault(None, Some(says("X-Business-Use-Case-Usage", usage.to_owned())));
    sim.cdn_fault(None, Some(refused()));
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder");
    proxy.clock.advance(19 * MINUTE);
    proxy.get(&FACEBOOK.path()).await;
    assert_eq!(sim.api_calls(FACEBOOK.account), 1);
    proxy.clock.advance(MINUTE);
    proxy.get(&FACEBOOK.path()).await;
    assert_eq!(sim.api_calls(FACEBOOK.account), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_whose_turn_comes_after_the_app_was_refused_makes_no_call() {
    let pages = ["a", "b", "c"].map(|id| Connected { id, account: id, token: id, ..FACEBOOK });
    let (sim, proxy) = world(&pages, "[providers.facebook]\nmax_calls = 8\ncalls_per_second = 1\n").await;
    sim.api_fault(None, Some(Fault::Throttled { code: 4, minutes: 30 }));
    let views = pages.iter().map(|page| {
        let (address, path) = (proxy.address, page.path());
        async move { client::request(address, "GET", &path, "").await }
    });
    for shown in join_all(views).await {
        assert_eq!(shown.state(), "placeholder");
    }
    assert_eq!(sim.total_api_calls(), 1, "the others waited for their second, and heard of it then");
}

#[tokio::test(flavor = "multi_thread")]
async fn instagram_accounts_that_are_asked_through_facebook_count_among_its_calls() {
    let (sim, proxy) = world(&[FACEBOOK, BY_FACEBOOK], "[providers.facebook]\nmax_calls = 1\n").await;
    sim.api_fault(None, Some(Fault::Latency(Duration::from_millis(200))));
    // Without pictures every request is a call: a download may run beside the next call.
    [FACEBOOK, BY_FACEBOOK].iter().for_each(|connected| sim.set_picture(connected.account, None));
    let (page, account) = (FACEBOOK.path(), BY_FACEBOOK.path());
    tokio::join!(proxy.get(&page), proxy.get(&account));
    assert_eq!((sim.total_api_calls(), sim.most_at_once_of_all()), (2, 1));
}

#[tokio::test]
async fn a_throttle_that_names_no_time_still_stops_the_calls_of_later_views() {
    let (sim, proxy) = world(&[TELEGRAM], "[avatar]\nretry_min = \"5s\"\n").await;
    sim.api_fault(None, Some(Fault::TooManyRequests { retry_after: 0 }));
    for _ in 0..3 {
        assert_eq!(proxy.get(&TELEGRAM.path()).await.state(), "placeholder");
        proxy.settled().await;
    }
    assert_eq!(sim.api_calls(TELEGRAM.account), 1);
    sim.api_fault(None, None);
    proxy.clock.advance(Duration::from_secs(5));
    assert_eq!(proxy.get(&TELEGRAM.path()).await.state(), "fresh");
}

#[tokio::test]
async fn a_purge_of_a_whole_provider_tries_no_dead_token_and_one_of_the_avatar_does() {
    let (sim, proxy) = world(&[FACEBOOK], SETTINGS).await;
    proxy.get(&FACEBOOK.path()).await;
    sim.revoke_token(FACEBOOK.account);
    proxy.clock.advance(STALE);
    proxy.get(&FACEBOOK.path()).await;
    proxy.settled().await;
    assert_eq!(sim.api_calls(FACEBOOK.account), 2);
    for (purge, calls) in
        [(r#"{"provider":"facebook"}"#, 2), (r#"{"all":true}"#, 2), (r#"{"ids":["clx3facebook"]}"#, 3)]
    {
        let purged = client::post(proxy.admin, "/api/purge", purge).await;
        assert!(purged.status < 300, "{}", purged.head);
        assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
        proxy.settled().await;
        assert_eq!(sim.api_calls(FACEBOOK.account), calls, "{purge}");
    }
}

#[tokio::test]
async fn a_token_that_the_host_cannot_parse_is_a_fault_of_the_configuration_and_no_dead_one() {
    let (sim, proxy) = world(&[FACEBOOK], "").await;
    let message = "Invalid OAuth access token - Cannot parse access token";
    sim.api_fault(
        None,
        Some(Fault::GraphError { status: 400, code: 190, subcode: None, message: message.into() }),
    );
    proxy.get(&FACEBOOK.path()).await;
    let told = proxy.admin("GET", "/api/avatars/clx3facebook").await;
    let told: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
    assert!(told.to_string().contains("misconfigured"), "{told}");
    sim.api_fault(None, None);
    proxy.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh", "a dead one would not be tried again");
}
