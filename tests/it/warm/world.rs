//! Many connections of one page, the real server in front of them, and the real command.

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use avatar_proxy::clock::Clock;
use graphsim::{Graphsim, Options};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::directory::database::Kind;
use crate::support::accounts::{FACEBOOK, small};
use crate::support::client::{Answer, post, request};
use crate::support::dashboard::Dashboard;
use crate::support::process::{BINARY, Process};
use crate::support::proxy::LIFE;
use crate::support::wait::until;

pub(super) const PATH: &str = "/api/warm";

/// A dashboard with connections, all of the one page.
pub(super) struct World {
    pub(super) sim: Graphsim,
    pub(super) dashboard: Dashboard,
    pub(super) folder: TempDir,
    pub(super) ids: Vec<String>,
}

impl World {
    pub(super) async fn of(kind: Kind, count: usize) -> Self {
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

    /// Settings of a server that asks the provider for every avatar that it does not hold: addresses that it wrote back
    /// would be tried first after a restart.
    pub(super) fn settings(&self) -> String {
        self.dashboard.config() + "directory.write_back = false\n"
    }

    pub(super) async fn serve(&self) -> Process {
        self.serve_with("").await
    }

    pub(super) async fn serve_with(&self, extra: &str) -> Process {
        Process::start(&self.sim, self.folder.path(), &(self.settings() + extra), &[]).await
    }

    /// The command line of the same server once more: the same ports and the same disk file.
    pub(super) async fn serve_again(&self, old: &Process) -> Child {
        let child = command(&["--config", &self.config_of(old)]);
        let listens = async || tokio::net::TcpStream::connect(old.admin).await.is_ok();
        until("the server listens again", listens).await;
        child
    }

    pub(super) fn config_of(&self, server: &Process) -> String {
        config_of(self.folder.path(), server)
    }

    pub(super) fn warm(&self, server: &Process, arguments: &[&str]) -> Child {
        command(&[&["warm", "--config", &self.config_of(server)], arguments].concat())
    }

    pub(super) fn calls(&self) -> usize {
        self.sim.api_calls(FACEBOOK.account)
    }

    /// Every avatar is in the server, and its view asks no provider.
    pub(super) async fn assert_warm(&self, server: &Process) {
        let calls = self.calls();
        for id in &self.ids {
            let answer = server.get(&format!("/avatar/{id}")).await;
            assert_eq!(answer.header("cache-status"), Some("avatar-proxy; hit"), "{id}: {}", answer.head);
            assert_eq!(answer.state(), "fresh", "{id}");
        }
        assert_eq!(self.calls(), calls);
    }
}

fn config_of(folder: &Path, server: &Process) -> String {
    folder.join(format!("config-{}.toml", server.address.port())).display().to_string()
}

pub(super) fn command(arguments: &[&str]) -> Child {
    let mut command = Command::new(BINARY);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true).spawn().unwrap()
}

pub(super) async fn ended(child: Child) -> Output {
    tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await.expect("an end").unwrap()
}

#[track_caller]
pub(super) fn assert_ends(output: &Output, code: i32, said: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(output.stdout.is_empty());
    for said in said {
        assert!(text.contains(said), "{said:?} is not in {text}");
    }
}

pub(super) fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("it runs").to_string();
    assert!(std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
}

/// What the server answers of its walk.
pub(super) async fn progress(server: &Process) -> Value {
    body(&request(server.admin, "GET", PATH, "").await)
}

pub(super) async fn begin(server: &Process, json: &str) -> (u16, Value) {
    let answer = post(server.admin, PATH, json).await;
    (answer.status, body(&answer))
}

pub(super) async fn stop(server: &Process) -> Value {
    let answer = request(server.admin, "DELETE", PATH, "").await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    body(&answer)
}

pub(super) async fn until_done(server: &Process, least: u64) {
    let is_done = async || progress(server).await["done"].as_u64().is_some_and(|done| done >= least);
    until(&format!("{least} avatars are done"), is_done).await;
}

pub(super) async fn until_state(server: &Process, state: &str) {
    until(&format!("the walk is {state}"), async || progress(server).await["state"] == state).await;
}

/// How many avatars were ever queued, for whatever reason.
pub(super) async fn queued(server: &Process) -> u64 {
    let answer = request(server.admin, "GET", "/api/connections", "").await;
    body(&answer)["accepted"].as_u64().unwrap()
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON: {}", answer.head))
}
