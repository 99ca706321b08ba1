//! [`Latency`] and what else is computed from what was seen.

use std::fmt;
use std::time::Duration;

use avatar_proxy::clock::Timestamp;

use crate::viewers::View;

/// The longest of the given percentage of answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) p999: Duration,
    pub(crate) most: Duration,
}

impl Latency {
    pub(crate) fn of(views: &[&View]) -> Self {
        let mut took: Vec<Duration> = views.iter().map(|view| view.took).collect();
        took.sort_unstable();
        let at = |per_mille: usize| took[(took.len() * per_mille / 1000).min(took.len() - 1)];
        Self { p50: at(500), p99: at(990), p999: at(999), most: at(1000) }
    }
}

/// In milliseconds, with three digits after the point.
pub(crate) fn millis(span: Duration) -> String {
    format!("{:.3} ms", span.as_secs_f64() * 1000.0)
}

/// In MiB.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// The most of these times that lie within one span.
pub(crate) fn most_within(mut times: Vec<Timestamp>, span: Duration) -> usize {
    times.sort_unstable();
    let mut first = 0;
    let within = |(last, at): (usize, &Timestamp)| {
        while at.since(times[first]) >= span {
            first += 1;
        }
        last + 1 - first
    };
    times.iter().enumerate().map(within).max().unwrap_or(0)
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p99, p999, most } = self;
        let [p50, p99, p999, most] = [p50, p99, p999, most].map(|span| millis(*span));
        write!(f, "p50 {p50}, p99 {p99}, p99.9 {p999}, most {most}")
    }
}
