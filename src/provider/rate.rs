//! [`Rate`]: the limit on how many of an app's calls start within a second.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::clock::monotonic;
use crate::model::Invalid;

const SECOND: Duration = Duration::from_secs(1);

/// The limits on this instance's calls for one provider's app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Calls that may run at one time. A refresh makes its calls one after the other.
    pub at_once: usize,
    /// Calls that may start within a second.
    pub per_second: u32,
}

impl CallLimits {
    /// Checks the values of two keys of one section.
    ///
    /// # Errors
    /// The first key whose number is out of bounds.
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

/// Delays calls so that no more than the limit start within any second.
#[derive(Debug)]
pub(super) struct Rate {
    per_second: usize,
    /// When the last calls started or will start, the oldest first; at most `per_second` of them.
    last: Mutex<VecDeque<Instant>>,
}

impl Rate {
    pub(super) fn new(limits: CallLimits) -> Self {
        Self { per_second: limits.per_second.max(1) as usize, last: Mutex::default() }
    }

    /// Waits until the next call may start. At most [`CallLimits::at_once`] calls wait here.
    pub(super) async fn wait(&self) {
        let start = {
            let mut last = self.last.lock();
            let now = monotonic();
            let start = match last.len() < self.per_second {
                true => now,
                false => last.pop_front().map_or(now, |first| now.max(first + SECOND)),
            };
            last.push_back(start);
            start
        };
        tokio::time::sleep_until(start).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_limit_starts_at_once_and_the_next_call_a_second_after_the_first() {
        let rate = Rate::new(CallLimits { at_once: 8, per_second: 2 });
        let began = monotonic();
        let start = async || {
            rate.wait().await;
            (monotonic() - began).as_millis()
        };
        let starts = tokio::join!(start(), start(), start(), start(), start());
        assert_eq!(starts, (0, 0, 1000, 1000, 2000));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(
            tokio::join!(start(), start(), start()),
            (7000, 7000, 8000),
            "unused calls are not saved up"
        );
    }
}
