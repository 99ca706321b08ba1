//! [`report`]: the measured figures, compared with their bounds.

use std::time::Duration;

use avatar_proxy::clock::Timestamp;

use crate::figures::{Latency, mebibytes, millis, most_within};
use crate::plan::{AT_ONCE, Bounds, Plan, ROUNDS, SLICE, SLOW, STORM};
use crate::provider::Call;
use crate::retries::Retries;
use crate::rounds::{Rounds, ratio};
use crate::server::Sample;
use crate::table::Table;
use crate::viewers::View;

/// Calls that come so much nearer to each other than they were sent are the network's doing.
const BUNCHED: Duration = Duration::from_millis(50);
/// What a refresh that waits may weigh, in bytes.
const FLIGHT: u64 = 8 << 10;
/// The most that the cached rows may weigh (ARCHITECTURE.md, "Bounds").
const ROWS: u64 = 32 << 20;
/// Hits in the storm may take so much longer.
const RATIO: f64 = 1.2;

/// Everything that was seen.
pub(crate) struct Seen {
    pub(crate) rounds: Rounds,
    pub(crate) tail: Vec<View>,
    pub(crate) proof: Vec<View>,
    /// Of the server under storm.
    pub(crate) samples: Vec<Sample>,
    /// Of the quiet one.
    pub(crate) quiet_samples: Vec<Sample>,
    /// Of the provider's API, since all were fresh.
    pub(crate) calls: Vec<Call>,
    /// At one time.
    pub(crate) most_calls: usize,
    pub(crate) began: Timestamp,
    pub(crate) ended: Timestamp,
    /// The end of the provider's trouble.
    pub(crate) shut: Timestamp,
}

/// The whole table.
pub(crate) fn report(plan: &Plan, seen: &Seen) -> Table {
    let Plan { bounds, avatars, rate } = plan;
    let mut table = Table::new(format!(
        "{avatars} avatars become stale within {STORM:?}; the provider takes {SLOW:?} and fails half of the time; \
         {rate} views a second; {bounds:?} bounds; a server has one processor, viewers and provider have another one"
    ));
    answers(&mut table, seen);
    calls(&mut table, plan, seen);
    rooms(&mut table, plan, seen);
    retries(&mut table, plan, seen);
    table
}

fn answers(table: &mut Table, seen: &Seen) {
    let (calm, rounds) = seen.rounds.calm();
    table.hold(
        "rounds, and those without a disturbance",
        format!("{rounds}, {calm}"),
        "half of them",
        calm * 2 >= rounds,
    );
    let all = || seen.rounds.views().chain(&seen.tail).chain(&seen.proof);
    let wrong: Vec<_> = all().filter_map(|view| view.wrong.as_ref()).collect();
    wrong.iter().take(5).for_each(|wrong| eprintln!("{wrong}"));
    table.at_most("answers that were not 200 with the picture", wrong.len(), 0);
    table.at_most("answers that were no hit", all().filter(|view| !view.hit).count(), 0);
    table.note("answers", all().count());
    let (quiet, storm) = seen.rounds.measured();
    if quiet.is_empty() || storm.is_empty() {
        return;
    }
    table.note("quiet", Latency::of(&quiet));
    table.note("storm", Latency::of(&storm));
    table.note("p99, storm to quiet, of all rounds together", format!("{:.2}", ratio(&quiet, &storm)));
    // Judged within each round: a burst of the machine's own in one round is most of a p99 over all of them.
    let ratios = seen.rounds.ratios();
    let at = |quarter: usize| ratios[(ratios.len() - 1) * quarter / 4];
    let (middle, bound) = (at(2), format!("at most {RATIO}"));
    table.hold("the same within a round, the middle one", format!("{middle:.2}"), bound, middle <= RATIO);
    table.note("the lower and the upper quarter of the rounds", format!("{:.2}, {:.2}", at(1), at(3)));
}

fn calls(table: &mut Table, plan: &Plan, seen: &Seen) {
    let limits = plan.limits();
    let calls: Vec<_> = seen.calls.iter().filter(|call| call.began <= seen.shut).collect();
    let failed = calls.iter().filter(|call| call.failed).count();
    table.note("calls, and those that failed", format!("{}, {failed}", calls.len()));
    table.at_most("calls at one time", seen.most_calls, limits.calls);
    let times = calls.iter().map(|call| call.began).collect();
    let most = most_within(times, Duration::from_secs(1) - BUNCHED);
    table.at_most("calls within a second", most, limits.per_second);
}

fn rooms(table: &mut Table, plan: &Plan, seen: &Seen) {
    let limits = plan.limits();
    let during = |from: Timestamp, to: Timestamp| {
        seen.samples.iter().filter(move |sample| (from..=to).contains(&sample.at))
    };
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
    let before = during(Timestamp::EPOCH, seen.began).map(|sample| sample.resident).max().unwrap_or(0);
    let resident = most(|sample| sample.resident);
    table.note("resident memory before", mebibytes(before));
    let (grown, most_grown) = (resident.saturating_sub(before), flights * FLIGHT + ROWS);
    let bound = format!("at most {}", mebibytes(most_grown));
    table.hold("what it grew by in the storm", mebibytes(grown), bound, grown <= most_grown);
    let [quiet, storm] = [&seen.quiet_samples, &seen.samples].map(|samples| {
        let within = |sample: &&Sample| (seen.began..=seen.ended).contains(&sample.at);
        cores(&samples.iter().filter(within).collect::<Vec<_>>())
    });
    table.note("of its processor a server used, quiet and storm", format!("{quiet:.2}, {storm:.2}"));
}

/// How much of a core a server kept busy in its slices.
fn cores(samples: &[&Sample]) -> f64 {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return 0.0 };
    (last.worked - first.worked).as_secs_f64() / (SLICE * ROUNDS).as_secs_f64()
}

fn retries(table: &mut Table, plan: &Plan, seen: &Seen) {
    let retries = Retries::of(seen.calls.clone());
    let (avatars, tried) = (plan.avatars as usize, retries.tried());
    match plan.bounds {
        Bounds::Shipped => table.note("avatars that were asked for", tried),
        Bounds::Wide => table.hold("avatars that were asked for", tried, avatars, tried == avatars),
    }
    table.note("failures after which an avatar was asked for again", retries.again());
    table.at_most("calls before the avatar's own time", retries.early(), 0);
    table.at_most("calls for an avatar while another one for it was under way", retries.twice(), 0);
    let waits = retries.waits(seen.rounds.storm().chain(&seen.tail));
    if let Some(longest) = waits.iter().max() {
        table.note(
            "from the first view after it to the call, in the storm, frozen or not",
            format!("at most {longest:?}"),
        );
    }
    let after = |view: &View| retries.next(view.avatar, seen.shut).map(|call| call.began.since(view.at));
    let late = seen.proof.iter().filter(|view| after(view).is_none()).count();
    table.note("failed last in the storm, viewed once after their own time", seen.proof.len());
    table.at_most("of these not asked for at that view", late, 0);
    let longest = seen.proof.iter().filter_map(after).max().unwrap_or_default();
    table.hold("from that view to the call, at most", millis(longest), millis(AT_ONCE), longest <= AT_ONCE);
}
