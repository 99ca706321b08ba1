//! A receiver that fails, hangs, refuses, or answers 410.

use std::collections::BTreeSet;
use std::time::Duration;

use avatar_proxy::clock::Stopwatch;
use avatar_proxy::model::ETag;

use super::util::{HOUR, change, sender_has_looked, status, tried, until, view, viewed, world};
use crate::support::accounts::{FACEBOOK, small};
use crate::support::webhooks::{OK, Reply};

const MINUTES: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_attempt_has_the_same_id_and_body_and_a_signature_of_its_own_time() {
    let (world, proxy) = viewed().await;
    world.receiver.set(Reply::Status(500, ""));
    change(&world, &proxy, 2).await;
    for attempt in 1..=5 {
        tried(&world, &proxy, attempt).await;
        world.clock.advance(2 * MINUTES);
    }
    world.receiver.set(OK);
    world.receiver.expect(1).await;
    let attempts = world.receiver.attempts();
    let same: BTreeSet<_> = attempts.iter().map(|message| (message.id(), &message.body)).collect();
    assert_eq!(same.len(), 1);
    let times: BTreeSet<_> = attempts.iter().map(|message| message.header("webhook-timestamp")).collect();
    assert_eq!(times.len(), attempts.len());
    let status = status(&proxy).await;
    assert_eq!((&status["delivered"], &status["waiting"]), (&1.into(), &0.into()));
    assert_eq!(status["retried"], attempts.len() - 1);
}

#[tokio::test]
async fn between_attempts_is_a_pause_that_grows() {
    let (world, proxy) = viewed().await;
    world.receiver.set(Reply::Status(500, ""));
    change(&world, &proxy, 2).await;
    for (attempts, pause) in (1..).zip([5, 10, 20, 40]) {
        tried(&world, &proxy, attempts).await;
        // Each pause is shortened by up to a quarter, so that instances do not ask together.
        let (pause, shortest) = (Duration::from_secs(pause), Duration::from_secs(pause) * 3 / 4);
        let before = world.clock.now();
        world.clock.advance(shortest - Duration::from_millis(2500));
        sender_has_looked(&world, &proxy).await;
        assert_eq!(world.receiver.attempts().len(), attempts, "half a second too early for {pause:?}");
        world.clock.advance(pause - world.clock.now().since(before));
        let again = &world.receiver.tried(attempts + 1).await[attempts];
        assert_eq!(again.at.since(before), pause);
    }
}

#[tokio::test]
async fn a_refused_event_holds_the_later_ones_back_so_that_order_is_kept() {
    let (world, proxy) = viewed().await;
    world.receiver.then([
        Reply::Status(500, ""),
        Reply::Status(404, ""),
        Reply::Status(302, "Location: /\r\n"),
    ]);
    for seed in 2..6 {
        change(&world, &proxy, seed).await;
    }
    for attempt in 1..=3 {
        tried(&world, &proxy, attempt).await;
        world.clock.advance(MINUTES);
    }
    let accepted = world.receiver.expect(4).await;
    let first: BTreeSet<_> =
        world.receiver.attempts()[..4].iter().map(|message| message.id().to_owned()).collect();
    assert_eq!(first, BTreeSet::from([accepted[0].id().to_owned()]), "the first, until it was taken");
    assert!(accepted.windows(2).all(|two| two[0].sequence() < two[1].sequence()));
}

#[tokio::test]
async fn a_receiver_that_hangs_costs_no_avatar_anything() {
    let world = world().await;
    let proxy = world.proxy("[origin]\ntimeout = \"2s\"\n").await;
    view(&proxy).await;
    world.receiver.set(Reply::Hang);
    let watch = Stopwatch::start();
    for seed in 2..12 {
        change(&world, &proxy, seed).await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
    }
    assert!(watch.elapsed() < Duration::from_secs(2), "{:?}", watch.elapsed());
    assert_eq!(world.receiver.attempts().len(), 1);
    assert_eq!(world.receiver.connections(), 1, "one task, one connection");
    assert_eq!(status(&proxy).await["waiting"], 10);
    world.receiver.set(OK);
    until("the attempt is given up", async || status(&proxy).await["state"] == "failing").await;
    world.clock.advance(MINUTES);
    world.receiver.expect(10).await;
}

#[tokio::test]
async fn an_event_that_cannot_be_delivered_for_a_day_is_dropped_and_counted_and_a_later_one_is_not() {
    let (world, proxy) = viewed().await;
    world.receiver.set(Reply::Status(503, ""));
    change(&world, &proxy, 2).await;
    tried(&world, &proxy, 1).await;
    for _ in 0..23 {
        let before = world.receiver.attempts().len();
        world.clock.advance(HOUR);
        tried(&world, &proxy, before + 1).await;
    }
    assert_eq!(status(&proxy).await["waiting"], 1, "after 23 hours");
    change(&world, &proxy, 3).await;
    world.clock.advance(HOUR);
    until("it is dropped", async || status(&proxy).await["dropped_old"] == 1).await;
    assert_eq!(status(&proxy).await["waiting"], 1);
    world.receiver.set(OK);
    world.clock.advance(HOUR);
    let [told] = world.receiver.expect(1).await.try_into().unwrap();
    assert_ne!(told.id(), world.receiver.attempts()[0].id());
}

#[tokio::test]
async fn dropping_a_message_that_was_refused_for_a_day_drops_none_that_was_never_sent() {
    let (world, proxy) = viewed().await;
    world.receiver.set(Reply::Status(400, ""));
    for seed in 2..5 {
        change(&world, &proxy, seed).await;
    }
    tried(&world, &proxy, 1).await;
    world.receiver.then([Reply::Status(400, ""), Reply::Status(500, "")]);
    world.receiver.set(OK);
    world.clock.advance(25 * HOUR);
    let [told] = world.receiver.expect(1).await.try_into().unwrap();
    let last = ETag::of(&small(4).bytes);
    assert_eq!(told.data()["etag"], last.as_str(), "the second of them was tried once, and the third");
    let status = status(&proxy).await;
    assert_eq!((&status["dropped_old"], &status["waiting"]), (&2.into(), &0.into()));
    assert_eq!(world.receiver.attempts().len(), 4);
}

#[tokio::test]
async fn old_events_do_not_shorten_a_pause_that_the_receiver_named() {
    let (world, proxy) = viewed().await;
    world.receiver.set(Reply::Status(429, "Retry-After: 600\r\n"));
    for seed in 2..4 {
        change(&world, &proxy, seed).await;
    }
    tried(&world, &proxy, 1).await;
    world.clock.advance(25 * HOUR);
    until("the first is dropped", async || status(&proxy).await["dropped_old"] == 1).await;
    sender_has_looked(&world, &proxy).await;
    assert_eq!(world.receiver.attempts().len(), 2);
    world.receiver.set(OK);
    world.clock.advance(11 * MINUTES);
    let accepted = world.receiver.expect(3).await;
    assert!(accepted[0].at.since(world.receiver.attempts()[1].at) >= 10 * MINUTES);
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_no_event_back() {
    let (world, proxy) = viewed().await;
    world.receiver.then([Reply::Status(500, "")]);
    change(&world, &proxy, 2).await;
    tried(&world, &proxy, 1).await;
    world.clock.set_back(HOUR);
    world.receiver.expect(1).await;
}

#[tokio::test]
async fn an_event_of_the_future_is_sent_again_for_a_day_and_no_longer() {
    let world = world().await;
    world.clock.advance(100 * 24 * HOUR);
    let proxy = world.proxy("").await;
    view(&proxy).await;
    world.receiver.set(Reply::Status(500, ""));
    change(&world, &proxy, 2).await;
    tried(&world, &proxy, 1).await;
    world.clock.set_back(100 * 24 * HOUR);
    tried(&world, &proxy, 2).await;
    world.clock.advance(23 * HOUR);
    tried(&world, &proxy, 3).await;
    assert_eq!(status(&proxy).await["dropped_old"], 0);
    world.clock.advance(2 * HOUR);
    until("it is dropped", async || status(&proxy).await["dropped_old"] == 1).await;
}

#[tokio::test]
async fn a_retry_after_is_obeyed() {
    let (world, proxy) = viewed().await;
    world.receiver.then([Reply::Status(429, "Retry-After: 600\r\n")]);
    change(&world, &proxy, 2).await;
    tried(&world, &proxy, 1).await;
    for _ in 0..3 {
        world.clock.advance(3 * MINUTES);
        sender_has_looked(&world, &proxy).await;
    }
    assert_eq!(world.receiver.attempts().len(), 1, "after nine minutes of ten");
    world.clock.advance(2 * MINUTES);
    let accepted = world.receiver.expect(7).await;
    assert!(accepted[0].at.since(world.receiver.attempts()[0].at) >= 10 * MINUTES);
}

#[tokio::test]
async fn after_410_nothing_is_sent_until_the_next_start_and_nothing_is_lost() {
    let (world, proxy) = viewed().await;
    world.receiver.then([Reply::Status(410, "")]);
    change(&world, &proxy, 2).await;
    until("it has gone", async || status(&proxy).await["state"] == "gone").await;
    change(&world, &proxy, 3).await;
    world.clock.advance(2 * HOUR);
    sender_has_looked(&world, &proxy).await;
    assert_eq!(world.receiver.attempts().len(), 1);
    assert_eq!(status(&proxy).await["waiting"], 4);
    let ready = proxy.admin("GET", "/readyz").await;
    assert!(String::from_utf8_lossy(&ready.body).contains("410"), "{}", String::from_utf8_lossy(&ready.body));
    let folder = proxy.stop().await;
    world.clock.advance(HOUR);
    let started = world.clock.now();
    let proxy = world.proxy_in(folder, "").await;
    let told = world.receiver.expect(4).await;
    assert_eq!(told[0].id(), world.receiver.attempts()[0].id());
    assert!(told.iter().all(|message| message.at == started), "nothing came before the start");
    assert_eq!(status(&proxy).await["state"], "delivering");
}
