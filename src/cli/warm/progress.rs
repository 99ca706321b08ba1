//! [`ProgressLine`]: what `warm` shows: a bar on a terminal, else a line every few seconds.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::avatar::WarmStatus;
use crate::clock::Stopwatch;

/// Characters of the bar.
const BAR_WIDTH: usize = 30;
/// Between two lines where stderr is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Where the progress is shown, and when it was last shown.
pub(super) struct ProgressLine {
    terminal: bool,
    shown: Stopwatch,
    problem: Option<String>,
}

impl ProgressLine {
    /// On stderr.
    pub(super) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), shown: Stopwatch::start(), problem: None }
    }

    /// Shows a walk, and what it waits for, once.
    pub(super) fn show(&mut self, walk: &WarmStatus) {
        if self.problem != walk.problem {
            self.problem.clone_from(&walk.problem);
            if let Some(problem) = &walk.problem {
                self.say(&format!("{problem}: the server waits"));
            }
        }
        let WarmStatus { done, failed, total, .. } = *walk;
        let line = line(done, failed, total);
        // A closed stderr stops nothing.
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r{} {line} \x1b[K", bar(done, total));
        } else if self.shown.elapsed() >= LINE_INTERVAL {
            self.shown = Stopwatch::start();
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// Prints a sentence on a line of its own.
    pub(super) fn say(&self, sentence: &str) {
        let begin = if self.terminal { "\r\x1b[K" } else { "" };
        let _ = writeln!(std::io::stderr(), "{begin}{sentence}");
    }

    /// Leaves the bar as it is.
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
    let full = ((share * BAR_WIDTH as f64) as usize).min(BAR_WIDTH);
    format!("[{}{}]", "#".repeat(full), ".".repeat(BAR_WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_total_only_where_it_is_known() {
        assert_eq!(line(0, 0, None), "0 avatars");
        assert_eq!(line(5, 0, Some(20)), "5 of 20 (25 %) avatars");
        assert_eq!(line(21, 2, Some(20)), "21 of 20 (100 %) avatars, 2 without a current picture");
        assert_eq!(line(0, 0, Some(0)), "0 avatars");
    }

    #[test]
    fn a_bar_is_as_full_as_the_share_that_is_done() {
        assert_eq!(bar(0, None).matches('#').count(), 0);
        assert_eq!(bar(10, Some(20)), format!("[{}{}]", "#".repeat(15), ".".repeat(15)));
        assert_eq!(bar(40, Some(20)).matches('#').count(), BAR_WIDTH);
    }
}
