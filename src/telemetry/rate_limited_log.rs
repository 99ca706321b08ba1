//! [`RateLimitedLog`]: a bound on how often one line of the log is written.

use std::time::Duration;

use parking_lot::Mutex;

/// How long a window lasts, in which a bounded number of lines is written.
pub(super) const WINDOW: Duration = Duration::from_secs(10);

/// Admits a number of lines in every ten seconds and counts the lines that it leaves out.
///
/// Times are spans since any one moment, such as the Unix epoch. A clock that was set back begins a new window.
#[derive(Debug)]
pub struct RateLimitedLog {
    max_lines: u32,
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    began_at: Option<Duration>,
    lines: u32,
    /// Lines left out since the last call that took the count.
    left_out: u64,
}

impl RateLimitedLog {
    /// At most `max_lines` lines in ten seconds.
    pub const fn new(max_lines: u32) -> Self {
        Self { max_lines, window: Mutex::new(Window { began_at: None, lines: 0, left_out: 0 }) }
    }

    /// Whether a line may be written now.
    pub fn admits(&self, now: Duration) -> bool {
        let mut window = self.window.lock();
        if window.began_at.is_none_or(|began_at| now.abs_diff(began_at) >= WINDOW) {
            window.began_at = Some(now);
            window.lines = 0;
        }
        let admitted = window.lines < self.max_lines;
        if admitted {
            window.lines += 1;
        } else {
            window.left_out += 1;
        }
        admitted
    }

    /// How many lines were left out since the last call.
    pub fn take_left_out(&self) -> u64 {
        std::mem::take(&mut self.window.lock().left_out)
    }

    /// For a line that itself says how many others were left out: that number, if the line may be written now.
    pub fn due(&self, now: Duration) -> Option<u64> {
        self.admits(now).then(|| self.take_left_out())
    }
}

impl Default for RateLimitedLog {
    /// One line in ten seconds.
    fn default() -> Self {
        Self::new(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_every_ten_seconds_and_tells_how_many_were_left_out() {
        let log = RateLimitedLog::default();
        let due = |second| log.due(Duration::from_secs(second));
        assert_eq!([100, 100, 105, 109].map(due), [Some(0), None, None, None]);
        assert_eq!([110, 111, 200].map(due), [Some(3), None, Some(1)]);
        assert_eq!(due(150), Some(0), "a clock that was set back hides no line");
    }

    #[test]
    fn a_window_admits_its_number_of_lines() {
        let log = RateLimitedLog::new(3);
        let admitted = |at| (0..10).filter(|_| log.admits(at)).count();
        assert_eq!((admitted(WINDOW), log.take_left_out(), log.take_left_out()), (3, 7, 0));
        assert_eq!((admitted(WINDOW * 2), log.take_left_out()), (3, 7));
    }
}
