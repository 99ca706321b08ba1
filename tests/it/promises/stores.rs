//! The database is away, or there is more to do than may be done.

use std::net::SocketAddr;

use avatar_proxy::clock::Clock;
use graphsim::Fault;

use super::row::Row;
use super::rules::{SECOND, fresh_for};
use crate::config::avatar as options;
use crate::directory::database::Kind;
use crate::support::accounts::{ALL, Connected, FACEBOOK, small};
use crate::support::chaos::{Chaos, Mode};
use crate::support::client::hash;
use crate::support::dashboard::Dashboard;
use crate::support::postgres;
use crate::support::proxy::{Proxy, START, stand_in};

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "the database is down",
            "every stored picture; a neutral placeholder for the others",
            "none: refreshes need the rows",
            &[without_the_database_stored_pictures_are_shown_and_no_provider_is_called],
        ),
        Row::new(
            "more refreshes than `avatar.max_refreshes`",
            "the stored picture, or initials",
            "most recently viewed first; a refresh dropped from a full queue returns with its next view",
            &[
                the_last_viewed_are_refreshed_first_and_a_dropped_refresh_comes_back,
                options::as_many_refreshes_wait_as_are_configured,
            ],
        ),
    ]
}

#[tokio::test]
async fn without_the_database_stored_pictures_are_shown_and_no_provider_is_called() {
    let (clock, dashboard) = (Clock::manual(START), Dashboard::new(Kind::Postgres, 999).await);
    let sim = stand_in(&clock).await;
    for connected in ALL {
        connected.add(&sim, small(1));
        dashboard.connect(&connected, None).await;
    }
    dashboard.connect_as("nobody-has-viewed-it", &FACEBOOK, None).await;
    let chaos = Chaos::start(SocketAddr::from(([127, 0, 0, 1], postgres::port())));
    let url = dashboard.db.url().replace(&postgres::port().to_string(), &chaos.port().to_string());
    let proxy = Proxy::start(&sim, &clock, &dashboard.config_for(&url)).await;
    let all_show = async |state: &str| {
        for connected in ALL {
            let answer = proxy.get(&connected.path()).await;
            assert_eq!((answer.state(), answer.hash()), (state, hash(&small(1).bytes)), "{}", connected.id);
        }
        proxy.settled().await;
    };
    all_show("fresh").await;
    sim.reset_counters();

    chaos.set(Mode::Cut);
    for age in [fresh_for(), fresh_for() * 20] {
        clock.advance(age);
        all_show("stale").await;
    }
    let unseen = proxy.get("/avatar/nobody-has-viewed-it").await;
    assert_eq!((unseen.status, unseen.state()), (200, "placeholder"));
    assert!(!String::from_utf8_lossy(&unseen.body).contains("<text"), "no name is known");
    assert_eq!(sim.total_api_calls() + sim.total_downloads(), 0);

    chaos.set(Mode::Pass);
    for connected in ALL {
        proxy.get_until(&connected.path(), |answer| answer.state() == "fresh").await;
    }
    proxy.get_until("/avatar/nobody-has-viewed-it", |answer| answer.state() == "fresh").await;
}

#[tokio::test]
async fn the_last_viewed_are_refreshed_first_and_a_dropped_refresh_comes_back() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let pages = ["first", "second", "third"].map(|id| Connected { id, account: id, token: id, ..FACEBOOK });
    pages.iter().for_each(|page| page.add(&sim, small(1)));
    let entries = pages.each_ref().map(|page| page.entry("")).concat();
    let narrow = "[avatar]\nmax_refreshes = 1\nqueue = 1\n";
    let proxy = Proxy::start(&sim, &clock, &format!("{entries}{narrow}")).await;
    for page in &pages {
        assert_eq!(proxy.get(&page.path()).await.state(), "fresh");
    }
    sim.reset_counters();
    sim.api_fault(None, Some(Fault::Latency(SECOND / 2)));
    clock.advance(fresh_for());
    for (page, running, waiting) in [(&pages[0], 1, 0), (&pages[1], 1, 1), (&pages[2], 1, 1)] {
        clock.advance(SECOND);
        assert_eq!(proxy.get(&page.path()).await.hash(), hash(&small(1).bytes));
        // Each is known to the queue before the next one comes.
        proxy.has_running(running).await;
        proxy.has_waiting(waiting).await;
    }
    proxy.settled().await;
    assert_eq!(pages.each_ref().map(|page| sim.api_calls(page.account)), [1, 0, 1]);
    proxy.get(&pages[1].path()).await;
    proxy.settled().await;
    assert_eq!(pages.each_ref().map(|page| sim.api_calls(page.account)), [1, 1, 1]);
}
