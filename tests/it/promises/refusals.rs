//! The provider says no, until the owner or the operator repairs something.

use avatar_proxy::clock::Clock;

use super::fault::{code, fails_and_leaves_alone_for};
use super::row::Row;
use super::rules::{HOUR, LONG_PAUSE, POLICY_PAUSE, SECOND, default, fresh_for, shown_soon_until, written};
use crate::avatar::{restart, rows as database_rows};
use crate::directory::database::{Kind, Log};
use crate::support::accounts::{FACEBOOK, INSTAGRAM, TELEGRAM, small};
use crate::support::dashboard::{Dashboard, seal};
use crate::support::proxy::{Proxy, START, stand_in};
use crate::support::scene::{Scene, Shown};
use crate::webhook::expiry;

pub(super) fn rows() -> Vec<Row> {
    let [long, policy] = [LONG_PAUSE, POLICY_PAUSE].map(written);
    let soon = written(shown_soon_until());
    vec![
        Row::new(
            "the token is dead (codes 102, 190; Telegram's 401)",
            "the last good picture",
            format!("none until the row's token changes, then at once; subcodes 459 and 464 also after {long}"),
            &[
                no_call_is_made_with_a_dead_token,
                a_token_whose_owner_must_act_is_tried_again,
                database_rows::a_new_token_in_the_row_ends_the_pause::on_sqlite,
            ],
        ),
        Row::new(
            "the token expires within 7 d, by the row (`token_expires_at`) or the provider (`token_expires_pointer`)",
            "the picture",
            "as usual; one event `avatar.expires_soon`",
            &[
                expiry::a_token_that_ends_within_seven_days_is_reported_once_over_views_refreshes_sweeps_and_restarts,
                expiry::the_end_of_a_token_whose_avatar_nobody_views_is_reported_by_the_sweep,
                expiry::a_token_end_that_only_the_provider_names_is_reported_once_by_a_view_or_by_the_sweep,
            ],
        ),
        Row::new(
            "a permission is missing",
            "the last good picture",
            format!("again after {long}; if blocked for policy (341, 368), after {policy}"),
            &[a_missing_permission_is_looked_for_again],
        ),
        Row::new(
            "the person withdrew consent (code 230)",
            format!("the last good picture until it is {soon} old, then initials"),
            format!("again after {long}"),
            &[without_consent_the_last_good_picture_is_shown_for_a_while_and_then_initials],
        ),
        Row::new(
            "something is misconfigured: a key, a host, an account",
            "the last good picture",
            format!("again after {long}, when the row changes, or after a restart; the log has an `ERROR`"),
            &[
                a_misconfigured_connection_is_reported_and_tried_again,
                a_row_that_was_mended_is_tried_at_once,
                restart::a_configuration_that_was_put_right_is_tried_at_the_next_start,
            ],
        ),
    ]
}

#[tokio::test]
async fn no_call_is_made_with_a_dead_token() {
    for connected in [FACEBOOK, INSTAGRAM, TELEGRAM] {
        let scene = Scene::confirmed(&connected, "").await;
        scene.wait(fresh_for());
        match connected == INSTAGRAM {
            true => scene.api(code(102, None)),
            false => scene.sim.revoke_token(connected.account),
        }
        scene.sees(Shown::Picture, 1).await;
        for days in [1, 4, 60, 120] {
            scene.wait(HOUR * 24 * days);
            assert_eq!(scene.sees(Shown::Picture, 0).await.state(), "last-good", "{}", connected.id);
        }
    }
}

#[tokio::test]
async fn a_token_whose_owner_must_act_is_tried_again() {
    tokio::join!(
        fails_and_leaves_alone_for(&FACEBOOK, code(190, Some(459)), LONG_PAUSE),
        fails_and_leaves_alone_for(&INSTAGRAM, code(190, Some(464)), LONG_PAUSE),
    );
}

#[tokio::test]
async fn a_missing_permission_is_looked_for_again() {
    tokio::join!(
        fails_and_leaves_alone_for(&FACEBOOK, code(10, None), LONG_PAUSE),
        fails_and_leaves_alone_for(&INSTAGRAM, code(200, None), LONG_PAUSE),
        fails_and_leaves_alone_for(&FACEBOOK, code(341, None), POLICY_PAUSE),
        fails_and_leaves_alone_for(&INSTAGRAM, code(368, None), POLICY_PAUSE),
    );
}

#[tokio::test]
async fn without_consent_the_last_good_picture_is_shown_for_a_while_and_then_initials() {
    fails_and_leaves_alone_for(&FACEBOOK, code(230, None), LONG_PAUSE).await;
    let scene = Scene::confirmed(&FACEBOOK, "").await;
    scene.api(code(230, None));
    scene.wait(shown_soon_until() - SECOND);
    assert_eq!(scene.sees(Shown::Picture, 1).await.state(), "last-good");
    scene.wait(SECOND);
    scene.sees(Shown::Initials, 0).await;
}

#[tokio::test]
async fn a_misconfigured_connection_is_reported_and_tried_again() {
    let log = Log::begin();
    fails_and_leaves_alone_for(&FACEBOOK, code(100, None), LONG_PAUSE).await;
    let log = log.text();
    assert!(log.lines().any(|line| line.contains("ERROR") && line.contains("code 100")), "{log}");
}

#[tokio::test]
async fn a_row_that_was_mended_is_tried_at_once() {
    let (clock, dashboard) = (Clock::manual(START), Dashboard::new(Kind::Sqlite, 999).await);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    dashboard.connect(&FACEBOOK, None).await;
    let token = async |sealed: &str| {
        let change = format!(r#"UPDATE "PageConnection" SET "pageAccessTokenEnc" = '{sealed}'"#);
        dashboard.db.sql(&change).await;
    };
    token("no key opens this").await;
    let proxy = Proxy::start(&sim, &clock, &dashboard.config()).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder");
    token(&seal(FACEBOOK.token)).await;
    clock.advance(default("directory.cache_for") + SECOND);
    proxy.get_until(&FACEBOOK.path(), |answer| answer.state() == "fresh").await;
    assert_eq!(sim.total_api_calls(), 1);
}
