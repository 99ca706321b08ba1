//! [`Progress`]: what `warm` says while it works: a bar on a terminal, else a line every few seconds.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::clock::Stopwatch;

/// Characters of the bar.
const WIDTH: usize = 30;
/// Between two lines where nobody watches.
const EVERY: Duration = Duration::from_secs(5);

/// How far it is, and when that was last said.
pub(super) struct Progress {
    total: Option<u64>,
    terminal: bool,
    said: Stopwatch,
}

impl Progress {
    /// For so many, if that is known.
    pub(super) fn new(total: Option<u64>) -> Self {
        Self { total, terminal: std::io::stderr().is_terminal(), said: Stopwatch::start() }
    }

    /// So many are done, and so many of these failed.
    pub(super) fn show(&mut self, done: u64, failed: u64) {
        let line = line(done, failed, self.total);
        // A closed stderr stops nothing.
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r{} {line} \x1b[K", bar(done, self.total));
        } else if self.said.elapsed() >= EVERY {
            self.said = Stopwatch::start();
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// A sentence on a line of its own.
    pub(super) fn say(&self, sentence: &str) {
        let begin = if self.terminal { "\r\x1b[K" } else { "" };
        let _ = writeln!(std::io::stderr(), "{begin}{sentence}");
    }

    /// The bar is left as it is.
    pub(super) fn end(&self) {
        if self.terminal {
            let _ = writeln!(std::io::stderr());
        }
    }
}

fn line(done: u64, failed: u64, total: Option<u64>) -> String {
    let of = match total {
        Some(total) if total > 0 => format!(" of {total} ({} %)", (done * 100 / total).min(100)),
        Some(_) | None => String::new(),
    };
    let failures = if failed == 0 { String::new() } else { format!(", {failed} without a current picture") };
    format!("{done}{of} avatars{failures}")
}

fn bar(done: u64, total: Option<u64>) -> String {
    let share = total.filter(|total| *total > 0).map_or(0.0, |total| done as f64 / total as f64);
    let full = ((share * WIDTH as f64) as usize).min(WIDTH);
    format!("[{}{}]", "#".repeat(full), ".".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known() {
        assert_eq!(line(0, 0, None), "0 avatars");
        assert_eq!(line(5, 0, Some(20)), "5 of 20 (25 %) avatars");
        assert_eq!(line(21, 2, Some(20)), "21 of 20 (100 %) avatars, 2 without a current picture");
        assert_eq!(line(0, 0, Some(0)), "0 avatars");
    }

    #[test]
    fn a_bar_is_as_full_as_the_work_is_done() {
        assert_eq!(bar(0, None).matches('#').count(), 0);
        assert_eq!(bar(10, Some(20)), format!("[{}{}]", "#".repeat(15), ".".repeat(15)));
        assert_eq!(bar(40, Some(20)).matches('#').count(), WIDTH);
    }
}
