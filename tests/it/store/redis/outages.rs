//! Redis fails in every way there is, under constant load: no viewer notices.

use std::sync::Arc;
use std::time::Duration;

use avatar_proxy::clock::Clock;
use graphsim::{Graphsim, Options};
use tempfile::TempDir;
use tokio::task::{JoinSet, block_in_place};

use super::load::{Load, Now, Pages, Stage};
use super::util::{Together, body, disturbed, redis_at, together, until};
use crate::support::accounts::{FACEBOOK, INSTAGRAM};
use crate::support::chaos::Mode;
use crate::support::client;
use crate::support::names::Name;
use crate::support::process::Process;
use crate::support::proxy::{LIFE, merged};
use crate::support::redis::RedisServer;
use crate::support::server::quiet_port;

/// How long each stage lasts at least.
const STAGE: Duration = Duration::from_millis(2500);
/// Generous: a stored picture is served from memory, and a refresh costs a machine that is not busy a few milliseconds.
const ACCEPTABLE: Duration = Duration::from_secs(2);

/// What an outage says of itself, in `/readyz` and in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Nothing: the outage is none to the proxy.
    Nothing,
    /// Redis is away, and then there again.
    Away,
    /// The same, for so short a time that only the log tells of it, if at all.
    Briefly,
    /// Redis refuses to store, and then stores again.
    Refuses,
}

/// Two instances under load, in front of one Redis.
struct Scene {
    redis: RedisServer,
    instances: Vec<(Process, TempDir)>,
    pages: Arc<Pages>,
    load: Load,
    readiness: JoinSet<()>,
    // The instances ask it to the end.
    _sim: Graphsim,
}

/// Pictures are fresh for a second, so that refreshes happen all the time.
fn settings(url: &str, pages: &Pages) -> String {
    let own = "[redis]\ntimeout = \"250ms\"\n[avatar]\nfresh_for = \"1s\"\n[origin]\ntimeout = \"5s\"\n";
    merged(&(redis_at(url) + &pages.entries()), own)
}

impl Scene {
    async fn new(redis: RedisServer, url: &str) -> Self {
        Self::with(redis, url, &[]).await
    }

    async fn with(redis: RedisServer, url: &str, environment: &[(&str, &str)]) -> Self {
        let clock = Clock::system();
        let options = Options { now: Arc::new(move || clock.now().as_millis()), address_life: LIFE };
        let sim = Graphsim::start(options).await;
        let pages = Arc::new(Pages::add(&sim));
        let mut instances = Vec::new();
        for _ in 0..2 {
            let folder = TempDir::new().unwrap();
            let process = Process::start(&sim, folder.path(), &settings(url, &pages), environment).await;
            // It waits a moment for a Redis that is not there before it answers.
            readiness(process.admin).await;
            instances.push((process, folder));
        }
        let addresses: Vec<_> = instances.iter().map(|(process, _)| process.address).collect();
        let load = Load::start(&addresses, &pages);
        let mut readiness = JoinSet::new();
        for (process, _) in &instances {
            readiness.spawn(stay_ready(process.admin));
        }
        Self { redis, instances, pages, load, readiness, _sim: sim }
    }

    fn now(&self) -> &Now {
        &self.load.now
    }

    /// Waits until `/readyz` of every instance says this.
    async fn until_all_say(&self, status: &str) {
        until(status, async || {
            for (process, _) in &self.instances {
                if readiness(process.admin).await["status"] != status {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// Before, during and after an outage; `begin` and `end` make it. Without an end there is no recovery.
    async fn go_through(
        mut self,
        outage: &str,
        told: Told,
        begin: impl FnOnce(&RedisServer),
        end: Option<impl FnOnce(&RedisServer)>,
    ) {
        tokio::time::sleep(STAGE).await;
        block_in_place(|| begin(&self.redis));
        self.now().set(Stage::During);
        let lasts = matches!(told, Told::Away | Told::Refuses);
        if lasts {
            self.until_all_say("degraded").await;
        }
        tokio::time::sleep(STAGE).await;
        let recovers = end.is_some();
        if let Some(end) = end {
            if lasts {
                self.until_all_say("degraded").await;
            }
            block_in_place(|| end(&self.redis));
            self.until_all_say("ready").await;
            self.now().set(Stage::After);
            tokio::time::sleep(STAGE).await;
            self.until_filled().await;
            self.until_all_say("ready").await;
        }
        assert!(self.readiness.try_join_next().is_none(), "it was not ready all the while");
        self.readiness.shutdown().await;
        let report = self.load.stop().await;
        let failures = report.failures();
        let of = |stage| match report.count(stage) {
            0 => "-".to_owned(),
            _ => format!("{:.1?}", report.p99(stage)),
        };
        let counts = [Stage::Before, Stage::During, Stage::After].map(|stage| report.count(stage));
        println!(
            "{outage}: p99 before {}, during {}, after {}; requests {counts:?}, failed {}",
            of(Stage::Before),
            of(Stage::During),
            of(Stage::After),
            failures.len()
        );
        for (process, _) in &self.instances {
            check_log(&process.log(), told, recovers);
        }
        assert!(failures.is_empty(), "{failures:#?}\n{}", self.instances[0].0.log());
        assert!(counts[..2].iter().all(|count| *count > 100), "{counts:?}");
        for (stage, _) in
            [Stage::Before, Stage::During, Stage::After].iter().zip(counts).filter(|(_, n)| *n > 0)
        {
            assert!(report.p99(*stage) < ACCEPTABLE, "{stage:?}");
        }
    }

    /// Waits until Redis holds every page again, and every instance is subscribed.
    async fn until_filled(&self) {
        until("Redis holds every page", async || {
            let keys = block_in_place(|| self.redis.keys());
            let held = |id: &str, what: &str| keys.contains(&format!("avatar-proxy:{{{id}}}:{what}"));
            self.pages.ids().all(|id| held(&id, "entry") && held(&id, "picture"))
        })
        .await;
        until("every instance is subscribed", async || {
            for (process, _) in &self.instances {
                let status = client::request(process.admin, "GET", "/api/redis", "").await;
                let status: serde_json::Value = serde_json::from_slice(&status.body).unwrap();
                if status["subscribed"] != true {
                    return false;
                }
            }
            true
        })
        .await;
    }
}

async fn readiness(admin: std::net::SocketAddr) -> serde_json::Value {
    let answer = client::request(admin, "GET", "/readyz", "").await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    serde_json::from_slice(&answer.body).unwrap()
}

/// Ends, by a panic, only where the answer is not 200.
async fn stay_ready(admin: std::net::SocketAddr) {
    loop {
        readiness(admin).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// One line at each change of state.
#[track_caller]
fn check_log(log: &str, told: Told, recovers: bool) {
    let count = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    let away = match told {
        Told::Briefly => count("Redis is away").min(1),
        Told::Nothing | Told::Away | Told::Refuses => usize::from(told == Told::Away),
    };
    let refuses = usize::from(told == Told::Refuses);
    let back = usize::from(recovers);
    let lines = |line: &str| !line.contains("refreshed");
    let log = || log.lines().filter(|line| lines(line)).collect::<Vec<_>>().join("\n");
    assert_eq!(count("Redis is away"), away, "{}", log());
    assert_eq!(count("Redis is back"), away * back, "{}", log());
    assert_eq!(count("Redis refuses to store entries"), refuses, "{}", log());
    assert_eq!(count("Redis stores entries again"), refuses * back, "{}", log());
    // The subscription has a connection of its own, which may break sooner.
    let unheard = count("no messages of the other instances arrive");
    assert!(unheard <= usize::from(told != Told::Nothing), "{}", log());
    assert_eq!(count("messages of the other instances arrive again"), unheard * back, "{}", log());
}

type Ending = fn(&RedisServer);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn redis_is_down_at_the_start() {
    let redis = RedisServer::start();
    redis.stop();
    let url = redis.url();
    let scene = Scene::new(redis, &url).await;
    scene.go_through("down at the start", Told::Away, |_| {}, Some(RedisServer::start_again)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn redis_is_killed_under_load() {
    let redis = RedisServer::start();
    let url = redis.url();
    let scene = Scene::new(redis, &url).await;
    let kill = |redis: &RedisServer| {
        redis.signal("KILL");
        redis.stop();
    };
    scene.go_through("killed", Told::Away, kill, Some(RedisServer::start_again)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_restarted_and_comes_back_empty() {
    let redis = RedisServer::start();
    let url = redis.url();
    let scene = Scene::new(redis, &url).await;
    let restart = |redis: &RedisServer| {
        redis.stop();
        redis.start_again();
    };
    scene.go_through("restarted empty", Told::Briefly, restart, Some(|_: &RedisServer| {})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn redis_is_stopped_in_its_tracks() {
    let redis = RedisServer::start();
    let url = redis.url();
    let scene = Scene::new(redis, &url).await;
    let resume: Ending = |redis| redis.signal("CONT");
    scene.go_through("SIGSTOP", Told::Away, |redis| redis.signal("STOP"), Some(resume)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn the_way_to_redis_swallows_every_byte() {
    let redis = RedisServer::start();
    let (chaos, url) = disturbed(&redis);
    let scene = Scene::new(redis, &url).await;
    let (hang, pass) = (|_: &RedisServer| chaos.set(Mode::Hang), |_: &RedisServer| chaos.set(Mode::Pass));
    scene.go_through("hanging connections", Told::Away, hang, Some(pass)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn redis_has_become_a_replica_and_refuses_writes() {
    let redis = RedisServer::start();
    let url = redis.url();
    let scene = Scene::new(redis, &url).await;
    let demote = |redis: &RedisServer| {
        redis.cli(&["CONFIG", "SET", "replica-read-only", "yes"]);
        redis.cli(&["REPLICAOF", "127.0.0.1", &quiet_port().to_string()]);
    };
    let promote: Ending = |redis| _ = redis.cli(&["REPLICAOF", "NO", "ONE"]);
    scene.go_through("read-only", Told::Away, demote, Some(promote)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn redis_is_out_of_memory() {
    let redis = RedisServer::start_with(&["--maxmemory-policy", "noeviction"]);
    let url = redis.url();
    let scene = Scene::new(redis, &url).await;
    let fill = |redis: &RedisServer| _ = redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let grow: Ending = |redis| _ = redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    scene.go_through("out of memory", Told::Refuses, fill, Some(grow)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_flushed_under_load() {
    let redis = RedisServer::start();
    let url = redis.url();
    let scene = Scene::new(redis, &url).await;
    let flush: Ending = |redis| _ = redis.cli(&["FLUSHALL"]);
    scene.go_through("flushed", Told::Nothing, flush, Some(flush)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_of_redis_does_not_resolve() {
    let redis = RedisServer::start();
    let scene = Scene::new(redis, "redis://nowhere.invalid:6379").await;
    scene.go_through("no such name", Told::Away, |_| {}, None::<Ending>).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_of_redis_is_gone_when_its_connections_break() {
    let redis = RedisServer::start();
    let name = Name::new();
    let url = format!("redis://{}:{}", Name::NAME, redis.port);
    let scene = Scene::with(redis, &url, &name.environment()).await;
    let (gone, back) = (
        |redis: &RedisServer| {
            name.resolve(false);
            for kind in ["normal", "pubsub"] {
                redis.cli(&["CLIENT", "KILL", "TYPE", kind]);
            }
        },
        |_: &RedisServer| name.resolve(true),
    );
    scene.go_through("the name is gone", Told::Away, gone, Some(back)).await;
}

#[tokio::test]
async fn redis_deletes_while_it_is_out_of_memory() {
    let Together { sim: _sim, redis, instances, .. } = together(2, "").await;
    let pictures = || redis.keys().into_iter().filter(|key| key.ends_with(":picture")).count();
    for (connected, count) in [FACEBOOK, INSTAGRAM].iter().zip(1..) {
        instances[0].get(&connected.path()).await;
        instances[0].settled().await;
        until("Redis has it", async || pictures() == count).await;
    }
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let answer = instances[0].admin("DELETE", &format!("/api/avatars/{}", FACEBOOK.id)).await;
    assert_eq!((answer.status, pictures()), (200, 1), "{}", String::from_utf8_lossy(&answer.body));
    let told = &body(&answer)["instances"];
    assert_eq!(told["done"].as_array().map(Vec::len), Some(2), "{told}");
}
