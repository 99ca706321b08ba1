//! The command begins a walk, shows its progress, and explains every other end.

use std::process::Stdio;
use std::time::Duration;

use avatar_proxy::clock::Stopwatch;
use graphsim::Fault;
use tokio::process::Command;

use super::world::{
    World, assert_ends, command, ended, progress, queued, signal, stop, until_done, until_state,
};
use crate::directory::database::Kind;
use crate::support::accounts::FACEBOOK;
use crate::support::process::{BINARY, Process};
use crate::support::server::quiet_port;
use crate::support::wait::until;

async fn everything_is_warm_afterwards_on(kind: Kind) {
    let world = World::of(kind, 45).await;
    let server = world.serve().await;
    let watch = Stopwatch::start();
    let output = ended(world.warm(&server, &["--rate", "20"])).await;
    assert_ends(&output, 0, &["done: 45 avatars\n"]);
    // The first twenty at once, the next after a second, five after two.
    assert!(watch.elapsed() >= Duration::from_secs(2), "no more than the rate: {:?}", watch.elapsed());
    assert_eq!(world.calls(), 45);
    world.assert_warm(&server).await;
    // Nothing is left to resume, so this is a new walk; it finds every avatar fresh.
    let output = ended(world.warm(&server, &["--rate", "1000", "--resume"])).await;
    assert_ends(&output, 0, &["done: 45 avatars\n"]);
    assert_eq!(world.calls(), 45);
}

#[tokio::test]
async fn everything_is_warm_afterwards() {
    everything_is_warm_afterwards_on(Kind::Sqlite).await;
}

#[tokio::test]
async fn everything_is_warm_afterwards_with_postgres_and_with_mariadb() {
    tokio::join!(
        everything_is_warm_afterwards_on(Kind::Postgres),
        everything_is_warm_afterwards_on(Kind::MariaDb)
    );
}

#[tokio::test]
async fn on_a_terminal_a_bar_fills_up() {
    let world = World::of(Kind::Sqlite, 30).await;
    let server = world.serve().await;
    let config = world.config_of(&server);
    let line = format!("{BINARY} warm --config {config} --rate 20");
    // script(1) gives the command a terminal, and prints what the command writes there.
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let output = ended(script.kill_on_drop(true).spawn().expect("script(1) of bsdutils")).await;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let bars: Vec<usize> = shown
        .split('\r')
        .filter(|line| line.starts_with('['))
        .map(|line| line.chars().filter(|mark| *mark == '#').count())
        .collect();
    assert!(bars.len() > 1 && bars.is_sorted(), "{bars:?} in {shown}");
    assert_eq!(bars.last(), Some(&30), "{shown}");
    assert!(shown.contains("30 of 30 (100 %) avatars") && shown.contains("done: 30 avatars"), "{shown}");
}

#[tokio::test]
async fn ctrl_c_ends_the_command_with_a_sentence_and_the_server_continues() {
    let world = World::of(Kind::Sqlite, 60).await;
    let server = world.serve().await;
    for (name, least) in [("INT", 10), ("TERM", 20)] {
        let child = world.warm(&server, &["--rate", "10", "--resume"]);
        until_done(&server, least).await;
        signal(&child, name);
        let output = ended(child).await;
        assert_ends(&output, 1, &[&format!("SIG{name}: the server continues"), "--resume", "--stop"]);
    }
    assert_ends(&ended(world.warm(&server, &["--resume"])).await, 0, &["done: 60 avatars\n"]);
    assert_eq!((world.calls(), queued(&server).await), (60, 60), "it was one walk all the time");
    world.assert_warm(&server).await;
}

#[tokio::test]
async fn a_killed_command_stops_nothing_and_the_next_one_joins_its_walk() {
    let world = World::of(Kind::Sqlite, 60).await;
    let server = world.serve().await;
    let child = world.warm(&server, &["--rate", "10"]);
    until_done(&server, 20).await;
    signal(&child, "KILL");
    ended(child).await;
    let output = ended(world.warm(&server, &["--rate", "50", "--resume"])).await;
    assert_ends(&output, 0, &["under way already, at 10 avatars a second", "done: 60 avatars\n"]);
    assert_eq!((world.calls(), queued(&server).await), (60, 60), "it was one walk all the time");
    world.assert_warm(&server).await;
}

#[tokio::test]
async fn a_stopped_walk_is_resumed_where_it_stopped() {
    let world = World::of(Kind::Sqlite, 40).await;
    let server = world.serve().await;
    let child = world.warm(&server, &["--rate", "10"]);
    until_done(&server, 20).await;
    assert_ends(&ended(world.warm(&server, &["--stop"])).await, 0, &["stopped: "]);
    assert_ends(&ended(child).await, 1, &["the walk was stopped", "avatars are done", "--resume continues"]);
    let done = progress(&server).await["done"].as_u64().unwrap();
    assert_ends(&ended(world.warm(&server, &["--resume"])).await, 0, &["done: 40 avatars\n"]);
    // A page that was queued when the walk was stopped, and not done, is queued again.
    let queued = queued(&server).await;
    assert!(done >= 20 && queued <= 50, "{done} done, {queued} queued");
    assert_eq!(world.calls(), 40);
    world.assert_warm(&server).await;
    assert_ends(&ended(world.warm(&server, &["--stop"])).await, 0, &["no walk is under way"]);
}

#[tokio::test]
async fn without_resume_it_begins_anew() {
    let world = World::of(Kind::Sqlite, 30).await;
    let server = world.serve().await;
    let child = world.warm(&server, &["--rate", "10"]);
    until_done(&server, 10).await;
    let output = ended(world.warm(&server, &["--rate", "1000"])).await;
    assert_ends(&output, 1, &["a walk is under way already", "--resume shows", "--stop stops"]);
    stop(&server).await;
    assert_ends(&ended(child).await, 1, &["the walk was stopped"]);
    assert_ends(&ended(world.warm(&server, &["--rate", "1000"])).await, 0, &["done: 30 avatars\n"]);
    assert!(queued(&server).await >= 40);
    assert_eq!(world.calls(), 30, "fresh avatars are left alone");
}

#[tokio::test]
async fn a_server_that_is_down_is_named_at_once() {
    let world = World::of(Kind::Sqlite, 3).await;
    let mut server = world.serve().await;
    server.signal("TERM");
    server.ended().await;
    let output = ended(world.warm(&server, &[])).await;
    let said =
        ["the walk runs in the server, which must be up", "cannot connect to", &server.admin.to_string()];
    assert_ends(&output, 1, &said);
}

#[tokio::test]
async fn avatars_that_fail_are_counted_and_stop_nothing() {
    let world = World::of(Kind::Sqlite, 12).await;
    let server = world.serve().await;
    world.sim.api_fault_times(None, Fault::Reset, 4);
    let output = ended(world.warm(&server, &["--rate", "5"])).await;
    assert_ends(&output, 0, &["done: 12 avatars, 4 of them without a current picture"]);
}

#[tokio::test]
async fn connections_of_the_configuration_are_warmed_too() {
    let world = World::of(Kind::Sqlite, 2).await;
    let server = world.serve_with(&FACEBOOK.entry("")).await;
    assert_ends(&ended(world.warm(&server, &[])).await, 0, &["done: 3 avatars\n"]);
    let answer = server.get(&FACEBOOK.path()).await;
    assert_eq!(answer.header("cache-status"), Some("avatar-proxy; hit"));
}

#[tokio::test]
async fn the_command_needs_an_address_and_a_token_and_nothing_else_of_the_servers_configuration() {
    let world = World::of(Kind::Sqlite, 2).await;
    let server = world.serve_with("[admin]\ntoken = \"the-admins-own-token-41c7\"\n").await;
    let mut warm = Command::new(BINARY);
    warm.env_clear().env("AVATAR_PROXY__ADMIN__TOKEN", "the-admins-own-token-41c7");
    warm.args(["warm", "--url", &format!("http://{}", server.admin)]).current_dir("/");
    warm.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    assert_ends(&ended(warm.spawn().unwrap()).await, 0, &["done: 2 avatars\n"]);
    world.assert_warm(&server).await;
}

#[tokio::test]
async fn options_that_do_nothing_any_more_are_accepted_with_a_line() {
    let world = World::of(Kind::Sqlite, 1).await;
    let server = world.serve().await;
    let nowhere = world.folder.path().join("no/folder/state").display().to_string();
    let output = ended(world.warm(&server, &["--state", &nowhere, "--patience", "7"])).await;
    assert_ends(&output, 0, &["--state does nothing", "--patience does nothing", "done: 1 avatars\n"]);
    assert!(!std::path::Path::new(&nowhere).exists());
}

#[tokio::test]
async fn a_request_that_cannot_work_is_explained_at_once() {
    let world = World::of(Kind::Sqlite, 1).await;
    let server = world.serve_with("[admin]\ntoken = \"the-admins-own-token-41c7\"\n").await;
    let config = world.config_of(&server);
    let with = async |change: &str, arguments: &[&str]| {
        let file = world.folder.path().join("changed.toml");
        let text = crate::support::proxy::merged(&std::fs::read_to_string(&config).unwrap(), change);
        std::fs::write(&file, text).unwrap();
        ended(command(&[&["warm", "--config", file.to_str().unwrap()], arguments].concat())).await
    };
    let off = "[admin]\nlisten = \"\"\n";
    assert_ends(&with(off, &[]).await, 1, &["avatar-proxy: admin.listen is empty"]);
    let wrong = "[admin]\ntoken = \"another\"\n";
    for arguments in [&[][..], &["--stop"]] {
        let said = "answered 401: send admin.token as Authorization: Bearer";
        assert_ends(&with(wrong, arguments).await, 1, &[said]);
    }
    assert_ends(&with("", &["--url", "https://127.0.0.1:1"]).await, 1, &["--url: expected http://host:port"]);
    assert_ends(&with("", &["--rate", "0"]).await, 2, &["--rate"]);
    assert_ends(&with("", &["--stop", "--resume"]).await, 2, &["--stop"]);
    // The public port is no admin port.
    let public = format!("http://{}", server.address);
    assert_ends(&with("", &["--url", &public]).await, 1, &["answered 404", "is it the admin port"]);
    let nobody = format!("http://127.0.0.1:{}", quiet_port());
    assert_ends(&with("", &["--url", &nobody]).await, 1, &["cannot connect"]);
    assert_ends(&with(off, &["--url", &format!("http://{}", server.admin)]).await, 0, &["done: 1 avatars"]);
    world.assert_warm(&server).await;
}

#[tokio::test]
async fn a_unix_socket_is_asked_as_well() {
    let world = World::of(Kind::Sqlite, 2).await;
    let socket = world.folder.path().join("admin.sock").display().to_string();
    let settings = format!("[admin]\nlisten = \"unix:{socket}\"\ntoken = \"the-admins-own\"\n");
    let server = world.serve_with(&settings).await;
    assert_ends(&ended(world.warm(&server, &[])).await, 0, &["done: 2 avatars\n"]);
    world.assert_warm(&server).await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_walked_is_explained_and_a_table_that_came_since_is_found() {
    let world = World::of(Kind::Sqlite, 2).await;
    let block = "[[directory.table]]\nprovider = 'facebook'\ntable = 'Later'\nid = 'id'\ntoken = 'token'\n";
    let server = world.serve_with(block).await;
    let output = ended(world.warm(&server, &[])).await;
    assert_ends(&output, 1, &["the directory cannot be walked", "Later", "--resume continues from there"]);
    until_state(&server, "failed").await;
    world
        .dashboard
        .db
        .sql(r#"CREATE TABLE "Later" ("id" varchar(64) PRIMARY KEY, "token" varchar(99))"#)
        .await;
    assert_ends(&ended(world.warm(&server, &["--resume"])).await, 0, &["done: "]);
}

#[tokio::test]
async fn a_server_that_restarts_is_waited_for() {
    let world = World::of(Kind::Sqlite, 40).await;
    let mut server: Process = world.serve().await;
    let mut child = world.warm(&server, &["--rate", "10"]);
    until_done(&server, 10).await;
    server.signal("TERM");
    server.ended().await;
    let stderr = read_until(&mut child, "waiting for the server, at most 60s").await;
    assert!(stderr.contains("cannot connect"), "{stderr}");
    let again = world.serve_again(&server).await;
    assert_ends(&ended(child).await, 0, &["done: 40 avatars\n"]);
    assert_eq!(world.calls(), 40);
    drop(again);
}

/// Reads the command's stderr until it has said that.
async fn read_until(child: &mut tokio::process::Child, said: &str) -> String {
    use tokio::io::AsyncReadExt;
    let (stderr, mut text) = (child.stderr.as_mut().unwrap(), String::new());
    until(said, async || {
        let mut buffer = [0; 4096];
        let read = stderr.read(&mut buffer).await.unwrap();
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        text.contains(said)
    })
    .await;
    text
}
