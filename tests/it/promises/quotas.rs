//! The provider counts calls.

use std::time::Duration;

use avatar_proxy::clock::Clock;
use graphsim::Fault;

use super::fault::{code, fails_and_leaves_alone_for};
use super::row::Row;
use super::rules::{ACCOUNT_PAUSE, SECOND, THROTTLE_PAUSE, fresh_for, written};
use crate::avatar::{limits, near_limits};
use crate::support::accounts::{Connected, FACEBOOK, INSTAGRAM, TELEGRAM, small};
use crate::support::proxy::{Proxy, START, stand_in};
use crate::support::scene::{Scene, Shown};

pub(super) fn rows() -> Vec<Row> {
    let [throttle, account] = [THROTTLE_PAUSE, ACCOUNT_PAUSE].map(written);
    vec![
        Row::new(
            "the provider throttles",
            "the last good picture",
            format!(
                "none until the time it names, else for {throttle}; code 4 pauses every account of that provider"
            ),
            &[a_throttle_holds_until_the_time_it_names, code_4_stops_every_account_of_the_app_and_no_other_app],
        ),
        Row::new(
            "Meta reports 80 % of an app's quota used",
            "the last good picture, at once",
            format!(
                "one at a time, last viewed first, 1 s apart, twice as far apart with each 2 % more; at 100 % none for \
                 {throttle}; as usual after {throttle} without a report"
            ),
            &[
                an_app_near_its_limit_is_asked_more_and_more_slowly_the_last_viewed_first,
                limits::an_app_near_its_limit_is_called_more_slowly_and_viewers_still_see_pictures,
                near_limits::no_view_with_a_picture_to_show_waits_for_an_app_that_is_slowed_down,
                near_limits::an_app_whose_replies_stop_naming_its_quota_is_called_normally_after_an_hour,
                limits::an_app_whose_quota_is_used_up_is_not_called_for_an_hour_and_viewers_see_last_good_bytes,
            ],
        ),
        Row::new(
            "Meta reports 80 % of an account's quota used",
            "the last good picture",
            format!(
                "none for that account for {account}, twice as long with each 5 % more; at 100 % until the time Meta \
                 names, else for {throttle}"
            ),
            &[
                an_account_near_its_limit_is_left_alone_longer_and_longer,
                limits::an_account_whose_quota_is_used_up_is_not_called_until_it_regains_access_even_after_a_restart,
            ],
        ),
    ]
}

#[tokio::test]
async fn a_throttle_holds_until_the_time_it_names() {
    let named = Fault::Throttled { code: 17, minutes: 25 };
    let telegrams = Fault::TooManyRequests { retry_after: 90 };
    tokio::join!(
        fails_and_leaves_alone_for(&FACEBOOK, code(17, None), THROTTLE_PAUSE),
        fails_and_leaves_alone_for(&FACEBOOK, code(32, None), THROTTLE_PAUSE),
        fails_and_leaves_alone_for(&FACEBOOK, code(613, None), THROTTLE_PAUSE),
        fails_and_leaves_alone_for(&FACEBOOK, code(80001, None), THROTTLE_PAUSE),
        fails_and_leaves_alone_for(&INSTAGRAM, code(80002, None), THROTTLE_PAUSE),
        fails_and_leaves_alone_for(&FACEBOOK, named, Duration::from_secs(25 * 60)),
        fails_and_leaves_alone_for(&TELEGRAM, telegrams, Duration::from_secs(90)),
    );
}

#[tokio::test]
async fn code_4_stops_every_account_of_the_app_and_no_other_app() {
    let second = Connected { id: "second", account: "104500000000077", token: "EAAsecond-page", ..FACEBOOK };
    let scene = Scene::cold(&FACEBOOK, &(second.entry("") + &TELEGRAM.entry(""))).await;
    second.add(&scene.sim, small(1));
    TELEGRAM.add(&scene.sim, small(1));
    scene.sim.api_fault(Some(FACEBOOK.account), Some(code(4, None)));
    scene.sees(Shown::Initials, 1).await;
    scene.sim.api_fault(None, None);
    for (after, state) in
        [(Duration::ZERO, "placeholder"), (THROTTLE_PAUSE - SECOND, "placeholder"), (SECOND, "fresh")]
    {
        scene.wait(after);
        assert_eq!(scene.proxy.get(&second.path()).await.state(), state, "{after:?}");
        assert_eq!(scene.proxy.get(&TELEGRAM.path()).await.state(), "fresh");
    }
}

fn usage(name: &'static str, value: String) -> Option<Fault> {
    Some(Fault::Headers(vec![(name, value)]))
}

#[tokio::test]
async fn an_app_near_its_limit_is_asked_more_and_more_slowly_the_last_viewed_first() {
    tokio::join!(
        an_app_is_asked_every(SECOND, 80),
        an_app_is_asked_every(SECOND * 2, 82),
        an_app_is_asked_every(SECOND * 4, 84)
    );
}

async fn an_app_is_asked_every(pace: Duration, percent: u32) {
    let step = SECOND / 4;
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let pages = ["first", "second", "third"].map(|id| Connected { id, account: id, token: id, ..FACEBOOK });
    pages.iter().for_each(|page| page.add(&sim, small(1)));
    let entries = pages.each_ref().map(|page| page.entry("")).concat();
    let proxy = Proxy::start(&sim, &clock, &entries).await;
    for page in &pages {
        assert_eq!(proxy.get(&page.path()).await.state(), "fresh");
    }
    clock.advance(fresh_for());
    sim.reset_counters();
    sim.api_fault(None, usage("X-App-Usage", format!(r#"{{"call_count":{percent}}}"#)));
    let started = clock.now();
    for page in &pages {
        assert_eq!(proxy.get(&page.path()).await.state(), "stale", "no viewer waits");
        if page.id == "first" {
            // From this reply on it is known.
            proxy.settled().await;
        }
        clock.advance(step / 4);
    }
    let mut asked = [None; 3];
    while asked.contains(&None) {
        assert!(clock.now().since(started) < pace * 4, "{asked:?}");
        proxy.quiet().await;
        for (page, asked) in pages.iter().zip(&mut asked) {
            let now = clock.now().since(started);
            *asked = asked.or((sim.api_calls(page.account) > 0).then_some(now));
        }
        clock.advance(step);
    }
    let [_, second, third] = asked.map(Option::unwrap_or_default);
    assert!((pace..pace + step * 2).contains(&third), "{percent} %: {asked:?}");
    assert!((third + pace..third + pace + step * 2).contains(&second), "{percent} %: {asked:?}");
}

#[tokio::test]
async fn an_account_near_its_limit_is_left_alone_longer_and_longer() {
    for (percent, pause) in
        [(80, ACCOUNT_PAUSE), (85, ACCOUNT_PAUSE * 2), (90, ACCOUNT_PAUSE * 4), (100, THROTTLE_PAUSE)]
    {
        let scene = Scene::confirmed(&FACEBOOK, "[avatar]\nfresh_for = \"1s\"\n").await;
        scene.wait(SECOND);
        // Pages under Platform limits say it in another header.
        scene.api(match percent {
            85 => usage("X-Page-Usage", r#"{"call_count":85,"total_cputime":3}"#.to_owned()),
            _ => {
                let said =
                    format!(r#"{{"{}":[{{"type":"pages","call_count":{percent}}}]}}"#, FACEBOOK.account);
                usage("X-Business-Use-Case-Usage", said)
            }
        });
        scene.sees(Shown::Picture, 1).await;
        scene.wait(pause - SECOND);
        scene.sees(Shown::Picture, 0).await;
        scene.wait(SECOND);
        scene.sees(Shown::Picture, 1).await;
    }
}
