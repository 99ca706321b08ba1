//! [`Seldom`]: a line of the log that thousands of avatars would write in one minute.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::model::Timestamp;

/// It is written so often at most, in milliseconds.
const EVERY: u64 = 10_000;

/// Lets one line pass now and then, and counts the others.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    last: AtomicI64,
    held_back: AtomicU64,
}

impl Seldom {
    /// How many lines were held back since the last one, if this one is due.
    pub(super) fn due(&self, now: Timestamp) -> Option<u64> {
        let (last, now) = (self.last.load(Ordering::Relaxed), now.as_millis());
        let is_due = last.abs_diff(now) >= EVERY
            && self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !is_due {
            self.held_back.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.held_back.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_every_ten_seconds_and_tells_how_many_were_not() {
        let seldom = Seldom::default();
        let due = |second| seldom.due(Timestamp::from_secs(second));
        assert_eq!([100, 100, 105, 109].map(due), [Some(0), None, None, None]);
        assert_eq!([110, 111, 200].map(due), [Some(3), None, Some(1)]);
        assert_eq!(due(150), Some(0), "a clock that was set back silences nobody");
    }
}
