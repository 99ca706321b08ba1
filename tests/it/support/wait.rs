//! Waiting for what happens behind an answer. A test waits for a condition, never for a time: what a time proves depends
//! on how busy the machine is.

use std::time::Duration;

/// The pause between two looks.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How many looks fit into thirty seconds. A server's background threads run when the machine has nothing else to do, so
/// a busy one makes them wait for seconds.
pub(crate) const LOOKS: usize = 1500;

/// Waits until a condition holds, for thirty seconds at most.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    until_some(what, async || is_so().await.then_some(())).await;
}

/// Waits until there is a value, for thirty seconds at most, and returns it.
pub(crate) async fn until_some<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("not within thirty seconds: {what}");
}

/// Waits for what servers do among themselves, for thirty seconds at most. It blocks the thread.
#[track_caller]
pub(crate) fn until_blocking(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..LOOKS {
        if is_so() {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    panic!("not within thirty seconds: {what}");
}
