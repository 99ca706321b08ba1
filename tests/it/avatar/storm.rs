//! Hundreds of avatars become stale within a minute, and the provider is slow or fails. `cargo bench --bench storm` measures
//! the same with fifty thousand.

use std::collections::HashSet;
use std::time::Duration;

use avatar_proxy::clock::{Clock, Timestamp};
use avatar_proxy::model::AvatarId;
use graphsim::{Account, Fault, Graphsim, Kind};
use tokio::task::JoinSet;

use crate::support::accounts::small;
use crate::support::client::{self, hash};
use crate::support::proxy::{Proxy, START, stand_in};

const AVATARS: usize = 400;
const FRESH_FOR: Duration = Duration::from_secs(600);
/// Three quarters of them are Facebook's.
const PLACES: usize = 16;
const CALLS: usize = 12;
const WAITING: usize = 100;
const PAUSE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(125);

/// The pages, every other one of which fails in the storm.
struct World {
    sim: Graphsim,
    proxy: Proxy,
}

fn id(n: usize) -> String {
    format!("page-{n:03}")
}

fn account(n: usize) -> String {
    format!("1045000000{n:03}")
}

fn failing() -> impl Iterator<Item = usize> {
    (0..AVATARS).step_by(2)
}

impl World {
    /// All are held, and were confirmed within one minute.
    async fn new() -> Self {
        let clock = Clock::manual(START);
        let sim = stand_in(&clock).await;
        let mut settings = format!(
            "[avatar]\nfresh_for = \"{}s\"\nrefresh_ahead = 1.0\nmax_refreshes = {PLACES}\nqueue = {WAITING}\n\
             retry_min = \"{PAUSE:?}\"\nretry_max = \"{PAUSE:?}\"\n\
             [providers.facebook]\nmax_calls = {CALLS}\ncalls_per_second = 10000\n",
            FRESH_FOR.as_secs()
        );
        for n in 0..AVATARS {
            let token = format!("EAApage{n}");
            sim.add(Account::new(Kind::Facebook, &account(n), &token, small(seed(n))));
            settings.push_str(&format!(
                "[[connection]]\nid = \"{}\"\nprovider = \"facebook\"\naccount = \"{}\"\ntoken = \"plain:{token}\"\n",
                id(n),
                account(n)
            ));
        }
        let proxy = Proxy::start(&sim, &clock, &settings).await;
        let world = Self { sim, proxy };
        for first in (0..AVATARS).step_by(20) {
            world.view(first..first + 20).await;
            world.proxy.clock.advance(Duration::from_secs(60) / 25);
        }
        world.proxy.settled().await;
        world
    }

    /// Views them all at one time. Each view shows its picture, and no bound is broken meanwhile.
    async fn view(&self, pages: impl IntoIterator<Item = usize>) {
        let mut views = JoinSet::new();
        for n in pages {
            let address = self.proxy.address;
            views.spawn(async move {
                (n, client::request(address, "GET", &format!("/avatar/{}", id(n)), "").await)
            });
        }
        while let Some(view) = views.join_next().await {
            let (n, answer) = view.unwrap();
            assert_eq!((answer.status, answer.hash()), (200, hash(&small(seed(n)).bytes)), "{}", answer.head);
            let (flights, running, waiting) = self.proxy.service.snapshot().depth();
            assert!(running <= CALLS && waiting <= WAITING && flights <= PLACES + WAITING);
        }
    }

    /// Which have been asked for since the counters were reset.
    fn asked(&self) -> HashSet<usize> {
        (0..AVATARS).filter(|n| self.sim.api_calls(&account(*n)) > 0).collect()
    }

    /// When an avatar's own pause ends, by the server's word.
    async fn retry_at(&self, n: usize) -> Timestamp {
        let inspection = self.proxy.service.inspect(&AvatarId::parse(&id(n)).unwrap()).await.unwrap();
        inspection.trouble.expect("it failed").retry_at.expect("it is tried again")
    }
}

fn seed(n: usize) -> u32 {
    u32::try_from(n % 8 + 1).unwrap()
}

fn start_storm(sim: &Graphsim) {
    for n in 0..AVATARS {
        let fault = match n % 2 {
            0 => Fault::GraphError { status: 500, code: 2, subcode: None, message: "Try again".into() },
            _ => Fault::Latency(Duration::from_millis(30)),
        };
        sim.api_fault(Some(&account(n)), Some(fault));
    }
    sim.reset_counters();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_stale_avatars_keeps_every_bound_and_each_is_tried_again_in_its_own_time() {
    let world = World::new().await;
    let (sim, clock) = (&world.sim, &world.proxy.clock);
    start_storm(sim);
    clock.advance(FRESH_FOR - Duration::from_secs(60));
    for _ in 0..6 {
        clock.advance(Duration::from_secs(10));
        world.view(0..AVATARS).await;
    }
    world.proxy.settled().await;
    // What fell out of the queue comes back with its next view.
    while world.asked().len() < AVATARS {
        let left: Vec<usize> = (0..AVATARS).filter(|n| !world.asked().contains(n)).collect();
        world.view(left).await;
        world.proxy.settled().await;
    }
    let most = sim.most_at_once_of_all();
    assert!((2..=CALLS).contains(&most), "{most} calls at one time");

    // All fail in one moment, and so their pauses begin together.
    clock.advance(PAUSE);
    sim.reset_counters();
    while world.asked().len() < failing().count() {
        let left: Vec<usize> = failing().filter(|n| !world.asked().contains(n)).collect();
        world.view(left).await;
        world.proxy.settled().await;
    }
    let mut due = Vec::new();
    for n in failing() {
        due.push((n, world.retry_at(n).await));
    }
    let times: HashSet<Timestamp> = due.iter().map(|(_, at)| *at).collect();
    assert!(times.len() > 100, "they come back in step: {times:?}");

    sim.reset_counters();
    let began = clock.now();
    clock.advance(PAUSE * 3 / 4 - TICK);
    while clock.now() < began + PAUSE {
        clock.advance(TICK);
        world.view(failing()).await;
        world.proxy.settled().await;
        let now = clock.now();
        let expected: HashSet<usize> = due.iter().filter(|(_, at)| *at <= now).map(|(n, _)| *n).collect();
        assert_eq!(world.asked(), expected, "{:?} after their failure", now.since(began));
    }
    for n in failing() {
        assert_eq!(sim.api_calls(&account(n)), 1, "{}: the next pause has begun", id(n));
    }
}
