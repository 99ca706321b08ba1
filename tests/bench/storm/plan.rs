//! [`Plan`]: what is measured, and how long each part of it lasts.

use std::time::Duration;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) bounds: Bounds,
    pub(crate) avatars: u32,
    /// Views in a second.
    pub(crate) rate: u32,
}

/// The bounds that the server is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Bounds {
    /// As config.toml has them: the provider is asked 24 times a second, and what does not find room in the queue comes
    /// back with its next view.
    Shipped,
    /// So wide that every avatar is asked for, and those that failed once more, within minutes.
    Wide,
}

/// The avatars become stale in such a time.
pub(crate) const STORM: Duration = Duration::from_secs(60);
/// How long the quiet server is viewed before the one under storm has its turn, and so on.
pub(crate) const SLICE: Duration = Duration::from_secs(4);
/// From the beginning of a slice until it counts.
pub(crate) const SETTLE: Duration = Duration::from_millis(500);
/// So many turns of each make the whole storm.
pub(crate) const ROUNDS: u32 = (STORM.as_secs() / SLICE.as_secs()) as u32;
/// The pictures are fetched, and become stale, in such a time: half of it the server under storm is frozen.
pub(crate) const FILLING: Duration = STORM.saturating_mul(2);
/// From the confirmation of a picture until it is stale: filling and starting again lie between.
pub(crate) const FRESH_FOR: Duration = FILLING.saturating_add(Duration::from_secs(60));
/// The same for the quiet server: no picture becomes stale.
pub(crate) const FRESH_FOR_EVER: Duration = Duration::from_secs(24 * 3600);
/// How long the provider takes in the storm.
pub(crate) const SLOW: Duration = Duration::from_secs(2);
/// Once the provider is well, a call comes so soon after the view that asks for it.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(2);
/// Rows are not read again within the measurement: all were read in one moment, so they would be in bursts, which fall
/// into the quiet time or into the storm.
pub(crate) const ROWS_FRESH_FOR: Duration = Duration::from_secs(600);
/// The pause after a failure, in the configuration of both.
pub(crate) const RETRY_MIN: Duration = Duration::from_secs(5);
/// No pause that is met here is longer, so that all are over soon.
pub(crate) const RETRY_MAX: Duration = Duration::from_secs(20);

impl Plan {
    /// Refreshes at one time, those of one provider, calls in a second, refreshes that wait.
    pub(crate) fn limits(&self) -> Limits {
        match self.bounds {
            Bounds::Shipped => {
                Limits { refreshes: 64, calls: 48, per_second: 100, queue: 10_000, memory: 256 << 20 }
            }
            Bounds::Wide => {
                Limits { refreshes: 2000, calls: 1500, per_second: 1000, queue: 50_000, memory: 256 << 20 }
            }
        }
    }
}

/// The configured bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// `avatar.max_refreshes`.
    pub(crate) refreshes: usize,
    /// `providers.facebook.max_calls`, which is also three quarters of `refreshes`.
    pub(crate) calls: usize,
    /// `providers.facebook.calls_per_second`.
    pub(crate) per_second: usize,
    /// `avatar.queue`.
    pub(crate) queue: usize,
    /// `memory.max_bytes`.
    pub(crate) memory: u64,
}

impl Limits {
    /// With which the pictures are fetched at first.
    pub(crate) const FILLING: Self =
        Self { refreshes: 2000, calls: 1500, per_second: 10_000, queue: 50_000, memory: 256 << 20 };
}
