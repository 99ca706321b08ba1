//! The fresh address is saved in the dashboard's row, as the dashboard did itself; a token never is.

use std::time::Duration;

use avatar_proxy::clock::Clock;

use crate::directory::database::{Kind, Log};
use crate::support::accounts::{ALL, Connected, FACEBOOK, INSTAGRAM, TELEGRAM, small};
use crate::support::client::hash;
use crate::support::dashboard::Dashboard;
use crate::support::proxy::{LIFE, Proxy, START, stand_in};
use crate::support::wait::until_some;

const HOUR: Duration = Duration::from_secs(3600);

async fn saved(dashboard: &Dashboard, connected: &Connected, old: &str) -> String {
    let new = async || dashboard.picture_url(connected).await.filter(|now| now != old);
    until_some(&format!("the row of {} has another address", connected.id), new).await
}

async fn a_view_renews_the_rows_address_and_no_token_comes_into_the_database(kind: Kind) {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let dashboard = Dashboard::new(kind, 999).await;
    for connected in ALL {
        connected.add(&sim, small(1));
        // What the dashboard stored for Telegram was nothing: such an address would hold the bot's token.
        let stored = (connected != TELEGRAM).then(|| sim.direct_address(connected.account));
        dashboard.connect(&connected, stored.as_deref()).await;
    }
    clock.advance(LIFE + HOUR);
    let proxy = Proxy::start(&sim, &clock, &dashboard.config()).await;
    for round in 0..2 {
        for connected in ALL {
            let old = dashboard.picture_url(&connected).await;
            let answer = proxy.get_until(&connected.path(), |answer| answer.state() == "fresh").await;
            assert_eq!((answer.status, answer.hash()), (200, hash(&small(1).bytes)), "{}", connected.id);
            if connected == TELEGRAM {
                continue;
            }
            let new = saved(&dashboard, &connected, &old.unwrap()).await;
            assert!(sim.handed_out().contains(&new), "byte for byte what the provider gave");
            assert!(sim.seconds_left(&new) > 0, "round {round}: {new}");
        }
        assert_eq!(dashboard.picture_url(&TELEGRAM).await, None);
        clock.advance(LIFE + HOUR);
    }
    let folder = proxy.stop().await;
    drop(folder);

    // The same search finds a token that is there.
    let planted = "INSERT INTO \"TelegramConnection\" (\"id\", \"profilePictureUrl\") VALUES ('planted', '";
    dashboard.db.sql(&format!("{planted}https://x/file/bot{}/photos/1.jpg')", TELEGRAM.token)).await;
    assert_eq!(found(&dashboard).await, [TELEGRAM.id]);
    dashboard.disconnect("planted", &TELEGRAM).await;
    assert_eq!(found(&dashboard).await, [""; 0]);
}

/// Whose tokens stand anywhere in the database.
async fn found(dashboard: &Dashboard) -> Vec<&'static str> {
    let everything = dashboard.everything().await;
    assert!(everything.iter().any(|text| text.contains(INSTAGRAM.id)), "something was read");
    let is_there = |connected: &&Connected| everything.iter().any(|text| text.contains(connected.token));
    ALL.iter().filter(is_there).map(|connected| connected.id).collect()
}

/// The picture is shown, the row is as it was, and there is one line about it however many are asked for.
async fn assert_not_saved(dashboard: &Dashboard, url: &str) {
    let log = Log::begin();
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    dashboard.connect(&FACEBOOK, None).await;
    dashboard.connect_as("second", &FACEBOOK, None).await;
    let proxy = Proxy::start(&sim, &clock, &dashboard.config_for(url)).await;
    for _ in 0..3 {
        for path in [FACEBOOK.path(), "/avatar/second".to_owned()] {
            let answer = proxy.get_until(&path, |answer| answer.state() == "fresh").await;
            assert_eq!((answer.status, answer.hash()), (200, hash(&small(1).bytes)));
        }
        proxy.idle().await;
        clock.advance(7 * HOUR);
    }
    assert_eq!(dashboard.picture_url(&FACEBOOK).await, None);
    let text = log.text();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(" WARN ")).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].contains("fresh addresses are not saved") && lines[0].contains("PageConnection"),
        "{lines:?}"
    );
    assert!(!lines[0].contains("oh=") && !lines[0].contains(FACEBOOK.token));
}

async fn a_read_only_role_is_one_warning_and_pictures_are_served(kind: Kind) {
    let dashboard = Dashboard::new(kind, 999).await;
    let url = dashboard.db.read_only_url().await;
    assert_not_saved(&dashboard, &url).await;
}

async fn a_column_that_is_too_short_is_one_warning_and_pictures_are_served(kind: Kind) {
    let dashboard = Dashboard::new(kind, 40).await;
    assert_not_saved(&dashboard, &dashboard.db.url()).await;
}

macro_rules! on_three {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use crate::directory::database::Kind;
            #[tokio::test]
            async fn on_postgres() {
                super::$name(Kind::Postgres).await;
            }
            #[tokio::test]
            async fn on_mariadb() {
                super::$name(Kind::MariaDb).await;
            }
            #[tokio::test]
            async fn on_sqlite() {
                super::$name(Kind::Sqlite).await;
            }
        }
    )*};
}

on_three! {
    a_view_renews_the_rows_address_and_no_token_comes_into_the_database,
    a_read_only_role_is_one_warning_and_pictures_are_served,
}

// SQLite has no length that it would keep to.
mod a_column_that_is_too_short_is_one_warning_and_pictures_are_served {
    use crate::directory::database::Kind;
    #[tokio::test]
    async fn on_postgres() {
        super::a_column_that_is_too_short_is_one_warning_and_pictures_are_served(Kind::Postgres).await;
    }
    #[tokio::test]
    async fn on_mariadb() {
        super::a_column_that_is_too_short_is_one_warning_and_pictures_are_served(Kind::MariaDb).await;
    }
}
