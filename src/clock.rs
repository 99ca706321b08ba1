//! GROUND: time. The only file that reads the system's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

/// The longest sleep: the system's clock may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_secs(10);

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
