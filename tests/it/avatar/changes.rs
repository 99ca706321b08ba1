//! The owner changes the picture, the operator the row.

use std::time::Duration;

use graphsim::{Kind, Missing};

use crate::support::accounts::{ALL, INSTAGRAM, TELEGRAM, small};
use crate::support::client::hash;
use crate::support::proxy::{Proxy, START, stand_in};
use avatar_proxy::clock::Clock;

const FRESH_FOR: Duration = Duration::from_secs(6 * 3600);
const SECOND: Duration = Duration::from_secs(1);

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
