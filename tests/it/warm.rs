//! `avatar-proxy warm`: the real command against the real server.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use avatar_proxy::clock::{Clock, Stopwatch};
use graphsim::{Fault, Graphsim, Options};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::directory::database::Kind;
use crate::support::accounts::{FACEBOOK, small};
use crate::support::chaos::{Chaos, Mode};
use crate::support::client::{post, request};
use crate::support::dashboard::Dashboard;
use crate::support::postgres;
use crate::support::process::{BINARY, Process};
use crate::support::proxy::LIFE;
use crate::support::server::quiet_port;

/// So many connections, all of the one page.
struct World {
    sim: Graphsim,
    dashboard: Dashboard,
    folder: TempDir,
    ids: Vec<String>,
}

impl World {
    async fn of(kind: Kind, count: usize) -> Self {
        let clock = Clock::system();
        let now = Arc::new(move || clock.now().as_millis());
        let sim = Graphsim::start(Options { now, address_life: LIFE }).await;
        FACEBOOK.add(&sim, small(1));
        let dashboard = Dashboard::new(kind, 999).await;
        let ids: Vec<String> = (0..count).map(|n| format!("clx3page{n}")).collect();
        for id in &ids {
            dashboard.connect_as(id, &FACEBOOK, None).await;
        }
        Self { sim, dashboard, folder: TempDir::new().unwrap(), ids }
    }

    async fn serve(&self) -> Process {
        // Written back addresses would be tried before the provider after a restart.
        let settings = self.dashboard.config() + "directory.write_back = false\n";
        Process::start(&self.sim, self.folder.path(), &settings, &[]).await
    }

    fn calls(&self) -> usize {
        self.sim.api_calls(FACEBOOK.account)
    }

    /// Every avatar is held, and its view asks nobody.
    async fn assert_warm(&self, server: &Process) {
        let calls = self.calls();
        for id in &self.ids {
            let answer = server.get(&format!("/avatar/{id}")).await;
            assert_eq!(answer.header("cache-status"), Some("avatar-proxy; hit"), "{id}: {}", answer.head);
            assert_eq!(answer.state(), "fresh", "{id}");
        }
        assert_eq!(self.calls(), calls);
    }

    fn state(&self) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join("avatar-proxy.db.warm")).ok()
    }

    /// How many are done by the state's word.
    fn saved(&self) -> u64 {
        self.state()
            .map_or(0, |state| serde_json::from_str::<Value>(&state).unwrap()["done"].as_u64().unwrap())
    }

    async fn until_saved(&self, least: u64) {
        for _ in 0..1000 {
            if self.saved() >= least {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("only {} are done after 20 seconds", self.saved());
    }
}

fn config_of(folder: &Path, server: &Process) -> String {
    folder.join(format!("config-{}.toml", server.address.port())).display().to_string()
}

fn warm(world: &World, server: &Process, arguments: &[&str]) -> Child {
    command(&[&["warm", "--config", &config_of(world.folder.path(), server)], arguments].concat())
}

fn command(arguments: &[&str]) -> Child {
    let mut command = Command::new(BINARY);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true).spawn().unwrap()
}

async fn ended(child: Child) -> Output {
    tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await.expect("an end").unwrap()
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, said: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(output.stdout.is_empty());
    for said in said {
        assert!(text.contains(said), "{said:?} is not in {text}");
    }
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("it runs").to_string();
    assert!(std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
}

async fn accepted(server: &Process) -> u64 {
    let answer = request(server.admin, "GET", "/api/connections", "").await;
    serde_json::from_slice::<Value>(&answer.body).unwrap()["accepted"].as_u64().unwrap()
}

async fn everything_is_warm_afterwards_on(kind: Kind) {
    let world = World::of(kind, 45).await;
    let server = world.serve().await;
    let watch = Stopwatch::start();
    let output = ended(warm(&world, &server, &["--rate", "20"])).await;
    assert_ends(&output, 0, &["done: 45 avatars\n"]);
    // The first twenty at once, the next after a second, five after two.
    assert!(watch.elapsed() >= Duration::from_secs(2), "no more than the rate: {:?}", watch.elapsed());
    assert_eq!(world.calls(), 45);
    assert_eq!(world.state(), None, "nothing is left to go on with");
    world.assert_warm(&server).await;
    // Once more: nothing is to be done.
    let output = ended(warm(&world, &server, &["--rate", "1000", "--resume"])).await;
    assert_ends(&output, 0, &["done: 45 avatars\n"]);
    assert_eq!(world.calls(), 45);
}

#[tokio::test]
async fn everything_is_warm_afterwards() {
    everything_is_warm_afterwards_on(Kind::Sqlite).await;
}

#[tokio::test]
async fn on_a_terminal_a_bar_fills_up() {
    let world = World::of(Kind::Sqlite, 30).await;
    let server = world.serve().await;
    let config = config_of(world.folder.path(), &server);
    let line = format!("{BINARY} warm --config {config} --rate 20");
    // script(1) gives it a terminal, and tells what it was written.
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
async fn everything_is_warm_afterwards_with_postgres_and_with_mariadb() {
    tokio::join!(
        everything_is_warm_afterwards_on(Kind::Postgres),
        everything_is_warm_afterwards_on(Kind::MariaDb)
    );
}

#[tokio::test]
async fn ctrl_c_ends_it_with_a_sentence_and_resume_goes_on_from_there() {
    let world = World::of(Kind::Sqlite, 40).await;
    let server = world.serve().await;
    for (name, least) in [("INT", 10), ("TERM", 20)] {
        let child = warm(&world, &server, &["--rate", "10", "--resume"]);
        world.until_saved(least).await;
        signal(&child, name);
        let output = ended(child).await;
        assert_ends(
            &output,
            1,
            &[&format!("stopped by SIG{name}"), "the same command with --resume goes on"],
        );
    }
    assert_ends(
        &ended(warm(&world, &server, &["--rate", "10", "--resume"])).await,
        0,
        &["done: 40 avatars\n"],
    );
    assert_eq!(world.calls(), 40);
    // Each stop costs a batch that was told of and not seen done, at most.
    assert!(accepted(&server).await <= 60, "{}", accepted(&server).await);
    world.assert_warm(&server).await;
}

#[tokio::test]
async fn killed_in_the_middle_it_goes_on_and_misses_nobody() {
    let world = World::of(Kind::Sqlite, 40).await;
    let server = world.serve().await;
    let child = warm(&world, &server, &["--rate", "10"]);
    world.until_saved(20).await;
    signal(&child, "KILL");
    ended(child).await;
    assert_ends(
        &ended(warm(&world, &server, &["--rate", "10", "--resume"])).await,
        0,
        &["done: 40 avatars\n"],
    );
    assert_eq!(world.calls(), 40);
    assert!(accepted(&server).await <= 50, "those done are not told of again: {}", accepted(&server).await);
    world.assert_warm(&server).await;
}

#[tokio::test]
async fn without_resume_it_begins_anew() {
    let world = World::of(Kind::Sqlite, 30).await;
    let server = world.serve().await;
    let child = warm(&world, &server, &["--rate", "10"]);
    world.until_saved(10).await;
    signal(&child, "INT");
    ended(child).await;
    assert_ends(&ended(warm(&world, &server, &["--rate", "1000"])).await, 0, &["done: 30 avatars\n"]);
    assert!(accepted(&server).await >= 40);
    assert_eq!(world.calls(), 30, "what is fresh is left alone");
}

#[tokio::test]
async fn what_a_killed_server_had_accepted_and_not_done_is_told_again_to_the_next() {
    let world = World::of(Kind::Sqlite, 60).await;
    let settings = world.dashboard.config() + "directory.write_back = false\n[origin]\ntimeout = \"20s\"\n";
    let mut server = Process::start(&world.sim, world.folder.path(), &settings, &[]).await;
    // Nothing ends, so that all that is accepted is lost.
    world.sim.api_fault(None, Some(Fault::Latency(Duration::from_secs(5))));
    let config = config_of(world.folder.path(), &server);
    let child = command(&["warm", "--config", &config, "--rate", "20"]);
    while accepted(&server).await < 40 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.signal("KILL");
    server.ended().await;
    assert_eq!(world.saved(), 0);
    world.sim.api_fault(None, None);
    let again = restarted(&world, &config, &server).await;
    assert_ends(&ended(child).await, 0, &["cannot connect", "done: 60 avatars\n"]);
    for id in &world.ids {
        let answer = request(server.address, "GET", &format!("/avatar/{id}"), "").await;
        assert_eq!(answer.header("cache-status"), Some("avatar-proxy; hit"), "{id}");
    }
    drop(again);
}

/// The same server once more, on the same ports and the same disk file.
async fn restarted(world: &World, config: &str, old: &Process) -> Child {
    // Longer than a beat, so that somebody has knocked meanwhile.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let child = command(&["--config", config]);
    for _ in 0..500 {
        if tokio::net::TcpStream::connect(old.address).await.is_ok() {
            return child;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it does not listen again in {}", world.folder.path().display());
}

#[tokio::test]
async fn a_server_that_is_down_is_waited_for_and_then_given_up() {
    let world = World::of(Kind::Sqlite, 3).await;
    let mut server = world.serve().await;
    server.signal("TERM");
    server.ended().await;
    let watch = Stopwatch::start();
    let output = ended(warm(&world, &server, &["--patience", "2"])).await;
    assert_ends(&output, 1, &["cannot connect", "given up after 2s", "--resume goes on"]);
    assert!(
        (Duration::from_secs(2)..Duration::from_secs(6)).contains(&watch.elapsed()),
        "{:?}",
        watch.elapsed()
    );
    assert_eq!(world.saved(), 0);
}

#[tokio::test]
async fn a_database_that_is_down_is_waited_for_too() {
    let world = World::of(Kind::Postgres, 3).await;
    let chaos = Chaos::start(SocketAddr::from(([127, 0, 0, 1], postgres::port())));
    let url =
        world.dashboard.db.url().replace(&postgres::port().to_string(), &chaos.address().port().to_string());
    let server =
        Process::start(&world.sim, world.folder.path(), &world.dashboard.config_for(&url), &[]).await;
    chaos.set(Mode::Cut);
    let output = ended(warm(&world, &server, &["--patience", "1"])).await;
    assert_ends(&output, 1, &["given up after 1s"]);
    let child = warm(&world, &server, &["--resume"]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    chaos.set(Mode::Pass);
    assert_ends(&ended(child).await, 0, &["done: 3 avatars\n"]);
    world.assert_warm(&server).await;
}

#[tokio::test]
async fn a_busy_server_slows_it_down() {
    let world = World::of(Kind::Sqlite, 5).await;
    let settings = world.dashboard.config() + "[avatar]\nmax_refreshes = 1\n";
    let server = Process::start(&world.sim, world.folder.path(), &settings, &[]).await;
    world.sim.api_fault_times(None, Fault::Latency(Duration::from_millis(700)), 4);
    let ids: Vec<String> = world.ids.iter().cloned().chain((0..995).map(|n| format!("nobody{n}"))).collect();
    post(server.admin, "/api/connections", &json!({ "event": "created", "ids": ids }).to_string()).await;
    for batch in 1..10 {
        let ids: Vec<String> = (0..1000).map(|n| format!("nobody{batch}-{n}")).collect();
        let told =
            post(server.admin, "/api/connections", &json!({ "event": "created", "ids": ids }).to_string())
                .await;
        assert!([202, 503].contains(&told.status), "{}", told.head);
    }
    let watch = Stopwatch::start();
    assert_ends(&ended(warm(&world, &server, &[])).await, 0, &["done: 5 avatars\n"]);
    assert!(watch.elapsed() >= Duration::from_secs(2), "{:?}", watch.elapsed());
    world.assert_warm(&server).await;
}

#[tokio::test]
async fn avatars_that_fail_are_counted_and_stop_nothing() {
    let world = World::of(Kind::Sqlite, 12).await;
    let server = world.serve().await;
    world.sim.api_fault_times(None, Fault::Reset, 4);
    let output = ended(warm(&world, &server, &["--rate", "5"])).await;
    assert_ends(&output, 0, &["done: 12 avatars, 4 of them without a current picture"]);
}

#[tokio::test]
async fn connections_of_the_configuration_are_warmed_too() {
    let world = World::of(Kind::Sqlite, 2).await;
    let settings = world.dashboard.config() + &FACEBOOK.entry("");
    let server = Process::start(&world.sim, world.folder.path(), &settings, &[]).await;
    assert_ends(&ended(warm(&world, &server, &[])).await, 0, &["done: 3 avatars\n"]);
    let answer = server.get(&FACEBOOK.path()).await;
    assert_eq!(answer.header("cache-status"), Some("avatar-proxy; hit"));
}

#[tokio::test]
async fn what_cannot_work_is_said_at_once() {
    let world = World::of(Kind::Sqlite, 1).await;
    let token = "[admin]\ntoken = \"the-admins-own-token-41c7\"\n";
    let server =
        Process::start(&world.sim, world.folder.path(), &(world.dashboard.config() + token), &[]).await;
    let config = config_of(world.folder.path(), &server);
    let with = async |change: &str, arguments: &[&str]| {
        let file = world.folder.path().join("changed.toml");
        let text = crate::support::proxy::merged(&std::fs::read_to_string(&config).unwrap(), change);
        std::fs::write(&file, text).unwrap();
        ended(command(&[&["warm", "--config", file.to_str().unwrap()], arguments].concat())).await
    };
    let off = "[admin]\nlisten = \"\"\n";
    assert_ends(&with(off, &[]).await, 1, &["avatar-proxy: admin.listen is empty"]);
    let wrong = "[admin]\ntoken = \"another\"\n";
    assert_ends(&with(wrong, &[]).await, 1, &["answered 401: send admin.token as Authorization: Bearer"]);
    assert_ends(&with("", &["--url", "https://127.0.0.1:1"]).await, 1, &["--url: expected http://host:port"]);
    let nowhere = world.folder.path().join("no/folder/state").display().to_string();
    assert_ends(&with("", &["--state", &nowhere]).await, 1, &["cannot write", "--state"]);
    assert_ends(&with("", &["--rate", "0"]).await, 2, &["--rate"]);
    // The public port is no admin port.
    let public = format!("http://{}", server.address);
    assert_ends(&with("", &["--url", &public]).await, 1, &["answered 404"]);
    assert_ends(
        &with("", &["--url", &format!("http://127.0.0.1:{}", quiet_port()), "--patience", "0"]).await,
        1,
        &["cannot connect"],
    );
    assert_ends(&with(off, &["--url", &format!("http://{}", server.admin)]).await, 0, &["done: 1 avatars"]);
    world.assert_warm(&server).await;
}

#[tokio::test]
async fn a_unix_socket_is_asked_as_well() {
    let world = World::of(Kind::Sqlite, 2).await;
    let socket = world.folder.path().join("admin.sock").display().to_string();
    let settings = world.dashboard.config()
        + &format!("[admin]\nlisten = \"unix:{socket}\"\ntoken = \"the-admins-own\"\n");
    let server = Process::start(&world.sim, world.folder.path(), &settings, &[]).await;
    assert_ends(&ended(warm(&world, &server, &[])).await, 0, &["done: 2 avatars\n"]);
    world.assert_warm(&server).await;
}
