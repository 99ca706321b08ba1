//! [`Rounds`]: the quiet server and the one under storm by turns, so that the machine's own changes hit both alike.

use std::fmt;

use crate::figures::{Latency, millis};
use crate::neighbours::Neighbours;
use crate::plan::SETTLE;
use crate::viewers::View;

/// What others may take, as a share of one core, before a round counts no longer: 4 % of two.
const DISTURBED: f64 = 0.08;

/// One turn of each.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) quiet: Vec<View>,
    pub(crate) storm: Vec<View>,
    /// What others took in the one or the other, in cores.
    pub(crate) disturbed: f64,
}

/// The rounds of one storm.
#[derive(Debug, Default)]
pub(crate) struct Rounds(pub(crate) Vec<Round>);

impl Round {
    /// Notes what others took in it.
    fn judge(&mut self, neighbours: &Neighbours) {
        let cores = |views: &[View]| match (views.first(), views.last()) {
            (Some(first), Some(last)) => neighbours.cores(first.at, last.at),
            _ => f64::INFINITY,
        };
        self.disturbed = cores(&self.quiet).max(cores(&self.storm));
    }

    fn is_calm(&self) -> bool {
        self.disturbed <= DISTURBED
    }

    fn ratio(&self) -> f64 {
        ratio(&settled(&self.quiet), &settled(&self.storm))
    }
}

impl Rounds {
    /// Notes what others took meanwhile.
    pub(crate) fn judge(&mut self, neighbours: &Neighbours) {
        self.0.iter_mut().for_each(|round| round.judge(neighbours));
    }

    /// All views, whether or not they count for the latency.
    pub(crate) fn views(&self) -> impl Iterator<Item = &View> {
        self.0.iter().flat_map(|round| round.quiet.iter().chain(&round.storm))
    }

    /// Those of the server under storm.
    pub(crate) fn storm(&self) -> impl Iterator<Item = &View> {
        self.0.iter().flat_map(|round| &round.storm)
    }

    /// How many rounds had no disturbance, and how many there were.
    pub(crate) fn calm(&self) -> (usize, usize) {
        (self.0.iter().filter(|round| round.is_calm()).count(), self.0.len())
    }

    /// The views that count, of the quiet server and of the other one.
    pub(crate) fn measured(&self) -> (Vec<&View>, Vec<&View>) {
        let calm = || self.0.iter().filter(|round| round.is_calm());
        let of = |views: fn(&Round) -> &Vec<View>| calm().flat_map(|round| settled(views(round))).collect();
        (of(|round| &round.quiet), of(|round| &round.storm))
    }

    /// The ratios of the p99 of storm and quiet within each calm round, the lowest first.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        let mut ratios: Vec<f64> = self.0.iter().filter(|round| round.is_calm()).map(Round::ratio).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [quiet, storm] = [&self.quiet, &self.storm].map(|views| millis(Latency::of(&settled(views)).p99));
        write!(f, "p99 quiet {quiet}, storm {storm}; others took {:.2} of a core", self.disturbed)
    }
}

/// The ratio of two p99, that of the storm to that of the quiet time.
pub(crate) fn ratio(quiet: &[&View], storm: &[&View]) -> f64 {
    Latency::of(storm).p99.as_secs_f64() / Latency::of(quiet).p99.as_secs_f64()
}

/// Without the first moment, in which a server thaws and is connected to.
fn settled(views: &[View]) -> Vec<&View> {
    let from = views.first().map(|first| first.at + SETTLE);
    views.iter().filter(|view| from.is_some_and(|from| view.at >= from)).collect()
}
