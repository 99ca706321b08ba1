//! [`Activity`]: how far a client has come, and when its connection must end.
//!
//! One clock runs for each connection, by the first line that is true:
//!
//! | the connection | limit | counts from | at its end |
//! |---|---|---|---|
//! | has sent our last answer, and reads what the client still sends | `LINGER` | our end of it | closed |
//! | has an answer in preparation | none: the handler bounds its own time | | |
//! | has answers that the client does not take | `idle_timeout` | the last byte taken | closed |
//! | has begun a head of HTTP/1 | `header_timeout` | the head's first byte | closed |
//! | was asked to go (GOAWAY) | `header_timeout` | the request to go, or the last answer's end | closed |
//! | brings no request | `idle_timeout` | the last answer's end, or the connection's start | asked to go |
//!
//! Nothing but a whole request and a byte taken of an answer moves a clock: frames of HTTP/2 that dribble in are not even
//! looked at. While the first clock stands still for an answer in preparation, hyper's keep-alive pings find a client of
//! HTTP/2 that died.
//!
//! hyper's own `header_read_timeout` is off: it counts from the end of the last answer, so it would close a keep-alive
//! connection that has not begun a request, and it does not cover the time before the version of HTTP is known.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::clock::monotonic;

use super::Limits;

/// How long a closed connection may go on sending, so that a reset does not overtake our last answer.
const LINGER: Duration = Duration::from_secs(1);
/// What a client of HTTP/2 sends first (RFC 9113 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Shared by a connection, its socket and its requests. The lock is held for a few assignments at a time, never across
/// an await, and only one connection's tasks meet at it.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    protocol: Protocol,
    /// When the first byte came of a head of HTTP/1 that is incomplete.
    head_begun_at: Option<Instant>,
    /// Requests whose answers are not handed over to the end.
    in_flight: usize,
    /// Those of them that wait for us and not for the client.
    preparing: usize,
    /// When a request last began or ended, or a byte of an answer was taken.
    progress_at: Instant,
    /// A body was refused and is not read.
    has_unread_body: bool,
    goodbye_at: Option<Instant>,
    lingers_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// Every byte so far agrees with the preface of HTTP/2; how many these are.
    Undecided(usize),
    Http1,
    Http2,
}

/// Which limit a connection has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A head was begun and not completed.
    Head,
    /// No request came.
    Idle,
    /// No byte of an answer was taken.
    Stalled,
    /// The client did not go when it was asked to.
    Goodbye,
}

/// A request under way. It ends when it is dropped: with the last piece of its answer, or with the connection.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Activity,
    is_preparing: bool,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            protocol: Protocol::Undecided(0),
            head_begun_at: None,
            in_flight: 0,
            preparing: 0,
            progress_at: monotonic(),
            has_unread_body: false,
            goodbye_at: None,
            lingers_since: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// The client sent these bytes.
    pub(super) fn read(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.protocol = state.protocol.after(bytes);
        match state.protocol {
            Protocol::Http2 => state.head_begun_at = None,
            // What comes during an answer is its request's body, or waits for us in any case.
            Protocol::Undecided(_) | Protocol::Http1 if state.in_flight == 0 => {
                state.head_begun_at.get_or_insert_with(monotonic);
            }
            Protocol::Undecided(_) | Protocol::Http1 => {}
        }
    }

    /// The socket took bytes. HTTP/2 also writes what is no answer, such as a PING's ACK; there [`InFlight::gave`] counts.
    pub(super) fn wrote(&self) {
        let mut state = self.state();
        if state.protocol != Protocol::Http2 {
            state.progress_at = monotonic();
        }
    }

    /// A request's head is complete.
    pub(super) fn begin(&self) -> InFlight {
        let mut state = self.state();
        state.head_begun_at = None;
        state.in_flight += 1;
        state.preparing += 1;
        InFlight { activity: self.clone(), is_preparing: true }
    }

    /// A request's body is refused and left unread.
    pub(super) fn leave_unread(&self) {
        self.state().has_unread_body = true;
    }

    /// Whether the client may have sent bytes that the server will not read.
    pub(super) fn has_unread(&self) -> bool {
        let state = self.state();
        state.protocol != Protocol::Http2 && (state.has_unread_body || state.head_begun_at.is_some())
    }

    /// Our end is closed, and we wait for the client to close its own.
    pub(super) fn linger(&self) {
        self.state().lingers_since.get_or_insert_with(monotonic);
    }

    /// The client has been asked to go.
    pub(super) fn goodbye(&self) {
        self.state().goodbye_at.get_or_insert_with(monotonic);
    }

    /// Which limit is reached next, and when; `None` while an answer is in preparation.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<(Instant, End)> {
        let state = self.state();
        let (header, idle) = (limits.header_timeout, limits.idle_timeout);
        if let Some(since) = state.lingers_since {
            return Some((since + LINGER.min(header), End::Goodbye));
        }
        if state.preparing > 0 {
            return None;
        }
        // One answer that is taken keeps the connection of the others: a proxy's streams belong to different people.
        if state.in_flight > 0 {
            return Some((state.progress_at + idle, End::Stalled));
        }
        Some(match (state.head_begun_at, state.goodbye_at) {
            (Some(begun_at), _) => (begun_at.max(state.progress_at) + header, End::Head),
            (None, Some(asked_at)) => (asked_at.max(state.progress_at) + header, End::Goodbye),
            (None, None) => (state.progress_at + idle, End::Idle),
        })
    }
}

impl Protocol {
    fn after(self, bytes: &[u8]) -> Self {
        let Self::Undecided(matched) = self else { return self };
        let rest = &PREFACE[matched..];
        match bytes.iter().zip(rest).take_while(|(byte, expected)| byte == expected).count() {
            agreed if agreed == rest.len() => Self::Http2,
            agreed if agreed == bytes.len() => Self::Undecided(matched + agreed),
            _ => Self::Http1,
        }
    }
}

impl InFlight {
    /// The client was given a piece of the answer: more is up to it.
    pub(super) fn gave(&mut self) {
        let mut state = self.activity.state();
        state.progress_at = monotonic();
        if std::mem::replace(&mut self.is_preparing, false) {
            state.preparing -= 1;
        }
    }

    /// The client would take more, but we have nothing yet.
    pub(super) fn prepare(&mut self) {
        if !std::mem::replace(&mut self.is_preparing, true) {
            self.activity.state().preparing += 1;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gave();
        self.activity.state().in_flight -= 1;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::http::BodyLimit;

    const PING: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    const LIMITS: Limits = Limits {
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(75),
        max_connections: 1,
        drain_timeout: Duration::from_secs(1),
        body: BodyLimit::None,
    };

    /// Seconds until the next limit, and which it is.
    fn left(activity: &Activity) -> Option<(u64, End)> {
        activity.deadline(&LIMITS).map(|(at, end)| (at.duration_since(monotonic()).as_secs(), end))
    }

    async fn secs(secs: u64) {
        advance(Duration::from_secs(secs)).await;
    }

    #[test]
    fn the_preface_alone_makes_http2_however_it_is_cut() {
        for (text, protocol) in [
            (&PREFACE[..5], Protocol::Undecided(5)),
            (PREFACE.as_slice(), Protocol::Http2),
            (b"GET / HTTP/1.1\r\n\r\n", Protocol::Http1),
            (b"PRIX / HTTP/1.1\r\n\r\n", Protocol::Http1),
            (b"PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\n\r\n", Protocol::Http1),
        ] {
            for length in 1..=text.len() {
                let cut = text.chunks(length).fold(Protocol::Undecided(0), Protocol::after);
                assert_eq!(cut, protocol, "{length} bytes at a time");
            }
        }
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
    async fn a_head_that_begins_during_an_answer_counts_from_its_first_byte_after_it() {
        let activity = Activity::new();
        activity.read(&[REQUEST, b"GE"].concat());
        let request = activity.begin();
        secs(30).await;
        activity.read(b"T");
        assert_eq!(left(&activity), None);
        drop(request);
        assert_eq!(left(&activity), Some((75, End::Idle)));
        secs(5).await;
        activity.read(b" ");
        assert_eq!(left(&activity), Some((10, End::Head)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_was_read_is_no_head() {
        let activity = Activity::new();
        activity.read(&[b"POST".as_slice(), REQUEST, b"bo"].concat());
        let request = activity.begin();
        activity.read(b"dy");
        drop(request);
        assert_eq!(left(&activity), Some((75, End::Idle)));
        assert!(!activity.has_unread());
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_dribbles_in_over_http2_moves_no_clock() {
        let activity = Activity::new();
        activity.read(PREFACE);
        for _ in 0..7 {
            secs(10).await;
            activity.read(PING);
            activity.wrote();
            activity.read(&PING[..3]);
        }
        assert_eq!(left(&activity), Some((5, End::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_stalled_but_not_while_we_are_the_slow_one() {
        let activity = Activity::new();
        activity.read(PREFACE);
        let (mut one, mut other) = (activity.begin(), activity.begin());
        one.gave();
        assert_eq!(left(&activity), None, "the other one is still being made");
        other.gave();
        secs(30).await;
        activity.wrote();
        assert_eq!(left(&activity), Some((45, End::Stalled)), "what HTTP/2 writes may be no answer");
        one.gave();
        assert_eq!(left(&activity), Some((75, End::Stalled)));
        one.prepare();
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
        request.gave();
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
