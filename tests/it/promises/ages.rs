//! How old the picture is.

use std::time::Duration;

use graphsim::Fault;

use super::row::Row;
use super::rules::{
    SECOND, ahead, default, forgotten_after, fresh_for, refresh_ahead, shown_at_once_until, shown_soon_until,
    written,
};
use crate::avatar::{deletion, promise};
use crate::support::accounts::{ALL, FACEBOOK};
use crate::support::scene::{Scene, Shown, what};
use crate::support::wait::until;

pub(super) fn rows() -> Vec<Row> {
    let [at_once, soon] = [shown_at_once_until(), shown_soon_until()].map(written);
    let forgotten = written(forgotten_after());
    let [wait, answer] = ["avatar.wait", "server.request_timeout"].map(|key| written(default(key)));
    vec![
        Row::new(
            format!(
                "confirmed less than {} ago ({} of {})",
                written(ahead()),
                refresh_ahead(),
                written(fresh_for())
            ),
            "the picture",
            "none",
            &[no_provider_is_called_while_the_picture_was_confirmed_recently],
        ),
        Row::new(
            format!("confirmed longer ago, up to {at_once}"),
            "the picture, at once",
            "one, in the background",
            &[an_older_picture_is_shown_at_once_and_the_provider_is_asked_in_the_background],
        ),
        Row::new(
            format!("confirmed longer ago, up to {soon}"),
            format!("the picture, after at most {wait}"),
            "one, before the answer",
            &[older_pictures_wait_for_the_provider_a_little],
        ),
        Row::new(
            format!("confirmed longer ago, up to {forgotten}"),
            format!("the last good picture, after at most {answer}"),
            "one, before the answer",
            &[the_oldest_pictures_wait_for_the_provider_as_long_as_an_answer_may_take],
        ),
        Row::new(
            format!("not confirmed for {forgotten}"),
            "the same as on a first view: the bytes are deleted",
            "one, before the answer",
            &[deletion::bytes_that_were_not_confirmed_within_forget_after_are_deleted],
        ),
        Row::new(
            "first view",
            format!("the picture, or initials after at most {answer}"),
            "none if the row's own picture URL has not expired (never used for Telegram), else one",
            &[
                promise::a_stored_address_that_still_lives_costs_no_api_call_until_it_is_confirmed,
                promise::accounts_whose_stored_addresses_have_expired_show_their_pictures,
                a_first_view_waits_as_long_as_an_answer_may_take_and_shows_initials,
            ],
        ),
    ]
}

/// In place of the defaults, so that no test waits for long.
const SHORT: &str = r#"
[server]
request_timeout = "1s"
[avatar]
wait = "200ms"
[origin]
timeout = "10s"
"#;
const WAIT: Duration = Duration::from_millis(200);
const ANSWER: Duration = SECOND;

/// While the provider hangs, a view shows this after `least` and not much later.
async fn is_shown_after(scene: &Scene, shown: Shown, least: Duration) {
    scene.api(Fault::Hang);
    let watch = avatar_proxy::clock::Stopwatch::start();
    let answer = scene.proxy.get(&scene.whose.path()).await;
    let took = watch.elapsed();
    assert_eq!(what(&answer), shown, "{}", answer.head);
    assert!((least..least + WAIT * 3).contains(&took), "{took:?}: {}", answer.head);
    // Where no viewer waits for it, the call comes a moment after the answer.
    until("the provider is called", async || scene.sim.total_api_calls() > 0).await;
    assert_eq!(scene.sim.total_api_calls(), 1);
}

#[tokio::test]
async fn no_provider_is_called_while_the_picture_was_confirmed_recently() {
    for connected in ALL {
        let scene = Scene::confirmed(&connected, "").await;
        scene.wait(ahead() - SECOND);
        assert_eq!(scene.sees(Shown::Picture, 0).await.state(), "fresh");
    }
}

#[tokio::test]
async fn an_older_picture_is_shown_at_once_and_the_provider_is_asked_in_the_background() {
    for (age, state) in
        [(ahead(), "fresh"), (fresh_for(), "stale"), (shown_at_once_until() - SECOND, "stale")]
    {
        let scene = Scene::confirmed(&FACEBOOK, "").await;
        scene.change_picture();
        scene.wait(age);
        assert_eq!(scene.sees(Shown::Picture, 1).await.state(), state);
        assert_eq!(scene.sees(Shown::New, 0).await.state(), "fresh");
    }
    let scene = Scene::confirmed(&FACEBOOK, SHORT).await;
    scene.wait(shown_at_once_until() - SECOND);
    is_shown_after(&scene, Shown::Picture, Duration::ZERO).await;
}

#[tokio::test]
async fn older_pictures_wait_for_the_provider_a_little() {
    for age in [shown_at_once_until(), shown_soon_until() - SECOND] {
        let scene = Scene::confirmed(&FACEBOOK, SHORT).await;
        scene.change_picture();
        scene.wait(age);
        assert_eq!(scene.sees(Shown::New, 1).await.state(), "fresh");
        let scene = Scene::confirmed(&FACEBOOK, SHORT).await;
        scene.wait(age);
        is_shown_after(&scene, Shown::Picture, WAIT).await;
    }
}

#[tokio::test]
async fn the_oldest_pictures_wait_for_the_provider_as_long_as_an_answer_may_take() {
    for age in [shown_soon_until(), forgotten_after() - SECOND] {
        let scene = Scene::confirmed(&FACEBOOK, SHORT).await;
        scene.wait(age);
        is_shown_after(&scene, Shown::Picture, ANSWER).await;
    }
}

#[tokio::test]
async fn a_first_view_waits_as_long_as_an_answer_may_take_and_shows_initials() {
    let scene = Scene::cold(&FACEBOOK, SHORT).await;
    is_shown_after(&scene, Shown::Initials, ANSWER).await;
}
