//! [`measure`]: fill, storm and quiet by turns, and the proof that each avatar that failed is tried again in its own time.

use std::path::PathBuf;
use std::time::Duration;

use avatar_proxy::clock::{Clock, Stopwatch};

use crate::neighbours::Neighbours;
use crate::plan::{AT_ONCE, Bounds, FILLING, FRESH_FOR, FRESH_FOR_EVER, Limits, Plan, ROUNDS, SLICE, SLOW};
use crate::provider::Provider;
use crate::report::{Seen, report};
use crate::retries::Retries;
use crate::rounds::{Round, Rounds};
use crate::server::Server;
use crate::table::Table;
use crate::viewers::{View, look};
use crate::world::World;

/// The server whose avatars become stale.
const STORMY: &str = "storm";
/// The one whose avatars do not.
const QUIET: &str = "quiet";
/// Views in a second where nothing is measured: reading all that is on disk into memory.
const HURRY: u32 = 4000;
/// No two avatars that were filled one after the other are viewed so.
const STRIDE: u64 = 7919;
/// The longest that is waited until every avatar was asked for.
const TAIL: Duration = Duration::from_secs(75);
/// What the way between server and provider may take.
const NEARLY: Duration = Duration::from_millis(500);

struct Stage<'a> {
    plan: &'a Plan,
    world: World,
    provider: Provider,
    /// Views so far, so that all avatars take turns.
    turn: u64,
}

/// One storm under the plan's bounds.
pub(crate) fn measure(plan: &Plan) -> Table {
    let world = World::new(plan.avatars);
    let provider = Provider::start(world.pictures.clone());
    let mut stage = Stage { plan, world, provider, turn: 0 };
    let watch = Stopwatch::start();
    stage.fill();
    stage.world.copy(STORMY, QUIET);
    say(&format!("filled after {:?}; both servers read what is on disk", watch.elapsed()));
    let quiet = stage.start(QUIET, &plan.limits(), FRESH_FOR_EVER);
    quiet.freeze();
    let server = stage.start(STORMY, &plan.limits(), FRESH_FOR);
    let neighbours = Neighbours::watch();
    let asked = stage.provider.calls().len();
    assert_eq!(asked, 0, "calls while all was fresh");
    let left = FRESH_FOR.checked_sub(watch.elapsed());
    std::thread::sleep(left.expect("this machine is too slow for the plan"));
    stage.provider.storm(true);
    let began = Clock::system().now();
    let mut rounds = stage.rounds(&quiet, &server);
    let ended = Clock::system().now();
    rounds.judge(&neighbours);
    rounds.0.iter().for_each(|round| say(&round.to_string()));
    let tail = stage.tail(&server);
    let shut = Clock::system().now();
    let proof = stage.prove(&server);
    let (samples, calls, most_calls) = (server.samples(), stage.provider.calls(), stage.provider.most());
    assert!(quiet.samples().iter().all(|sample| sample.flights == 0), "the quiet server asked for pictures");
    let quiet_samples = quiet.samples();
    server.stop();
    quiet.stop();
    let seen = Seen { rounds, tail, proof, samples, quiet_samples, calls, most_calls, began, ended, shut };
    report(plan, &seen)
}

impl Stage<'_> {
    /// Fetches the avatars one after the other, so that they become stale one after the other.
    fn fill(&self) {
        say("fill");
        let config = self.configure(STORMY, &Limits::FILLING, FRESH_FOR_EVER);
        let server = Server::start(&config, &self.world.log());
        let rate = self.plan.avatars.div_ceil(u32::try_from(FILLING.as_secs()).expect("short"));
        assert_right(&look(server.address, &self.world, &self.every(), rate));
        server.stop();
        self.provider.reset();
    }

    /// A server that holds all pictures in memory.
    fn start(&self, name: &str, limits: &Limits, fresh_for: Duration) -> Server {
        let server = Server::start(&self.configure(name, limits, fresh_for), &self.world.log());
        assert_right(&look(server.address, &self.world, &self.every(), HURRY));
        server
    }

    fn configure(&self, name: &str, limits: &Limits, fresh_for: Duration) -> PathBuf {
        self.world.configure(name, &format!("http://{}", self.provider.address), limits, fresh_for)
    }

    fn every(&self) -> Vec<u32> {
        (0..self.plan.avatars).collect()
    }

    /// Views all in turn for that long.
    fn view(&mut self, server: &Server, time: Duration) -> Vec<View> {
        let count = (time.as_secs_f64() * f64::from(self.plan.rate)) as u64;
        let avatar =
            |turn: u64| u32::try_from(turn * STRIDE % u64::from(self.plan.avatars)).expect("one of them");
        let avatars: Vec<u32> = (self.turn..self.turn + count).map(avatar).collect();
        self.turn += count;
        look(server.address, &self.world, &avatars, self.plan.rate)
    }

    /// The storm: both servers by turns.
    fn rounds(&mut self, quiet: &Server, server: &Server) -> Rounds {
        let mut rounds = Rounds::default();
        for number in 1..=ROUNDS {
            say(&format!("round {number} of {ROUNDS}"));
            server.freeze();
            self.provider.freeze();
            quiet.thaw();
            let calm = self.view(quiet, SLICE);
            quiet.freeze();
            self.provider.thaw();
            server.thaw();
            let storm = self.view(server, SLICE);
            rounds.0.push(Round { quiet: calm, storm, disturbed: f64::INFINITY });
        }
        quiet.thaw();
        rounds
    }

    /// Where the bounds are wide, until each avatar was asked for.
    fn tail(&mut self, server: &Server) -> Vec<View> {
        let mut views = Vec::new();
        let watch = Stopwatch::start();
        while self.plan.bounds == Bounds::Wide && watch.elapsed() < TAIL {
            if Retries::of(self.provider.calls()).tried() == self.plan.avatars as usize {
                break;
            }
            views.extend(self.view(server, Duration::from_secs(5)));
        }
        views
    }

    /// The provider is well again. Each avatar that failed is viewed once, when its pause is over.
    fn prove(&self, server: &Server) -> Vec<View> {
        say("proof");
        self.provider.storm(false);
        std::thread::sleep(SLOW + NEARLY);
        let due = Retries::of(self.provider.calls()).failing().iter().map(|failing| failing.due).max();
        // The server reads its clock a little later than the provider.
        std::thread::sleep(due.map_or(Duration::ZERO, |due| due.since(Clock::system().now())) + NEARLY);
        let failing = Retries::of(self.provider.calls()).failing();
        let avatars: Vec<u32> = failing.iter().map(|failing| failing.avatar).collect();
        let rate = u32::try_from(self.plan.limits().per_second / 2).expect("few");
        let views = look(server.address, &self.world, &avatars, rate);
        std::thread::sleep(AT_ONCE);
        views
    }
}

fn assert_right(views: &[View]) {
    if let Some(wrong) = views.iter().find_map(|view| view.wrong.as_ref()) {
        panic!("{wrong}");
    }
}

/// Says what is happening to the person who waits.
fn say(part: &str) {
    eprintln!("storm: {part}");
}
