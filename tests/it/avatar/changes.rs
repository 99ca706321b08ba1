//! What the owner does to his picture, and the operator to his row.

use std::time::Duration;

use graphsim::{Kind, Missing};

use crate::support::accounts::{ALL, FACEBOOK, INSTAGRAM, TELEGRAM, small};
use crate::support::client::hash;
use crate::support::proxy::{Proxy, START, stand_in};
use avatar_proxy::clock::Clock;

const FRESH_FOR: Duration = Duration::from_secs(6 * 3600);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_changed_picture_appears_after_fresh_for() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let entries: String = ALL.iter().map(|connected| connected.entry("")).collect();
    ALL.iter().for_each(|connected| connected.add(&sim, small(1)));
    let proxy = Proxy::start(&sim, &clock, &entries).await;
    for connected in ALL {
        proxy.get(&connected.path()).await;
        sim.set_picture(connected.account, Some(small(2)));
        assert_eq!(proxy.get(&connected.path()).await.hash(), hash(&small(1).bytes));
    }
    clock.advance(FRESH_FOR + SECOND);
    for connected in ALL {
        let new = proxy.get_until(&connected.path(), |answer| answer.hash() == hash(&small(2).bytes)).await;
        assert_eq!(new.state(), "fresh", "{}", connected.id);
    }
}

#[tokio::test]
async fn the_same_picture_under_a_new_signature_is_not_downloaded_again() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let entries: String = ALL.iter().map(|connected| connected.entry("")).collect();
    ALL.iter().for_each(|connected| connected.add(&sim, small(1)));
    let proxy = Proxy::start(&sim, &clock, &entries).await;
    for connected in ALL {
        proxy.get(&connected.path()).await;
    }
    for _ in 0..5 {
        clock.advance(FRESH_FOR + SECOND);
        for connected in ALL {
            proxy.get_until(&connected.path(), |answer| answer.state() == "fresh").await;
        }
    }
    for connected in ALL {
        assert_eq!(sim.downloads(connected.account), 1, "{}", connected.id);
    }
}

#[tokio::test]
async fn a_view_late_in_fresh_for_refreshes_ahead_so_that_nobody_sees_a_stale_picture() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    let proxy = Proxy::start(&sim, &clock, &FACEBOOK.entry("")).await;
    proxy.get(&FACEBOOK.path()).await;
    clock.advance(FRESH_FOR.mul_f64(0.79));
    proxy.get(&FACEBOOK.path()).await;
    proxy.settled().await;
    assert_eq!(sim.total_api_calls(), 1);
    clock.advance(FRESH_FOR.mul_f64(0.02));
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
    proxy.settled().await;
    assert_eq!(sim.total_api_calls(), 2);
    clock.advance(FRESH_FOR.mul_f64(0.5));
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
}

#[tokio::test]
async fn a_removed_picture_becomes_a_placeholder() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let entries: String = ALL.iter().map(|connected| connected.entry("")).collect();
    ALL.iter().for_each(|connected| connected.add(&sim, small(1)));
    let proxy = Proxy::start(&sim, &clock, &entries).await;
    for connected in ALL {
        proxy.get(&connected.path()).await;
        sim.set_picture(connected.account, None);
    }
    clock.advance(FRESH_FOR + SECOND);
    for connected in ALL {
        let answer = proxy.get_until(&connected.path(), |answer| answer.state() == "placeholder").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("image/svg+xml"));
        assert_eq!(answer.header("cache-status"), Some("avatar-proxy; hit; detail=no-picture"));
        assert!(
            String::from_utf8_lossy(&answer.body).contains(">A\u{200c}L<"),
            "the initials of the row's name"
        );
        assert_eq!(proxy.get(&format!("{}?d=404", connected.path())).await.status, 404);
    }
}

#[tokio::test]
async fn instagrams_anonymous_file_is_no_picture() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    INSTAGRAM.add(&sim, small(1));
    sim.set_picture(INSTAGRAM.account, None);
    sim.set_missing(INSTAGRAM.account, Missing::AnonymousFile);
    let proxy = Proxy::start(&sim, &clock, &INSTAGRAM.entry("")).await;
    let answer = proxy.get(&INSTAGRAM.path()).await;
    assert_eq!((answer.status, answer.state()), (200, "placeholder"));
    assert_eq!(sim.total_downloads(), 0);
}

#[tokio::test]
async fn instagram_replies_without_the_field_keep_last_good_until_a_day_of_them() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    INSTAGRAM.add(&sim, small(1));
    let proxy = Proxy::start(&sim, &clock, &INSTAGRAM.entry("")).await;
    proxy.get(&INSTAGRAM.path()).await;
    sim.set_picture(INSTAGRAM.account, None);
    sim.set_missing(INSTAGRAM.account, Missing::FieldAbsent);
    for _ in 0..4 {
        clock.advance(FRESH_FOR + SECOND);
        let answer = proxy.get(&INSTAGRAM.path()).await;
        assert_eq!(answer.hash(), hash(&small(1).bytes));
        proxy.settled().await;
    }
    clock.advance(FRESH_FOR + SECOND);
    proxy.get_until(&INSTAGRAM.path(), |answer| answer.state() == "placeholder").await;
    assert_eq!(sim.api_calls(INSTAGRAM.account), 6);
}

#[tokio::test]
async fn instagram_is_read_flat_and_wrapped_and_through_facebook_login() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let mut wrapped = graphsim::Account::new(Kind::Instagram, INSTAGRAM.account, INSTAGRAM.token, small(1));
    wrapped.wrapped = true;
    sim.add(wrapped);
    let (account, token) = ("17841400000000009", "EAAinstagram-through-facebook-11");
    sim.add(graphsim::Account::new(Kind::InstagramViaFacebook, account, token, small(2)));
    let through = format!(
        "[[connection]]\nid = \"through\"\nprovider = \"instagram\"\naccount = \"{account}\"\ntoken = \"plain:{token}\"\n"
    );
    let proxy = Proxy::start(&sim, &clock, &(INSTAGRAM.entry("") + &through)).await;
    assert_eq!(proxy.get(&INSTAGRAM.path()).await.hash(), hash(&small(1).bytes));
    assert_eq!(proxy.get("/avatar/through").await.hash(), hash(&small(2).bytes));
}

#[tokio::test]
async fn a_bots_own_photo_is_shown_where_no_chat_is_named() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    sim.add(graphsim::Account::new(Kind::TelegramBot, "bot", TELEGRAM.token, small(3)));
    let entry = format!(
        "[[connection]]\nid = \"bot\"\nprovider = \"telegram\"\ntoken = \"plain:{}\"\n",
        TELEGRAM.token
    );
    let proxy = Proxy::start(&sim, &clock, &entry).await;
    assert_eq!(proxy.get("/avatar/bot").await.hash(), hash(&small(3).bytes));
}
