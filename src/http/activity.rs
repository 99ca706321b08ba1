//! [`Activity`]: what one client is doing, and until when it may go on.
//!
//! | the client | clock | counts from | at its end |
//! |---|---|---|---|
//! | has begun a head, or a frame | `header_timeout` | the first byte | closed |
//! | asks nothing | `idle_timeout` | the last answer's end, or the connection's start | closed in good order |
//! | takes nothing of its answers | `idle_timeout` | the last byte it took | closed |
//! | was told goodbye | `header_timeout` | the goodbye, or the last answer's end | closed |
//! | has sent what nobody reads | `LINGER` | our end of the connection | closed |
//!
//! hyper's own `header_read_timeout` is off: it counts from the moment a connection is ready for a request, so it would
//! cut a keep-alive client that has asked nothing yet, and it knows neither HTTP/2 nor the time before the version is
//! known. There is no clock for the handler: that is its own business.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::monotonic;

use super::Limits;
use super::frames::Wire;

/// How long a closed connection may go on sending, so that our last answer is not lost to a reset.
const LINGER: Duration = Duration::from_secs(1);

/// Shared by a connection, its socket and its requests. The lock is held for a few assignments at a time, never across
/// an await, and only one connection's tasks meet at it.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    wire: Wire,
    /// Since when a head or frame is incomplete.
    begun_at: Option<Instant>,
    /// Requests whose answer has not been handed over to the end.
    in_flight: usize,
    /// Those of them that wait for the client and not for us.
    awaiting_client: usize,
    /// When the client last took something.
    moved_at: Instant,
    /// When the last request ended.
    idle_since: Instant,
    /// The socket takes no more.
    write_blocked: bool,
    /// A body was refused and is not read.
    unread: bool,
    goodbye_at: Option<Instant>,
    linger_since: Option<Instant>,
}

/// Which clock has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A head or frame was begun and not completed.
    Head,
    /// Nothing was asked.
    Idle,
    /// Nothing was read.
    Stalled,
    /// The client did not go when it was told to.
    Goodbye,
}

/// A request under way. Ends when it is dropped: with the last piece of its answer, or with the client.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Activity,
    awaits_client: bool,
}

impl Activity {
    pub(super) fn new() -> Self {
        let now = monotonic();
        Self(Arc::new(Mutex::new(State {
            wire: Wire::new(),
            begun_at: None,
            in_flight: 0,
            awaiting_client: 0,
            moved_at: now,
            idle_since: now,
            write_blocked: false,
            unread: false,
            goodbye_at: None,
            linger_since: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client sent these bytes.
    pub(super) fn read(&self, bytes: &[u8]) {
        let mut state = self.state();
        let seen = state.wire.see(bytes);
        if state.wire.is_http2() {
            if seen.passed_rest || !seen.under_way {
                state.begun_at = None;
            }
            if !seen.under_way {
                return;
            }
        }
        // HTTP/1: only a request that reaches the service ends a head. Blank lines without end are no request either.
        state.begun_at.get_or_insert_with(monotonic);
    }

    /// The socket took bytes.
    pub(super) fn wrote(&self) {
        let mut state = self.state();
        state.write_blocked = false;
        // HTTP/2 also writes what is no answer, such as a PING's echo; there `InFlight::piece` tells.
        if !state.wire.is_http2() {
            state.moved_at = monotonic();
            state.idle_since = state.moved_at;
        }
    }

    /// The socket took nothing.
    pub(super) fn write_blocked(&self) {
        self.state().write_blocked = true;
    }

    /// A request's head is complete.
    pub(super) fn begin(&self) -> InFlight {
        let mut state = self.state();
        state.in_flight += 1;
        if !state.wire.is_http2() {
            // Bytes beyond the head are the next one's (or a body's, until `body_read`).
            state.begun_at = state.wire.under_way().then(monotonic);
        }
        InFlight { activity: self.clone(), awaits_client: false }
    }

    /// The bytes beyond the head were the request's body, and all of it was read.
    pub(super) fn body_read(&self) {
        let mut state = self.state();
        if !state.wire.is_http2() {
            state.begun_at = None;
        }
    }

    /// A request's body is refused and left unread.
    pub(super) fn leave_unread(&self) {
        self.state().unread = true;
    }

    /// Whether the client may have sent what nobody will read.
    pub(super) fn has_unread(&self) -> bool {
        let state = self.state();
        !state.wire.is_http2() && (state.unread || state.begun_at.is_some())
    }

    /// Our end is closed, and the client's is awaited.
    pub(super) fn linger(&self) {
        self.state().linger_since.get_or_insert_with(monotonic);
    }

    /// The client has been asked to go.
    pub(super) fn goodbye(&self) {
        self.state().goodbye_at.get_or_insert_with(monotonic);
    }

    /// Which clock runs out first, and when; `None` while the answer is our own business.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<(Instant, End)> {
        let state = self.state();
        [
            state.head().map(|since| (since + limits.header_timeout, End::Head)),
            state.idle().map(|since| (since + limits.idle_timeout, End::Idle)),
            state.stalled().map(|since| (since + limits.idle_timeout, End::Stalled)),
            state.leaving().map(|since| (since + limits.header_timeout, End::Goodbye)),
            state.linger_since.map(|since| (since + LINGER.min(limits.header_timeout), End::Goodbye)),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(at, _)| *at)
    }
}

impl State {
    fn head(&self) -> Option<Instant> {
        // While the socket is full it is we who do not read, and the clock of the stalled reader runs instead. HTTP/1
        // reads ahead while it answers; what it read then waits for us, too.
        let ours = self.write_blocked || (self.in_flight > 0 && !self.wire.is_http2());
        self.begun_at.filter(|_| !ours)
    }

    fn idle(&self) -> Option<Instant> {
        let idle = self.in_flight == 0 && self.goodbye_at.is_none() && self.head().is_none();
        idle.then_some(self.idle_since)
    }

    /// One answer that moves keeps the others' connection: a proxy's streams belong to different people.
    fn stalled(&self) -> Option<Instant> {
        (self.in_flight > 0 && self.awaiting_client == self.in_flight).then_some(self.moved_at)
    }

    fn leaving(&self) -> Option<Instant> {
        let told = self.goodbye_at.filter(|_| self.in_flight == 0)?;
        Some(told.max(self.idle_since))
    }
}

impl InFlight {
    /// The client has been given something, and the next is up to it.
    pub(super) fn piece(&mut self) {
        let mut state = self.activity.state();
        state.moved_at = monotonic();
        if !std::mem::replace(&mut self.awaits_client, true) {
            state.awaiting_client += 1;
        }
    }

    /// The client would take more, but there is nothing yet.
    pub(super) fn working(&mut self) {
        if std::mem::replace(&mut self.awaits_client, false) {
            self.activity.state().awaiting_client -= 1;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.working();
        let mut state = self.activity.state();
        state.in_flight -= 1;
        let now = monotonic();
        state.moved_at = now;
        state.idle_since = now;
        if !state.wire.is_http2() && state.begun_at.is_some() {
            state.begun_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::http::BodyLimit;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const PING: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    const LIMITS: Limits = Limits {
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(75),
        max_connections: 1,
        drain_timeout: Duration::from_secs(1),
        body: BodyLimit::None,
    };

    /// Seconds until the first clock runs out, and which it is.
    fn left(activity: &Activity) -> Option<(u64, End)> {
        activity.deadline(&LIMITS).map(|(at, end)| (at.duration_since(monotonic()).as_secs(), end))
    }

    async fn secs(secs: u64) {
        advance(Duration::from_secs(secs)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_sent_is_idle_and_the_first_byte_starts_the_head() {
        let activity = Activity::new();
        secs(70).await;
        assert_eq!(left(&activity), Some((5, End::Idle)));
        activity.read(b"G");
        assert_eq!(left(&activity), Some((10, End::Head)));
        secs(9).await;
        activity.read(b"E");
        assert_eq!(left(&activity), Some((1, End::Head)), "a byte now and then does not help");
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_of_the_preface_is_a_head_and_all_of_it_is_idle() {
        let activity = Activity::new();
        activity.read(&PREFACE[..5]);
        secs(4).await;
        assert_eq!(left(&activity), Some((6, End::Head)));
        activity.read(&PREFACE[5..]);
        assert_eq!(left(&activity), Some((71, End::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn keep_alive_is_idle_from_the_end_of_the_answer() {
        let activity = Activity::new();
        activity.read(REQUEST);
        let request = activity.begin();
        assert_eq!(left(&activity), None, "the handler's time is its own");
        secs(30).await;
        activity.wrote();
        drop(request);
        secs(20).await;
        assert_eq!(left(&activity), Some((55, End::Idle)));
        activity.read(REQUEST);
        drop(activity.begin());
        assert_eq!(left(&activity), Some((75, End::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipelined_part_of_a_head_counts_from_the_answer_before_it() {
        let activity = Activity::new();
        activity.read(&[REQUEST, b"GE"].concat());
        let request = activity.begin();
        secs(30).await;
        assert_eq!(left(&activity), None);
        drop(request);
        assert_eq!(left(&activity), Some((10, End::Head)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_was_read_is_no_head() {
        let activity = Activity::new();
        activity.read(&[b"POST".as_slice(), REQUEST, b"body"].concat());
        let request = activity.begin();
        activity.body_read();
        drop(request);
        assert_eq!(left(&activity), Some((75, End::Idle)));
        assert!(!activity.has_unread());
    }

    #[tokio::test(start_paused = true)]
    async fn pings_neither_keep_an_http2_connection_nor_begin_a_request() {
        let activity = Activity::new();
        activity.read(PREFACE);
        for _ in 0..7 {
            secs(10).await;
            activity.read(PING);
            activity.wrote();
        }
        assert_eq!(left(&activity), Some((5, End::Idle)));
        activity.read(&PING[..3]);
        assert_eq!(left(&activity), Some((10, End::Head)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_stalled_but_not_while_we_are_the_slow_one() {
        let activity = Activity::new();
        activity.read(PREFACE);
        let (mut one, mut other) = (activity.begin(), activity.begin());
        one.piece();
        assert_eq!(left(&activity), None, "the other one is still being made");
        other.piece();
        secs(30).await;
        activity.wrote();
        assert_eq!(left(&activity), Some((45, End::Stalled)), "what HTTP/2 writes may be no answer");
        one.piece();
        assert_eq!(left(&activity), Some((75, End::Stalled)));
        one.working();
        assert_eq!(left(&activity), None);
        drop(one);
        assert_eq!(left(&activity), Some((75, End::Stalled)));
        drop(other);
        assert_eq!(left(&activity), Some((75, End::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn every_byte_that_http1_writes_is_progress() {
        let activity = Activity::new();
        activity.read(REQUEST);
        let mut request = activity.begin();
        request.piece();
        secs(70).await;
        activity.wrote();
        assert_eq!(left(&activity), Some((75, End::Stalled)));
    }

    #[tokio::test(start_paused = true)]
    async fn after_goodbye_the_last_answer_is_awaited_and_then_not_for_long() {
        let activity = Activity::new();
        activity.read(PREFACE);
        let request = activity.begin();
        activity.goodbye();
        secs(100).await;
        assert_eq!(left(&activity), None);
        drop(request);
        assert_eq!(left(&activity), Some((10, End::Goodbye)));
        activity.linger();
        assert_eq!(left(&activity), Some((1, End::Goodbye)));
    }
}
