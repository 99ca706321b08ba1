//! The provider or its CDN fails.

use graphsim::Fault;

use super::row::Row;
use super::rules::{HOUR, SECOND, default, fresh_for, written};
use crate::avatar::faults;
use crate::support::accounts::{FACEBOOK, INSTAGRAM};
use crate::support::scene::{Scene, Shown};

pub(super) fn rows() -> Vec<Row> {
    let [least, most, placeholder] =
        ["avatar.retry_min", "avatar.retry_max", "avatar.headers.fallback_max_age"]
            .map(|key| written(default(key)));
    vec![
        Row::new(
            "the provider is down, slow or sends nonsense",
            "the last good picture",
            format!("again after {least}; the pause doubles up to {most}"),
            &[
                faults::with_last_good_bytes_held_every_fault_is_answered_by_them_and_few_calls,
                faults::a_refused_connection_is_answered_as_every_other_fault,
                the_pause_between_attempts_doubles_up_to_its_bound,
            ],
        ),
        Row::new(
            "the CDN refuses the picture URL (403, 404, 410)",
            "the picture",
            "one, for a new URL; a second refusal counts as a failure",
            &[an_address_that_the_cdn_refuses_is_asked_for_once_more],
        ),
        Row::new(
            "the same failures, and no picture was ever fetched",
            format!("initials, cached for {placeholder}"),
            "with the same pauses",
            &[faults::with_nothing_held_every_fault_is_answered_by_a_placeholder_and_few_calls],
        ),
    ]
}

#[tokio::test]
async fn the_pause_between_attempts_doubles_up_to_its_bound() {
    let (mut pause, most) = (default("avatar.retry_min"), default("avatar.retry_max"));
    let scene = Scene::confirmed(&FACEBOOK, "").await;
    scene.wait(fresh_for());
    scene.api(Fault::Close);
    let mut bounded = 0;
    while bounded < 3 {
        scene.sees(Shown::Picture, 1).await;
        // Up to a quarter is taken off, so that a herd does not come back in step.
        scene.wait(pause.mul_f64(0.74));
        scene.sees(Shown::Picture, 0).await;
        scene.wait(pause.mul_f64(0.26));
        pause = (pause * 2).min(most);
        bounded += usize::from(pause == most);
    }
    scene.api(None);
    scene.sees(Shown::Picture, 1).await;
    assert_eq!(scene.sees(Shown::Picture, 0).await.state(), "fresh");
}

#[tokio::test]
async fn an_address_that_the_cdn_refuses_is_asked_for_once_more() {
    for (connected, status) in [(FACEBOOK, 403), (INSTAGRAM, 404), (INSTAGRAM, 410)] {
        let refusal =
            Fault::Status { status, content_type: "text/plain", body: "URL signature expired".into() };
        let scene = Scene::cold(&connected, "").await;
        scene.sim.cdn_fault_times(None, refusal.clone(), 1);
        scene.sees(Shown::Picture, 2).await;

        scene.change_picture();
        scene.wait(HOUR * 24);
        scene.sim.cdn_fault(None, Some(refusal));
        scene.sees(Shown::Picture, 2).await;
        assert_eq!(scene.sees(Shown::Picture, 0).await.state(), "last-good");
        scene.sim.cdn_fault(None, None);
        scene.wait(default("avatar.retry_min"));
        scene.sees(Shown::Picture, 1).await;
        scene.wait(SECOND);
        scene.sees(Shown::New, 0).await;
    }
}
