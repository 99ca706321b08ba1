//! A walk survives the end of its server where there is a disk store.

use std::time::Duration;

use graphsim::Fault;

use super::world::{World, assert_ends, begin, ended, progress, queued, stop, until_done, until_state};
use crate::directory::database::Kind;
use crate::support::wait::until;

#[tokio::test]
async fn a_walk_that_a_stop_of_the_server_interrupts_continues_at_the_next_start() {
    let world = World::of(Kind::Sqlite, 60).await;
    let mut server = world.serve().await;
    let (_, begun) = begin(&server, r#"{"rate":10}"#).await;
    until_done(&server, 20).await;
    server.signal("TERM");
    server.ended().await;
    let calls = world.calls();
    let again = world.serve_again(&server).await;
    let continued = progress(&server).await;
    assert_eq!(continued["started_at"], begun["started_at"], "the same walk: {continued}");
    assert_eq!((&continued["rate"], &continued["state"]), (&10.into(), &"running".into()), "{continued}");
    assert!(continued["done"].as_u64().unwrap() >= 20, "it does not begin anew: {continued}");
    until_state(&server, "done").await;
    assert_eq!(progress(&server).await["done"], 60);
    assert!(calls < 60 && queued(&server).await <= 40, "{calls} calls before, {}", queued(&server).await);
    assert_eq!(world.calls(), 60);
    world.assert_warm(&server).await;
    drop(again);
}

#[tokio::test]
async fn avatars_that_a_killed_server_had_queued_and_not_refreshed_are_queued_by_the_next() {
    let world = World::of(Kind::Sqlite, 60).await;
    let mut server = world.serve_with("[origin]\ntimeout = \"20s\"\n[avatar]\nmax_refreshes = 1000\n").await;
    // Nothing ends, so that all that is queued is lost.
    world.sim.api_fault(None, Some(Fault::Latency(Duration::from_secs(5))));
    let child = world.warm(&server, &["--rate", "20"]);
    until("forty avatars are queued", async || queued(&server).await >= 40).await;
    assert_eq!(progress(&server).await["done"], 0);
    server.signal("KILL");
    server.ended().await;
    world.sim.api_fault(None, None);
    let again = world.serve_again(&server).await;
    assert_ends(&ended(child).await, 0, &["done: 60 avatars\n"]);
    world.assert_warm(&server).await;
    drop(again);
}

#[tokio::test]
async fn a_walk_that_an_operator_stopped_stays_stopped_over_a_restart_and_can_be_resumed() {
    let world = World::of(Kind::Sqlite, 40).await;
    let mut server = world.serve().await;
    begin(&server, r#"{"rate":10}"#).await;
    until_done(&server, 10).await;
    let stopped = stop(&server).await;
    assert_eq!(stopped["state"], "stopped", "{stopped}");
    server.signal("TERM");
    server.ended().await;
    let again = world.serve_again(&server).await;
    let kept = progress(&server).await;
    assert_eq!((&kept["state"], &kept["done"]), (&"stopped".into(), &stopped["done"]), "{kept}");
    let (status, resumed) = begin(&server, r#"{"rate":1000,"resume":true}"#).await;
    assert_eq!((status, &resumed["done"]), (202, &stopped["done"]), "{resumed}");
    until_state(&server, "done").await;
    assert_eq!(progress(&server).await["done"], 40);
    assert_eq!(world.calls(), 40);
    drop(again);
}

#[tokio::test]
async fn a_walk_that_is_done_leaves_nothing_on_the_disk() {
    let world = World::of(Kind::Sqlite, 3).await;
    let mut server = world.serve().await;
    begin(&server, "").await;
    until_state(&server, "done").await;
    server.signal("TERM");
    server.ended().await;
    let again = world.serve_again(&server).await;
    assert_eq!(progress(&server).await["state"], "idle");
    drop(again);
}

#[tokio::test]
async fn without_a_disk_store_a_walk_lives_until_the_restart_and_the_command_says_so() {
    let world = World::of(Kind::Sqlite, 60).await;
    let mut server = world.serve_with("[disk]\npath = \"\"\n").await;
    begin(&server, r#"{"rate":10}"#).await;
    until_done(&server, 10).await;
    let stopped = stop(&server).await["done"].as_u64().unwrap();
    let child = world.warm(&server, &["--rate", "1", "--resume"]);
    until_state(&server, "running").await;
    assert!(progress(&server).await["done"].as_u64().unwrap() >= stopped, "the same process continues it");
    server.signal("TERM");
    server.ended().await;
    let again = world.serve_again(&server).await;
    assert_ends(
        &ended(child).await,
        1,
        &["knows nothing of this walk: it was restarted without a disk store"],
    );
    assert_eq!(progress(&server).await["state"], "idle");
    drop(again);
}
