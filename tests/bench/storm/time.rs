//! [`StormTime`]: the time of the server under storm, which stands still while that one does.

use std::time::Duration;

use avatar_proxy::clock::Stopwatch;
use tokio::sync::watch;

/// The provider's side of a server that is frozen now and then: were the provider to go on, all its answers would be there
/// at once when the server thaws.
pub(crate) struct StormTime(watch::Sender<Passed>);

#[derive(Clone, Copy)]
struct Passed {
    before: Duration,
    since: Option<Stopwatch>,
}

impl Passed {
    fn total(&self) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl StormTime {
    /// It passes.
    pub(crate) fn start() -> Self {
        Self(watch::Sender::new(Passed { before: Duration::ZERO, since: Some(Stopwatch::start()) }))
    }

    /// It passes no longer.
    pub(crate) fn freeze(&self) {
        self.0.send_modify(|passed| *passed = Passed { before: passed.total(), since: None });
    }

    /// It passes again.
    pub(crate) fn thaw(&self) {
        self.0.send_modify(|passed| passed.since = passed.since.or_else(|| Some(Stopwatch::start())));
    }

    /// Until so much of it has passed.
    pub(crate) async fn sleep(&self, span: Duration) {
        let mut changes = self.0.subscribe();
        let due = changes.borrow().total() + span;
        loop {
            let passed = *changes.borrow_and_update();
            // Its sender is this struct's.
            let changed = changes.changed();
            match passed.since {
                None => _ = changed.await,
                Some(_) => match due.checked_sub(passed.total()) {
                    Some(left) => _ = tokio::time::timeout(left, changed).await,
                    None => return,
                },
            }
        }
    }
}
