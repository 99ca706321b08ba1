//! Events that were not delivered outlive the process, however it ends.

use std::sync::Arc;
use std::time::Duration;

use avatar_proxy::clock::{Clock, Stopwatch};
use tempfile::TempDir;

use super::util::{HOUR, change, status, until, view, viewed, world, world_at};
use crate::support::accounts::{FACEBOOK, small};
use crate::support::client::request;
use crate::support::process::Process;
use crate::support::proxy::merged;
use crate::support::webhooks::{OK, Reply};

#[tokio::test]
async fn events_that_wait_at_a_stop_are_sent_after_the_start_in_order_under_their_ids() {
    let (world, proxy) = viewed().await;
    world.receiver.set(Reply::Status(500, ""));
    for seed in 2..5 {
        change(&world, &proxy, seed).await;
    }
    world.receiver.tried(1).await;
    let first = world.receiver.attempts()[0].clone();
    let folder = proxy.stop().await;
    world.receiver.set(OK);
    world.clock.advance(HOUR);
    let proxy = world.proxy_in(folder, "").await;
    let told = world.receiver.expect(3).await;
    assert_eq!((told[0].id(), &told[0].body), (first.id(), &first.body));
    assert!(told.windows(2).all(|two| two[0].sequence() < two[1].sequence()));
    assert_eq!(status(&proxy).await["waiting"], 0);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_receiver_that_hangs() {
    let world = world().await;
    let proxy = world.proxy("[origin]\ntimeout = \"60s\"\n").await;
    view(&proxy).await;
    world.receiver.set(Reply::Hang);
    change(&world, &proxy, 2).await;
    world.receiver.tried(1).await;
    let watch = Stopwatch::start();
    let folder = proxy.stop().await;
    assert!(watch.elapsed() < Duration::from_secs(2), "{:?}", watch.elapsed());
    world.receiver.set(OK);
    let _proxy = world.proxy_in(folder, "").await;
    world.receiver.expect(1).await;
}

#[tokio::test]
async fn an_event_older_than_a_day_is_tried_once_more_by_a_process_that_starts() {
    let (world, proxy) = viewed().await;
    world.receiver.set(Reply::Status(500, ""));
    change(&world, &proxy, 2).await;
    world.receiver.tried(1).await;
    let folder = proxy.stop().await;
    world.clock.advance(30 * HOUR);
    world.receiver.set(OK);
    let _proxy = world.proxy_in(folder, "").await;
    world.receiver.expect(1).await;
}

/// Killed at every moment: the event of the picture that is shown at last was sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_again_and_again_sends_every_event_at_least_once() {
    let world = world_at(Clock::system()).await;
    let folder = Arc::new(TempDir::new().unwrap());
    let settings = merged(&world.settings(), "[avatar]\nfresh_for = \"1s\"\nwait = \"100ms\"\n");
    let mut told = 0;
    for seed in 2..10 {
        let mut process = Process::start(&world.sim, folder.path(), &settings, &[]).await;
        // The first picture is no change, and every later process finds the one before on disk.
        process.get(&FACEBOOK.path()).await;
        world.sim.set_picture(FACEBOOK.account, Some(small(seed)));
        let target = format!("/api/avatars/{}/refresh", FACEBOOK.id);
        let admin = process.admin;
        let refreshed = tokio::time::timeout(
            Duration::from_millis(u64::from(seed) * 7),
            request(admin, "POST", &target, ""),
        )
        .await;
        told += usize::from(refreshed.is_ok());
        process.signal("KILL");
        process.ended().await;
    }
    let process = Process::start(&world.sim, folder.path(), &settings, &[]).await;
    let last = avatar_proxy::model::ETag::of(&small(9).bytes).as_str().to_owned();
    until("the last picture is reported", async || {
        process.get(&FACEBOOK.path()).await;
        world.receiver.accepted().iter().any(|message| message.data()["etag"] == last)
    })
    .await;
    world.receiver.verify();
    // Every refresh that was confirmed has been reported, and none under two numbers.
    let accepted = world.receiver.accepted();
    let etags: std::collections::BTreeSet<_> =
        accepted.iter().map(|message| message.data()["etag"].to_string()).collect();
    let ids: std::collections::BTreeSet<_> = accepted.iter().map(|message| message.id()).collect();
    assert!(etags.len() >= told.min(8), "{} of {told}", etags.len());
    assert_eq!(ids.len(), etags.len(), "one id for each picture");
}
