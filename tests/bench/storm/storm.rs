//! [`measure`]: fill, quiet, storm, and the proof that each avatar that failed is tried again in its own time.

use std::time::Duration;

use avatar_proxy::clock::{Clock, Stopwatch, Timestamp};

use crate::figures::{Latency, mebibytes, millis, most_within, undisturbed};
use crate::plan::{Bounds, FRESH_FOR, Limits, Plan, QUIET, SLOW, STORM};
use crate::provider::Provider;
use crate::retries::Retries;
use crate::server::{Sample, Server};
use crate::table::Table;
use crate::viewers::{View, look};
use crate::world::World;

/// Views in a second where nothing is measured: reading all that is on disk into memory.
const HURRY: u32 = 4000;
/// No two avatars that were filled one after the other are viewed so.
const STRIDE: u64 = 7919;
/// Calls that come so much nearer to each other than they were sent are the network's doing.
const BUNCHED: Duration = Duration::from_millis(50);
/// The longest that is waited until every avatar was asked for.
const TAIL: Duration = Duration::from_secs(75);
/// Hits in the storm may take so much longer.
const RATIO: f64 = 1.2;

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
    say(&format!("filled after {:?}", watch.elapsed()));
    let server = stage.start(&plan.limits());
    say("read from disk");
    let every: Vec<u32> = (0..plan.avatars).collect();
    assert_right(&look(server.address, &stage.world, &every, HURRY));
    say(&format!("quiet after {:?}", watch.elapsed()));
    let left = FRESH_FOR.saturating_sub(watch.elapsed() + Duration::from_secs(1));
    assert!(left >= QUIET, "this machine is too slow for the plan: {left:?}");
    stage.view(&server, left - QUIET);
    stage.provider.reset();
    let quiet = stage.view(&server, QUIET);
    let asked = stage.provider.calls().len();
    assert_eq!(asked, 0, "calls while all was fresh");
    std::thread::sleep(FRESH_FOR.saturating_sub(watch.elapsed()));
    say("storm");
    stage.provider.storm(true);
    let began = Clock::system().now();
    let storm = stage.view(&server, STORM);
    let ended = Clock::system().now();
    let tail = stage.tail(&server);
    let shut = Clock::system().now();
    let proof = stage.prove(&server);
    let samples = server.samples();
    let seen = Seen { quiet, storm, tail, proof, samples, began, ended, shut };
    let table = stage.table(&seen);
    server.stop();
    table
}

/// Everything that was seen.
struct Seen {
    quiet: Vec<View>,
    storm: Vec<View>,
    tail: Vec<View>,
    proof: Vec<View>,
    samples: Vec<Sample>,
    began: Timestamp,
    ended: Timestamp,
    /// The end of the provider's trouble.
    shut: Timestamp,
}

impl Stage<'_> {
    /// Every avatar is fetched, one after the other, so that they become stale so, too.
    fn fill(&self) {
        say("fill");
        let server = self.start(&Limits::FILLING);
        let every: Vec<u32> = (0..self.plan.avatars).collect();
        let rate = self.plan.avatars.div_ceil(u32::try_from(STORM.as_secs()).expect("short"));
        assert_right(&look(server.address, &self.world, &every, rate));
        server.stop();
    }

    fn start(&self, limits: &Limits) -> Server {
        let config = self.world.configure(&format!("http://{}", self.provider.address), limits);
        Server::start(&config, &self.world.log())
    }

    /// Views all in turn for so long.
    fn view(&mut self, server: &Server, time: Duration) -> Vec<View> {
        let count = (time.as_secs_f64() * f64::from(self.plan.rate)) as u64;
        let avatar =
            |turn: u64| u32::try_from(turn * STRIDE % u64::from(self.plan.avatars)).expect("one of them");
        let avatars: Vec<u32> = (self.turn..self.turn + count).map(avatar).collect();
        self.turn += count;
        look(server.address, &self.world, &avatars, self.plan.rate)
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

    /// The provider is well again. Whoever failed is viewed once, after his time.
    fn prove(&self, server: &Server) -> Vec<View> {
        say("proof");
        self.provider.storm(false);
        std::thread::sleep(SLOW + Duration::from_millis(500));
        let due = Retries::of(self.provider.calls()).failing().iter().map(|failing| failing.due).max();
        std::thread::sleep(due.map_or(Duration::ZERO, |due| due.since(Clock::system().now())));
        let failing = Retries::of(self.provider.calls()).failing();
        let avatars: Vec<u32> = failing.iter().map(|failing| failing.avatar).collect();
        let rate = u32::try_from(self.plan.limits().per_second / 2).expect("few");
        let views = look(server.address, &self.world, &avatars, rate);
        std::thread::sleep(Duration::from_secs(2));
        views
    }

    fn table(&self, seen: &Seen) -> Table {
        let Plan { bounds, avatars, rate } = self.plan;
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let mut table = Table::new(format!(
            "{avatars} avatars become stale within {STORM:?}; the provider takes {SLOW:?} and fails half of the time; \
             {rate} views a second; {bounds:?} bounds; server, viewers and provider share {cores} cores"
        ));
        self.answers(&mut table, seen);
        self.calls(&mut table, seen);
        self.rooms(&mut table, seen);
        self.retries(&mut table, seen);
        table
    }

    fn answers(&self, table: &mut Table, seen: &Seen) {
        let (quiet, calm_quiet) = undisturbed(&seen.quiet, &seen.samples);
        let (storm, calm_storm) = undisturbed(&seen.storm, &seen.samples);
        let calm = calm_quiet.min(calm_storm);
        table.hold(
            "time without disturbance by other programs",
            format!("{calm:.2}"),
            "at least 0.5",
            calm >= 0.5,
        );
        if quiet.is_empty() || storm.is_empty() {
            return;
        }
        let (quiet, storm) = (Latency::of(&quiet), Latency::of(&storm));
        table.note("quiet", quiet);
        table.note("storm", storm);
        let ratio = storm.p99.as_secs_f64() / quiet.p99.as_secs_f64();
        table.hold("p99, storm to quiet", format!("{ratio:.2}"), format!("at most {RATIO}"), ratio <= RATIO);
        let all = || [&seen.quiet, &seen.storm, &seen.tail, &seen.proof].into_iter().flatten();
        let wrong: Vec<_> = all().filter_map(|view| view.wrong.as_ref()).collect();
        wrong.iter().take(5).for_each(|wrong| eprintln!("{wrong}"));
        table.at_most("answers that were not 200 with the picture", wrong.len(), 0);
        table.at_most("answers that were no hit", all().filter(|view| !view.hit).count(), 0);
        table.note("answers", all().count());
    }

    fn calls(&self, table: &mut Table, seen: &Seen) {
        let limits = self.plan.limits();
        let calls: Vec<_> =
            self.provider.calls().into_iter().filter(|call| call.began <= seen.shut).collect();
        let failed = calls.iter().filter(|call| call.failed).count();
        table.note("calls, and those that failed", format!("{}, {failed}", calls.len()));
        table.at_most("calls at one time", self.provider.most(), limits.calls);
        let times = calls.iter().map(|call| call.began).collect();
        let most = most_within(times, Duration::from_secs(1) - BUNCHED);
        table.at_most("calls within a second", most, limits.per_second);
    }

    fn rooms(&self, table: &mut Table, seen: &Seen) {
        let limits = self.plan.limits();
        let during = |from: Timestamp, to: Timestamp| {
            seen.samples.iter().filter(move |sample| (from..=to).contains(&sample.at))
        };
        let quiet_from = seen.quiet.first().map_or(seen.began, |view| view.at);
        let most = |figure: fn(&Sample) -> u64| during(seen.began, seen.shut).map(figure).max().unwrap_or(0);
        let count = |n: usize| n as u64;
        table.at_most("refreshes that wait", most(|sample| sample.waiting as u64), count(limits.queue));
        table.at_most("refreshes that run", most(|sample| sample.running as u64), count(limits.calls));
        let flights = count(limits.refreshes + limits.queue);
        table.at_most("flights", most(|sample| sample.flights as u64), flights);
        let weight = most(|sample| sample.weight);
        table.hold(
            "pictures in memory, as weighed",
            mebibytes(weight),
            format!("at most {}", mebibytes(limits.memory)),
            weight <= limits.memory,
        );
        let entries = during(seen.began, seen.shut).map(|sample| sample.entries).min().unwrap_or(0);
        table.note("pictures in memory, the fewest", entries);
        let before = during(quiet_from, seen.began).map(|sample| sample.resident).max().unwrap_or(0);
        let resident = most(|sample| sample.resident);
        table.note(
            "resident memory, quiet and storm",
            format!("{} {}", mebibytes(before), mebibytes(resident)),
        );
        let worked = |from: Timestamp, to: Timestamp| {
            let (first, last) = (during(from, to).next(), during(from, to).last());
            let (Some(first), Some(last)) = (first, last) else { return 0.0 };
            (last.worked - first.worked).as_secs_f64() / last.at.since(first.at).as_secs_f64()
        };
        let (quiet, storm) = (worked(quiet_from, seen.began), worked(seen.began, seen.ended));
        table.note("cores that the server keeps busy, quiet and storm", format!("{quiet:.2} {storm:.2}"));
    }

    fn retries(&self, table: &mut Table, seen: &Seen) {
        let retries = Retries::of(self.provider.calls());
        let (avatars, tried) = (self.plan.avatars as usize, retries.tried());
        match self.plan.bounds {
            Bounds::Shipped => table.note("avatars that were asked for", tried),
            Bounds::Wide => table.hold("avatars that were asked for", tried, avatars, tried == avatars),
        }
        table.note("failures after which an avatar was asked for again", retries.again());
        table.at_most("calls before the avatar's own time", retries.early(), 0);
        table.at_most("calls for an avatar while another one for it was under way", retries.twice(), 0);
        let mut waits = retries.waits(&seen.storm);
        waits.extend(retries.waits(&seen.tail));
        if let Some(longest) = waits.iter().max() {
            table.note(
                "from the first view after it to the call, in the storm",
                format!("at most {longest:?}"),
            );
        }
        let after = |view: &View| retries.next(view.avatar, seen.shut).map(|call| call.began.since(view.at));
        let late = seen.proof.iter().filter(|view| after(view).is_none()).count();
        table.note("failed last in the storm, viewed once after their own time", seen.proof.len());
        table.at_most("of these not asked for at that view", late, 0);
        let longest = seen.proof.iter().filter_map(after).max().unwrap_or_default();
        table.note("from that view to the call", format!("at most {}", millis(longest)));
    }
}

fn assert_right(views: &[View]) {
    if let Some(wrong) = views.iter().find_map(|view| view.wrong.as_ref()) {
        panic!("{wrong}");
    }
}

/// What goes on, for whoever waits.
fn say(part: &str) {
    eprintln!("storm: {part}");
}
