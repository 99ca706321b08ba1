//! The owner changes or removes the picture, or disconnects the account.

use avatar_proxy::clock::Clock;

use super::row::Row;
use super::rules::{SECOND, ahead, default, written};
use crate::avatar::rows as database_rows;
use crate::directory::database::Kind;
use crate::store::redis::deletion as everywhere;
use crate::support::accounts::{FACEBOOK, INSTAGRAM, TELEGRAM, small};
use crate::support::client::hash;
use crate::support::dashboard::Dashboard;
use crate::support::proxy::{Proxy, START, stand_in};
use crate::support::scene::{Scene, Shown};

pub(super) fn rows() -> Vec<Row> {
    let [no_picture, believed] =
        ["avatar.no_picture_for", "directory.cache_for"].map(|key| written(default(key)));
    assert_eq!(written(default("directory.sweep")), "24 h", "daily");
    vec![
        Row::new(
            "the owner changed the picture",
            "the old one once more, then the new one",
            format!("one, on the first view after {}", written(ahead())),
            &[a_changed_picture_is_shown_after_one_more_view_of_the_old_one],
        ),
        Row::new(
            "the owner removed the picture",
            "the old one once more, then initials",
            format!("the same, and again after {no_picture}"),
            &[a_removed_picture_becomes_initials_and_is_looked_for_again],
        ),
        Row::new(
            "the row is gone",
            "404",
            format!(
                "none; a view notices it (rows are cached for {believed}) or the daily sweep does; the bytes are deleted \
                 from every store"
            ),
            &[
                a_deleted_row_is_noticed_after_cache_for_and_becomes_404,
                database_rows::a_deleted_row_becomes_404_and_a_vanished_table_does_not::on_sqlite,
                database_rows::the_sweep_deletes_what_nobody_views_and_stops_where_too_much_would_go,
                everywhere::a_deleted_connection_is_found_everywhere_before_and_nowhere_after,
            ],
        ),
    ]
}

#[tokio::test]
async fn a_changed_picture_is_shown_after_one_more_view_of_the_old_one() {
    // Telegram tells the picture's name first, then where it lies.
    for (connected, calls) in [(FACEBOOK, 1), (INSTAGRAM, 1), (TELEGRAM, 2)] {
        let scene = Scene::confirmed(&connected, "").await;
        scene.change_picture();
        scene.wait(ahead() - SECOND);
        scene.sees(Shown::Picture, 0).await;
        scene.wait(SECOND);
        scene.sees(Shown::Picture, calls).await;
        assert_eq!(scene.sees(Shown::New, 0).await.state(), "fresh");
    }
}

#[tokio::test]
async fn a_removed_picture_becomes_initials_and_is_looked_for_again() {
    for (connected, calls) in [(FACEBOOK, 1), (INSTAGRAM, 1), (TELEGRAM, 2)] {
        let scene = Scene::confirmed(&connected, "").await;
        scene.sim.set_picture(connected.account, None);
        scene.wait(ahead());
        scene.sees(Shown::Picture, 1).await;
        let answer = scene.sees(Shown::Initials, 0).await;
        assert_eq!(answer.header("content-type"), Some("image/svg+xml"));
        assert_eq!(answer.header("cache-status"), Some("avatar-proxy; hit; detail=no-picture"));
        assert!(String::from_utf8_lossy(&answer.body).contains(">A\u{200c}L<"), "of the row's name");
        let absent = scene.proxy.get(&format!("{}?d=404", connected.path())).await;
        assert_eq!(absent.status, 404);
        scene.change_picture();
        scene.wait(default("avatar.no_picture_for") - SECOND);
        scene.sees(Shown::Initials, 0).await;
        scene.wait(SECOND);
        scene.sees(Shown::New, calls).await;
    }
}

#[tokio::test]
async fn a_deleted_row_is_noticed_after_cache_for_and_becomes_404() {
    let believed = default("directory.cache_for");
    for (age, found_out) in [(believed - SECOND, false), (believed, true)] {
        let (clock, dashboard) = (Clock::manual(START), Dashboard::new(Kind::Sqlite, 999).await);
        let sim = stand_in(&clock).await;
        FACEBOOK.add(&sim, small(1));
        dashboard.connect(&FACEBOOK, None).await;
        let proxy = Proxy::start(&sim, &clock, &dashboard.config()).await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
        dashboard.disconnect(FACEBOOK.id, &FACEBOOK).await;
        clock.advance(age);
        assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes), "{age:?}");
        // A row is read again in the background.
        proxy.idle().await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.status == 404, found_out, "{age:?}");
    }
}
