//! What a walk does in the server, seen through `/api/warm`.

use std::net::SocketAddr;
use std::time::Duration;

use avatar_proxy::clock::Stopwatch;
use graphsim::Fault;
use serde_json::json;

use super::world::{PATH, World, begin, progress, queued, stop, until_done, until_state};
use crate::directory::database::Kind;
use crate::support::chaos::{Chaos, Mode};
use crate::support::client::{post, request};
use crate::support::postgres;
use crate::support::process::Process;
use crate::support::wait::until;

#[tokio::test]
async fn a_second_walk_is_refused_with_the_progress_of_the_first() {
    let world = World::of(Kind::Sqlite, 30).await;
    let server = world.serve().await;
    assert_eq!(progress(&server).await, json!({ "state": "idle" }));
    let (first, second) = tokio::join!(begin(&server, r#"{"rate":5}"#), begin(&server, r#"{"rate":5}"#));
    let mut statuses = [first.0, second.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409], "of two at one time, one begins");
    until_done(&server, 5).await;
    let (status, refused) = begin(&server, r#"{"rate":1000}"#).await;
    assert_eq!((status, &refused["error"]), (409, &"warming".into()), "{refused}");
    assert_eq!((&refused["rate"], &refused["state"]), (&5.into(), &"running".into()), "{refused}");
    assert!(refused["done"].as_u64().unwrap() >= 5 && refused["total"] == 30, "{refused}");
    stop(&server).await;
    assert_eq!(begin(&server, r#"{"rate":1000}"#).await.0, 202);
    until_state(&server, "done").await;
}

#[tokio::test]
async fn a_stopped_walk_queues_nothing_more() {
    let world = World::of(Kind::Sqlite, 30).await;
    let server = world.serve().await;
    begin(&server, r#"{"rate":5}"#).await;
    until_done(&server, 5).await;
    let stopped = stop(&server).await;
    assert_eq!(stopped["state"], "stopped", "{stopped}");
    // The next walk queues its own thirty and nothing else is queued beside them.
    let before = queued(&server).await;
    begin(&server, r#"{"rate":1000}"#).await;
    until_state(&server, "done").await;
    assert_eq!(queued(&server).await, before + 30);
    assert!(before < 30, "{before}");
    assert_eq!(stop(&server).await["state"], "done", "there is nothing to stop");
}

#[tokio::test]
async fn a_database_that_is_away_is_waited_for() {
    let world = World::of(Kind::Postgres, 30).await;
    let chaos = Chaos::start(SocketAddr::from(([127, 0, 0, 1], postgres::port())));
    let url =
        world.dashboard.db.url().replace(&postgres::port().to_string(), &chaos.address().port().to_string());
    let settings = world.dashboard.config_for(&url) + "directory.write_back = false\n";
    let server = Process::start(&world.sim, world.folder.path(), &settings, &[]).await;
    chaos.set(Mode::Cut);
    begin(&server, r#"{"rate":10}"#).await;
    let waits = async || progress(&server).await["problem"].is_string();
    until("the walk waits for the database", waits).await;
    let waiting = progress(&server).await;
    assert_eq!(waiting["state"], "running", "{waiting}");
    assert!(waiting["problem"].as_str().unwrap().starts_with("the database is not available"), "{waiting}");
    chaos.set(Mode::Pass);
    until_done(&server, 10).await;
    // Once more in the middle.
    chaos.set(Mode::Cut);
    until("the walk waits for the database again", waits).await;
    chaos.set(Mode::Pass);
    until_state(&server, "done").await;
    let done = progress(&server).await;
    assert_eq!(
        (&done["done"], &done["failed"], done.get("problem")),
        (&30.into(), &0.into(), None),
        "{done}"
    );
    world.assert_warm(&server).await;
}

#[tokio::test]
async fn a_walk_that_waits_for_the_database_can_be_stopped() {
    let world = World::of(Kind::Postgres, 3).await;
    let chaos = Chaos::start(SocketAddr::from(([127, 0, 0, 1], postgres::port())));
    let url =
        world.dashboard.db.url().replace(&postgres::port().to_string(), &chaos.address().port().to_string());
    let server =
        Process::start(&world.sim, world.folder.path(), &world.dashboard.config_for(&url), &[]).await;
    chaos.set(Mode::Hang);
    begin(&server, "").await;
    assert_eq!(stop(&server).await["state"], "stopped");
}

#[tokio::test]
async fn hooks_of_the_dashboard_go_first_so_a_busy_server_slows_a_walk_down() {
    let world = World::of(Kind::Sqlite, 5).await;
    let server = world.serve_with("[avatar]\nmax_refreshes = 1\n").await;
    world.sim.api_fault_times(None, Fault::Latency(Duration::from_millis(700)), 4);
    let watch = Stopwatch::start();
    let hooks = json!({ "event": "created", "ids": world.ids }).to_string();
    assert_eq!(post(server.admin, "/api/connections", &hooks).await.status, 202);
    begin(&server, "").await;
    until("the walk has queued its page", async || queued(&server).await == 10).await;
    // One worker: the walk has waited until the fourth of the slow refreshes was over.
    assert!(watch.elapsed() >= Duration::from_millis(2800), "{:?}", watch.elapsed());
    until_state(&server, "done").await;
    assert_eq!((&progress(&server).await["done"], world.calls()), (&5.into(), 5));
    world.assert_warm(&server).await;
}

#[tokio::test]
async fn a_body_that_asks_for_something_else_is_refused() {
    let world = World::of(Kind::Sqlite, 1).await;
    let server = world.serve().await;
    for body in [r#"{"rate":0}"#, r#"{"rate":1001}"#, r#"{"rate":"5"}"#, r#"{"speed":5}"#, "5", "x"] {
        let (status, answer) = begin(&server, body).await;
        assert_eq!((status, &answer["error"]), (400, &"invalid_warm".into()), "{body}");
    }
    assert_eq!(progress(&server).await["state"], "idle", "none of them began a walk");
    let answer = request(server.admin, "PUT", PATH, "").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD, POST, DELETE")));
    for body in ["", "{}", r#"{"rate":1}"#, r#"{"resume":true}"#] {
        assert_eq!(begin(&server, body).await.0, 202, "{body}");
        until_state(&server, "done").await;
    }
}
