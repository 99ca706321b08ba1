//! [`Rate`]: how many calls a second an app's API is given.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::monotonic;
use crate::model::Invalid;

const SECOND: Duration = Duration::from_secs(1);

/// The bounds on the calls to one provider's app, by this instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// At one time; a refresh makes one call after the other.
    pub at_once: usize,
    /// In a second.
    pub per_second: u32,
}

impl CallLimits {
    /// From two keys of one section.
    ///
    /// # Errors
    /// The key whose number is out of bounds.
    pub(super) fn checked(
        [max_calls, calls_per_second]: [&'static str; 2],
        at_once: usize,
        per_second: u32,
    ) -> Result<Self, Invalid> {
        let expected = |key, value: String| Invalid::new(key, value, "a number from 1 to 10000");
        if !(1..=10_000).contains(&at_once) {
            return Err(expected(max_calls, at_once.to_string()));
        }
        if !(1..=10_000).contains(&per_second) {
            return Err(expected(calls_per_second, per_second.to_string()));
        }
        Ok(Self { at_once, per_second })
    }
}

/// Holds calls back so that no second begins more of them than allowed.
#[derive(Debug)]
pub(super) struct Rate {
    per_second: usize,
    /// When the last calls began or will begin, the oldest first; no more than `per_second`.
    last: Mutex<VecDeque<Instant>>,
}

impl Rate {
    pub(super) fn new(limits: CallLimits) -> Self {
        Self { per_second: limits.per_second.max(1) as usize, last: Mutex::default() }
    }

    /// Waits for the next call's turn. Those who wait are bounded by [`CallLimits::at_once`].
    pub(super) async fn turn(&self) {
        let turn = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let now = monotonic();
            let turn = match last.len() < self.per_second {
                true => now,
                false => last.pop_front().map_or(now, |first| now.max(first + SECOND)),
            };
            last.push_back(turn);
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_calls_come_at_once_and_the_next_a_second_after_the_first() {
        let rate = Rate::new(CallLimits { at_once: 8, per_second: 2 });
        let began = monotonic();
        let turn = async || {
            rate.turn().await;
            (monotonic() - began).as_millis()
        };
        let turns = tokio::join!(turn(), turn(), turn(), turn(), turn());
        assert_eq!(turns, (0, 0, 1000, 1000, 2000));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(
            tokio::join!(turn(), turn(), turn()),
            (7000, 7000, 8000),
            "what was not used is not saved up"
        );
    }
}
