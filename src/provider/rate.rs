//! [`Rate`]: how many calls a second an app's API is given.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::monotonic;

/// The bounds on the calls to one provider's app, by this instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// At one time; a refresh makes one call after the other.
    pub at_once: usize,
    /// In a second.
    pub per_second: u32,
}

/// Spreads calls so that no second begins more of them than allowed.
#[derive(Debug)]
pub(super) struct Rate {
    every: Duration,
    next: Mutex<Option<Instant>>,
}

impl Rate {
    pub(super) fn new(limits: CallLimits) -> Self {
        Self { every: Duration::from_secs(1) / limits.per_second.max(1), next: Mutex::default() }
    }

    /// Waits for the next call's turn. Those who wait are bounded by [`CallLimits::at_once`].
    pub(super) async fn turn(&self) {
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = monotonic();
            let turn = next.map_or(now, |next| next.max(now));
            *next = Some(turn + self.every);
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_come_one_after_the_other_and_the_first_at_once() {
        let rate = Rate::new(CallLimits { at_once: 8, per_second: 10 });
        let began = monotonic();
        let turn = async || {
            rate.turn().await;
            (monotonic() - began).as_millis()
        };
        let turns = tokio::join!(turn(), turn(), turn());
        assert_eq!(turns, (0, 100, 200));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(turn().await, 5200, "what was not used is not saved up");
    }
}
