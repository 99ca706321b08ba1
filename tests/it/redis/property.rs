//! Whatever happens: clients, instances, a provider and a Redis that fail at random, and instances that are killed.
//!
//! While Redis is well and nobody is killed there are never two requests for one avatar at a time at the provider. Always,
//! each answer is a complete picture of that avatar or a marked placeholder, and comes within its deadline.

use std::time::Duration;

use avatar_proxy::clock::{Clock, Stopwatch};
use graphsim::{Fault, Graphsim, PictureFile};
use proptest::prelude::*;
use tokio::task::JoinSet;

use super::util::{disturbed, redis_at};
use crate::support::accounts::{ALL, Connected, small};
use crate::support::chaos::{Chaos, Mode};
use crate::support::client::{self, hash};
use crate::support::process::Process;
use crate::support::proxy::stand_in;
use crate::support::redis::RedisServer;

const INSTANCES: usize = 3;
const CLIENTS: usize = 12;
/// An answer begins within `server.request_timeout`; the rest is a busy machine.
const DEADLINE: Duration = Duration::from_secs(3 + 3);
const SETTINGS: &str = r#"
[server]
request_timeout = "3s"
[avatar]
fresh_for = "1s"
wait = "300ms"
retry_min = "200ms"
retry_max = "500ms"
[redis]
lease = "1s"
timeout = "250ms"
"#;

/// What happens next.
#[derive(Debug, Clone)]
enum Act {
    /// For this many milliseconds nothing.
    Pass(u64),
    /// An owner changes the picture.
    Change(usize, u32),
    /// The provider is slow, or fails.
    Provider(Trouble),
    Cdn(Trouble),
    /// One instance's way to Redis is disturbed; that of all if `None`.
    Redis(Option<usize>, Way),
    /// `kill -9`, and another is started in its place.
    Kill(usize),
    Purge(usize, usize, bool),
}

#[derive(Debug, Clone)]
enum Trouble {
    None,
    Slow(u64),
    Status(u16),
    Close,
}

#[derive(Debug, Clone)]
enum Way {
    Free,
    Slow(u64),
    Cut,
    Hang,
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        2 => Just(Trouble::None),
        2 => (20..250_u64).prop_map(Trouble::Slow),
        1 => prop_oneof![Just(500_u16), Just(503)].prop_map(Trouble::Status),
        1 => Just(Trouble::Close),
    ]
}

fn kind_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (50..400_u64).prop_map(Act::Pass),
        2 => (0..ALL.len(), 10..30_u32).prop_map(|(whose, seed)| Act::Change(whose, seed)),
        2 => trouble().prop_map(Act::Provider),
        2 => trouble().prop_map(Act::Cdn),
        1 => (0..INSTANCES, 0..ALL.len(), any::<bool>()).prop_map(|(at, whose, hard)| Act::Purge(at, whose, hard)),
    ]
}

fn cruel_act() -> impl Strategy<Value = Act> {
    let way = prop_oneof![
        3 => Just(Way::Free),
        1 => (50..400_u64).prop_map(Way::Slow),
        1 => Just(Way::Cut),
        1 => Just(Way::Hang),
    ];
    prop_oneof![
        3 => kind_act(),
        2 => (proptest::option::of(0..INSTANCES), way).prop_map(|(whose, way)| Act::Redis(whose, way)),
        1 => (0..INSTANCES).prop_map(Act::Kill),
    ]
}

impl Trouble {
    fn fault(&self) -> Option<Fault> {
        match self {
            Self::None => None,
            Self::Slow(millis) => Some(Fault::Latency(Duration::from_millis(*millis))),
            Self::Status(status) => {
                Some(Fault::Status { status: *status, content_type: "text/plain", body: "no".to_owned() })
            }
            Self::Close => Some(Fault::Close),
        }
    }
}

fn picture(whose: usize, seed: u32) -> PictureFile {
    graphsim::pictures::png(seed + 100 * whose as u32, 64)
}

/// Every hash that an avatar's picture can ever have.
fn hashes(whose: usize) -> Vec<String> {
    let seeds = (10..30).map(|seed| hash(&picture(whose, seed).bytes));
    seeds.chain([hash(&small(1 + whose as u32).bytes)]).collect()
}

/// Three processes, each with its own way to one Redis.
struct World {
    sim: Graphsim,
    _redis: RedisServer,
    chaos: Vec<Chaos>,
    folders: Vec<tempfile::TempDir>,
    settings: Vec<String>,
    processes: Vec<Process>,
}

impl World {
    async fn start() -> Self {
        let clock = Clock::system();
        let sim = stand_in(&clock).await;
        for (whose, connected) in ALL.iter().enumerate() {
            connected.add(&sim, small(1 + whose as u32));
        }
        let redis = RedisServer::start();
        let mut world =
            Self { sim, _redis: redis, chaos: vec![], folders: vec![], settings: vec![], processes: vec![] };
        let entries = ALL.map(|connected: Connected| connected.entry("")).concat();
        for at in 0..INSTANCES {
            let (chaos, url) = disturbed(&world._redis);
            world.chaos.push(chaos);
            let settings = crate::support::proxy::merged(&redis_at(&url), SETTINGS);
            world.settings.push(format!("{settings}{entries}"));
            world.folders.push(tempfile::tempdir().unwrap());
            let process = world.launched(at).await;
            world.processes.push(process);
        }
        world
    }

    async fn launched(&self, at: usize) -> Process {
        Process::start(&self.sim, self.folders[at].path(), &self.settings[at], &[]).await
    }

    async fn act(&mut self, act: &Act, clients: &Clients) {
        match act {
            Act::Pass(millis) => tokio::time::sleep(Duration::from_millis(*millis)).await,
            Act::Change(whose, seed) => {
                self.sim.set_picture(ALL[*whose].account, Some(picture(*whose, *seed)));
            }
            Act::Provider(trouble) => self.sim.api_fault(None, trouble.fault()),
            Act::Cdn(trouble) => self.sim.cdn_fault(None, trouble.fault()),
            Act::Redis(whose, way) => {
                let mode = match way {
                    Way::Free => Mode::Pass,
                    Way::Slow(millis) => Mode::Delay(Duration::from_millis(*millis)),
                    Way::Cut => Mode::Cut,
                    Way::Hang => Mode::Hang,
                };
                for (_, chaos) in
                    self.chaos.iter().enumerate().filter(|(at, _)| whose.is_none_or(|one| one == *at))
                {
                    chaos.set(mode.clone());
                }
            }
            Act::Kill(at) => {
                clients.stop_asking(*at);
                let process = &mut self.processes[*at];
                process.child.kill().unwrap();
                process.child.wait().unwrap();
                self.processes[*at] = self.launched(*at).await;
                clients.ask_at(*at, self.processes[*at].address);
            }
            Act::Purge(at, whose, hard) => {
                let (method, end) = if *hard { ("DELETE", "") } else { ("POST", "/purge") };
                let target = format!("/api/avatars/{}{end}", ALL[*whose].id);
                client::request(self.processes[*at].admin, method, &target, "").await;
            }
        }
    }
}

/// Clients that view avatars all the while, and judge every answer.
struct Clients {
    addresses: std::sync::Arc<[std::sync::Mutex<Option<std::net::SocketAddr>>; INSTANCES]>,
    tasks: JoinSet<usize>,
    stop: tokio_util::sync::CancellationToken,
}

impl Clients {
    fn start(world: &World) -> Self {
        let addresses = std::array::from_fn(|at| std::sync::Mutex::new(Some(world.processes[at].address)));
        let mut clients =
            Self { addresses: addresses.into(), tasks: JoinSet::new(), stop: Default::default() };
        for number in 0..CLIENTS {
            let (addresses, stop) = (clients.addresses.clone(), clients.stop.clone());
            clients.tasks.spawn(async move {
                let mut answers = 0;
                for turn in number.. {
                    if stop.is_cancelled() {
                        break;
                    }
                    let (at, whose) = (turn % INSTANCES, turn / INSTANCES % ALL.len());
                    let address = *addresses[at].lock().unwrap();
                    if let Some(address) = address {
                        answers += usize::from(view(address, whose, || *addresses[at].lock().unwrap()).await);
                    }
                    tokio::time::sleep(Duration::from_millis(15)).await;
                }
                answers
            });
        }
        clients
    }

    fn stop_asking(&self, at: usize) {
        *self.addresses[at].lock().unwrap() = None;
    }

    fn ask_at(&self, at: usize, address: std::net::SocketAddr) {
        *self.addresses[at].lock().unwrap() = Some(address);
    }

    /// How many answers were judged; fails if one of them was wrong.
    async fn end(mut self) -> usize {
        self.stop.cancel();
        let mut answers = 0;
        while let Some(ended) = self.tasks.join_next().await {
            answers += ended.expect("every answer is right");
        }
        answers
    }
}

/// One view; false if the instance was killed meanwhile, which is the client's own affair.
async fn view(
    address: std::net::SocketAddr,
    whose: usize,
    now: impl Fn() -> Option<std::net::SocketAddr>,
) -> bool {
    let watch = Stopwatch::start();
    let target = ALL[whose].path();
    let Some(answer) = client::try_request(address, &target).await else {
        assert_ne!(now(), Some(address), "an instance that nobody killed gave no whole answer");
        return false;
    };
    let took = watch.elapsed();
    assert!(took < DEADLINE, "{target}: {took:?}");
    assert_eq!(answer.status, 200, "{}", answer.head);
    if answer.state() != "placeholder" {
        assert!(hashes(whose).contains(&answer.hash()), "{target}: none of its pictures: {}", answer.head);
    }
    true
}

fn play(acts: &[Act]) -> (World, usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (world, answers) = runtime.block_on(async {
        let mut world = World::start().await;
        let clients = Clients::start(&world);
        for act in acts {
            world.act(act, &clients).await;
        }
        let answers = clients.end().await;
        (world, answers)
    });
    runtime.shutdown_background();
    (world, answers)
}

fn few() -> ProptestConfig {
    // Each case starts three processes and a Redis; a failure prints its acts, which need no shrinking to be read.
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 2 };
    ProptestConfig { cases, max_shrink_iters: 0, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn while_redis_is_well_one_avatar_is_asked_for_once_at_a_time(acts in proptest::collection::vec(kind_act(), 20..30)) {
        let (world, answers) = play(&acts);
        prop_assert!(answers > CLIENTS, "{answers} answers");
        for connected in &ALL {
            prop_assert_eq!(world.sim.most_at_once(connected.account), 1, "{}", connected.id);
        }
    }

    #[test]
    fn whatever_happens_every_answer_is_right_and_in_time(acts in proptest::collection::vec(cruel_act(), 25..35)) {
        let (_world, answers) = play(&acts);
        prop_assert!(answers > CLIENTS, "{answers} answers");
    }
}
