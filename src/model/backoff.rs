//! [`Backoff`]: pauses that double while attempts fail.

use std::time::Duration;

/// The pause before the next attempt: none at first, `min` after one failure, then doubling up to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    /// No attempt has failed yet.
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, failures: 0 }
    }

    /// The same after this many failures in a row, for a count that was stored.
    pub const fn after(self, failures: u32) -> Self {
        Self { failures, ..self }
    }

    /// Counts a failed attempt.
    pub const fn fail(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Counts a success: the next failure starts again at `min`.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// The pause, shortened by up to a quarter so that those that failed together do not return together: by nothing for
    /// a `jitter` of 0, by the whole quarter for 255.
    pub fn pause(&self, jitter: u8) -> Duration {
        let Some(doublings) = self.failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let pause = self.min.saturating_mul(factor).min(self.max);
        pause - pause.mul_f64(f64::from(jitter) / 255.0 / 4.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(3600));

    #[test]
    fn the_pause_doubles_up_to_its_maximum_and_starts_again_after_a_success() {
        let mut backoff = BACKOFF;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            pauses.push(backoff.pause(0).as_secs());
            backoff.fail();
        }
        assert_eq!(pauses, [0, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]);
        backoff.reset();
        assert_eq!(backoff.pause(0), Duration::ZERO);
        let mut endless = BACKOFF.after(u32::MAX);
        endless.fail();
        assert_eq!(endless.pause(0), Duration::from_secs(3600));
    }

    #[test]
    fn jitter_takes_at_most_a_quarter() {
        let backoff = Backoff::new(Duration::from_secs(4), Duration::from_secs(4)).after(1);
        assert_eq!(backoff.pause(255), Duration::from_secs(3));
    }
}
