//! GROUND: time. The only file that reads the system's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

/// The longest sleep: the system's clock may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_secs(10);

/// Clocks of instances, and one clock before and after it was set, may differ by this much. A stored time that lies further
/// ahead was written by a wrong clock: a real-time clock before NTP stepped it, a snapshot that was resumed.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(300);

/// The wall clock, or one that a test moves by hand.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(Arc<Hands>),
}

/// The state of a clock that a test moves by hand.
#[derive(Debug)]
struct Hands {
    millis: AtomicI64,
    moved: Notify,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until [`Clock::advance`] moves it; its clones move with it.
    pub fn manual(start: Timestamp) -> Self {
        let hands = Hands { millis: AtomicI64::new(start.as_millis()), moved: Notify::new() };
        Self(Source::Manual(Arc::new(hands)))
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the one place")]
            Source::System => Timestamp::from_system_time(SystemTime::now()),
            Source::Manual(hands) => Timestamp::from_millis(hands.millis.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward; a system clock ignores it.
    pub fn advance(&self, span: Duration) {
        if let Source::Manual(hands) = &self.0 {
            hands.millis.fetch_add(millis(span), Ordering::SeqCst);
            hands.moved.notify_waiters();
        }
    }

    /// Sets a manual clock back, as an operator or NTP does; a system clock ignores it.
    pub fn set_back(&self, span: Duration) {
        if let Source::Manual(hands) = &self.0 {
            hands.millis.fetch_sub(millis(span), Ordering::SeqCst);
        }
    }

    /// Returns once the clock has reached `at`.
    pub async fn reached(&self, at: Timestamp) {
        loop {
            match &self.0 {
                Source::System => {
                    let left = at.since(self.now());
                    if left.is_zero() {
                        return;
                    }
                    tokio::time::sleep(left.min(MAX_SLEEP)).await;
                }
                Source::Manual(hands) => {
                    // Registers before it looks, or a move between the two would be missed.
                    let moved = hands.moved.notified();
                    if at <= self.now() {
                        return;
                    }
                    moved.await;
                }
            }
        }
    }
}

/// The current time by the runtime's monotonic clock, which a test may pause. For deadlines, never for stored times.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn monotonic() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// Measures a duration by the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts measuring.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Milliseconds since the Unix epoch.
///
/// Wall-clock time, since ages must survive a restart and be comparable between instances. Arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch; also "never" in comparisons with `now`.
    pub const EPOCH: Self = Self(0);
    /// Later than any other.
    pub const MAX: Self = Self(i64::MAX);

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since the epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later, as after the clock was set back.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// How long ago this stored time was; zero where it lies ahead by no more than [`MAX_CLOCK_SKEW`].
    ///
    /// `None` where it lies further ahead: a wrong clock wrote it, so it proves nothing, and each rule says what counts
    /// instead.
    pub fn age(self, now: Self) -> Option<Duration> {
        (self <= now + MAX_CLOCK_SKEW).then(|| now.since(self))
    }

    /// Whether `span` has passed since this stored time, or that cannot be known since a wrong clock wrote it.
    pub fn is_older_than(self, span: Duration, now: Self) -> bool {
        self.age(now).is_none_or(|age| age >= span)
    }

    /// Whether this stored end still lies ahead. `longest` is the longest span that its rule sets: an end further ahead
    /// than that and [`MAX_CLOCK_SKEW`] was set by a wrong clock, and holds nothing back.
    pub fn is_ahead(self, longest: Duration, now: Self) -> bool {
        now < self && self <= now + longest + MAX_CLOCK_SKEW
    }

    /// For `Last-Modified` and other HTTP dates.
    pub fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }

    /// From the system's clock or an HTTP date; a time before 1970 is the epoch.
    pub fn from_system_time(time: SystemTime) -> Self {
        let millis = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Self(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn a_stored_time_further_ahead_than_clocks_differ_has_no_age() {
        for (seconds, age) in [
            (-86_400, Some(86_400)),
            (-1, Some(1)),
            (0, Some(0)),
            (1, Some(0)),
            (300, Some(0)),
            (301, None),
            (7200, None),
            (100 * 86_400, None),
        ] {
            assert_eq!(at(seconds).age(NOW), age.map(Duration::from_secs), "{seconds}");
        }
        assert_eq!(at(300).age(NOW - Duration::from_millis(1)), None, "the bound is exact");
        assert_eq!(Timestamp::MAX.age(NOW), None);
        assert_eq!(
            Timestamp::from_millis(i64::MIN).age(NOW),
            Some(NOW.since(Timestamp::from_millis(i64::MIN)))
        );
    }

    #[test]
    fn a_stored_time_without_an_age_is_older_than_anything() {
        let minute = Duration::from_secs(60);
        for (seconds, is_older) in
            [(-61, true), (-60, true), (-59, false), (0, false), (300, false), (301, true)]
        {
            assert_eq!(at(seconds).is_older_than(minute, NOW), is_older, "{seconds}");
        }
    }

    #[test]
    fn a_stored_end_further_ahead_than_its_rule_sets_holds_nothing_back() {
        let hour = Duration::from_secs(3600);
        for (seconds, is_ahead) in
            [(-1, false), (0, false), (1, true), (3600, true), (3900, true), (3901, false)]
        {
            assert_eq!(at(seconds).is_ahead(hour, NOW), is_ahead, "{seconds}");
        }
        assert!(!Timestamp::MAX.is_ahead(hour, NOW));
    }
}
