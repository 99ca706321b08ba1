//! Quotas are respected before they bite.

use std::time::Duration;

use avatar_proxy::clock::Clock;
use graphsim::{Endpoint, Fault, Graphsim};
use serde_json::json;

use crate::support::accounts::{FACEBOOK, INSTAGRAM, small};
use crate::support::client::hash;
use crate::support::proxy::{Proxy, START, stand_in};

const FRESH_FOR: &str = "[avatar]\nfresh_for = \"10m\"\nwait = \"1s\"\n";
/// A little longer than a picture is fresh.
const STALE: Duration = Duration::from_secs(11 * 60);

/// Every reply of the provider says that so much of the app's quota is used up, in per cent.
fn used_up(sim: &Graphsim, percent: u32) {
    let usage = format!(r#"{{"call_count":{percent},"total_cputime":3,"total_time":2}}"#);
    sim.api_fault(None, Some(Fault::Headers(vec![("X-App-Usage", usage)])));
}

#[tokio::test]
pub(crate) async fn an_app_whose_quota_is_used_up_is_not_called_for_an_hour_and_viewers_see_last_good_bytes()
{
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    used_up(&sim, 100);
    let proxy = Proxy::start(&sim, &clock, &format!("{FRESH_FOR}{}", FACEBOOK.entry(""))).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh", "the reply itself was right");
    proxy.settled().await;
    used_up(&sim, 20);
    for _ in 0..5 {
        clock.advance(STALE);
        let shown = proxy.get(&FACEBOOK.path()).await;
        assert_eq!((shown.state(), shown.hash()), ("last-good", hash(&small(1).bytes)));
        proxy.settled().await;
        assert_eq!(sim.api_calls(FACEBOOK.account), 1, "within the hour");
    }
    clock.advance(STALE);
    proxy.get(&FACEBOOK.path()).await;
    proxy.settled().await;
    assert_eq!(sim.api_calls(FACEBOOK.account), 2);
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
}

#[tokio::test]
pub(crate) async fn an_app_near_its_limit_is_called_more_slowly_and_viewers_still_see_pictures() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    INSTAGRAM.add(&sim, small(3));
    used_up(&sim, 85);
    let entries = [FACEBOOK, INSTAGRAM].map(|connected| connected.entry("")).concat();
    let proxy = Proxy::start(&sim, &clock, &format!("{FRESH_FOR}{entries}")).await;
    for connected in [FACEBOOK, INSTAGRAM] {
        assert_eq!(proxy.get(&connected.path()).await.state(), "fresh");
    }
    proxy.settled().await;
    sim.set_picture(FACEBOOK.account, Some(small(2)));
    clock.advance(STALE);
    let shown = proxy.get(&FACEBOOK.path()).await;
    assert_eq!((shown.state(), shown.hash()), ("stale", hash(&small(1).bytes)), "the viewer does not wait");
    let new = hash(&small(2).bytes);
    proxy.get_until(&FACEBOOK.path(), |answer| answer.hash() == new).await;
    assert_eq!(sim.api_calls(FACEBOOK.account), 2);
}

#[tokio::test]
pub(crate) async fn an_account_whose_quota_is_used_up_is_not_called_until_it_regains_access_even_after_a_restart()
 {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    INSTAGRAM.add(&sim, small(3));
    let usage = r#"{"104500000000002":[{"type":"pages","call_count":100,"total_cputime":3,"total_time":2,"estimated_time_to_regain_access":45}]}"#;
    sim.api_fault(
        Some(FACEBOOK.account),
        Some(Fault::Headers(vec![("X-Business-Use-Case-Usage", usage.to_owned())])),
    );
    let entries = [FACEBOOK, INSTAGRAM].map(|connected| connected.entry("")).concat();
    let settings = format!("{FRESH_FOR}{entries}");
    let proxy = Proxy::start(&sim, &clock, &settings).await;
    for connected in [FACEBOOK, INSTAGRAM] {
        assert_eq!(proxy.get(&connected.path()).await.state(), "fresh", "the reply itself was right");
    }
    proxy.settled().await;
    let folder = proxy.stop().await;
    let proxy = Proxy::start_in(&sim, &clock, &settings, folder).await;
    for minutes in [11, 22, 33, 44] {
        clock.advance(STALE);
        assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
        proxy.get(&INSTAGRAM.path()).await;
        proxy.settled().await;
        assert_eq!(sim.api_calls(FACEBOOK.account), 1, "after {minutes} minutes");
    }
    assert_eq!(sim.api_calls(INSTAGRAM.account), 5, "another account is asked as ever");
    clock.advance(STALE);
    proxy.get(&FACEBOOK.path()).await;
    proxy.settled().await;
    assert_eq!(sim.api_calls(FACEBOOK.account), 2);
}

#[tokio::test]
async fn an_operators_own_provider_with_metas_errors_has_metas_limits() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let picture = sim.put_file("/p/a.jpg", small(1));
    let used_up = ("X-App-Usage", r#"{"call_count":100}"#.to_owned());
    for account in ["7", "8"] {
        let reply = Endpoint::new(&format!("/{account}"), None, json!({ "picture": picture }));
        sim.serve(Endpoint { headers: vec![used_up.clone()], ..reply });
    }
    let row = |id: &str, account: &str| {
        format!(
            "[[connection]]\nid = '{id}'\nprovider = 'threads'\naccount = '{account}'\ntoken = 'plain:t'\n"
        )
    };
    let block = format!(
        "[[providers.json]]\nname = 'threads'\nurl = '{}/{{account}}'\nauth = 'bearer'\npointer = '/picture'\n\
         errors = 'meta'\nhosts = ['127.0.0.1']\n",
        sim.other_url()
    );
    let settings = row("one", "7") + &row("other", "8") + &block;
    let proxy = Proxy::start(&sim, &clock, &settings).await;
    assert_eq!(proxy.get("/avatar/one").await.state(), "fresh");
    assert_eq!(proxy.get("/avatar/other").await.state(), "placeholder");
    clock.advance(Duration::from_secs(3590));
    assert_eq!(proxy.get("/avatar/other").await.state(), "placeholder");
    assert_eq!((sim.endpoint_calls("/7"), sim.endpoint_calls("/8")), (1, 0), "the app is one");
    clock.advance(Duration::from_secs(70));
    assert_eq!(proxy.get("/avatar/other").await.state(), "fresh");
}
