//! [`World`]: three processes, each with its own way to one Redis, and what happens to them.

use std::sync::Arc;
use std::time::Duration;

use avatar_proxy::clock::Clock;
use graphsim::Graphsim;
use tokio::task::JoinSet;

use super::INSTANCES;
use super::acts::Act;
use super::facts::Facts;
use crate::store::redis::util::{body, disturbed, redis_at, until};
use crate::support::accounts::{ALL, Connected};
use crate::support::chaos::{Chaos, Mode};
use crate::support::client;
use crate::support::process::Process;
use crate::support::proxy::{merged, stand_in};
use crate::support::redis::RedisServer;

/// Pictures are stale and failures forgotten within a case; those on the way are passed on as they come in.
const SETTINGS: &str = r#"
[server]
request_timeout = "3s"
[avatar]
fresh_for = "1s"
wait = "300ms"
retry_min = "200ms"
retry_max = "500ms"
[origin]
stream_above = "1KiB"
"#;

/// So many looks at all that is shown, with 20 ms between them.
const CONVERGENCE: usize = 300;

pub(super) struct World {
    pub(super) sim: Graphsim,
    pub(super) facts: Arc<Facts>,
    redis_is_well: bool,
    _redis: RedisServer,
    chaos: Vec<Chaos>,
    folders: Vec<tempfile::TempDir>,
    settings: Vec<String>,
    processes: Vec<Process>,
    purges: JoinSet<()>,
}

impl World {
    pub(super) async fn start(extra: &str, redis_is_well: bool) -> Self {
        let clock = Clock::system();
        let (sim, redis) = (stand_in(&clock).await, RedisServer::start());
        let facts = Arc::new(Facts::default());
        for (whose, connected) in ALL.iter().enumerate() {
            connected.add(&sim, facts.first(whose));
        }
        let (chaos, urls): (Vec<_>, Vec<_>) = (0..INSTANCES).map(|_| disturbed(&redis)).unzip();
        let entries = ALL.map(|connected: Connected| connected.entry("")).concat();
        let settings = urls.iter().map(|url| merged(&merged(&redis_at(url), SETTINGS), extra) + &entries);
        let mut world = Self {
            settings: settings.collect(),
            folders: (0..INSTANCES).map(|_| tempfile::tempdir().unwrap()).collect(),
            sim,
            facts,
            redis_is_well,
            _redis: redis,
            chaos,
            processes: vec![],
            purges: JoinSet::new(),
        };
        for at in 0..INSTANCES {
            let process = world.launched(at).await;
            world.processes.push(process);
        }
        world
    }

    /// Starts an instance. Where Redis is well it is asked as soon as it has found it.
    async fn launched(&self, at: usize) -> Process {
        let process = Process::start(&self.sim, self.folders[at].path(), &self.settings[at], &[]).await;
        let mut name = String::new();
        until("it is found, and has found Redis", async || {
            // The admin port opens a moment after the other.
            let Some(answer) = client::try_request(process.admin, "GET", "/api/redis").await else {
                return false;
            };
            let status = body(&answer);
            name = status["instance"].as_str().expect("a name").to_owned();
            !self.redis_is_well || status["subscribed"] == true
        })
        .await;
        self.facts.is_at(at, process.address, name);
        process
    }

    pub(super) async fn act(&mut self, act: &Act) {
        match act {
            Act::Pass(millis) => tokio::time::sleep(Duration::from_millis(*millis)).await,
            Act::Change(whose) => self.facts.change(&self.sim, *whose),
            Act::Provider(trouble) => self.sim.api_fault(None, trouble.fault()),
            Act::Cdn(trouble) => self.sim.cdn_fault(None, trouble.fault()),
            Act::Redis(Some(at), way) => self.chaos[*at].set(way.mode()),
            Act::Redis(None, way) => self.chaos.iter().for_each(|chaos| chaos.set(way.mode())),
            Act::Kill(at) => {
                self.facts.is_gone(*at);
                let process = &mut self.processes[*at];
                process.child.kill().unwrap();
                process.child.wait().unwrap();
                self.processes[*at] = self.launched(*at).await;
            }
            Act::Purge(at, whose, hard) => self.purge(*at, *whose, *hard),
        }
    }

    /// In the background: it waits for instances that do not answer. An instance that has done it has deleted what was replaced
    /// before.
    fn purge(&mut self, at: usize, whose: usize, hard: bool) {
        let (facts, admin) = (self.facts.clone(), self.processes[at].admin);
        self.purges.spawn(async move {
            let (method, end) = if hard { ("DELETE", "") } else { ("POST", "/purge") };
            let replaced = facts.replaced(whose);
            let target = format!("/api/avatars/{}{end}", ALL[whose].id);
            let Some(answer) = client::try_request(admin, method, &target).await else { return };
            if hard && matches!(answer.status, 200 | 202) {
                for name in body(&answer)["instances"]["done"].as_array().into_iter().flatten() {
                    facts.delete(name.as_str().expect("a name"), whose, replaced);
                }
            }
        });
    }

    /// Ends all troubles, and what is still under way.
    pub(super) async fn heal(&mut self) {
        self.sim.api_fault(None, None);
        self.sim.cdn_fault(None, None);
        self.chaos.iter().for_each(|chaos| chaos.set(Mode::Pass));
        while let Some(ended) = self.purges.join_next().await {
            ended.expect("a purge is answered");
        }
    }

    /// Every instance comes to show the newest picture of each avatar, and goes on showing it. While there was no Redis two
    /// instances could ask at a time, and the one that began later be answered with the older picture; that one is shown
    /// until it is stale once more.
    pub(super) async fn converged(&self) {
        let mut rounds = 0;
        let mut behind = Vec::new();
        for _ in 0..CONVERGENCE {
            behind = self.behind().await;
            let goes_back = rounds > 0 && !behind.is_empty();
            assert!(!goes_back || !self.redis_is_well, "after {rounds} rounds: {behind:#?}");
            rounds = if behind.is_empty() { rounds + 1 } else { 0 };
            if rounds == 4 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("not the newest pictures: {behind:#?}");
    }

    /// Which instance does not show the newest picture of which account, and what it shows instead.
    async fn behind(&self) -> Vec<String> {
        let mut behind = Vec::new();
        for (at, process) in self.processes.iter().enumerate() {
            for (whose, connected) in ALL.iter().enumerate() {
                let answer = process.get(&connected.path()).await;
                let (shown, newest) = (self.facts.shown(whose, &answer), self.facts.replaced(whose));
                if shown != Some(newest) {
                    let head = answer.head;
                    behind.push(format!("instance {at}, {}: {shown:?}, not {newest}: {head}", connected.id));
                }
            }
        }
        behind
    }

    /// What each instance says of its Redis: a call that failed explains much.
    pub(super) async fn redis_calls(&self) -> Vec<String> {
        let mut calls = Vec::new();
        for process in &self.processes {
            let answer = client::request(process.admin, "GET", "/api/redis", "").await;
            calls.push(String::from_utf8_lossy(&answer.body).into_owned());
        }
        calls
    }
}
