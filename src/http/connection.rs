//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::{Builder, Connection};
use tokio::time::{Sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::monotonic;

use super::Limits;
use super::activity::{Activity, End};
use super::io::Watched;
use super::service::Tracked;

/// The longest head of a request, and the size of the read buffer, in bytes.
const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
const MAX_STREAMS: u32 = 100;
/// SECURITY: how many streams a client may reset before we have accepted them (Rapid Reset, RUSTSEC-2024-0003), and how many
/// it may make us reset (MadeYouReset). One more ends the connection: each costs us work and does not count as open.
const MAX_PENDING_RESETS: usize = 20;
const MAX_LOCAL_RESETS: usize = 128;

/// Spawns the streams of HTTP/2 on the tracker that shutdown waits for.
#[derive(Debug, Clone)]
pub(super) struct OnTracker(pub(super) TaskTracker);

impl<F> Executor<F> for OnTracker
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

/// hyper with our limits.
pub(super) fn builder(tracker: TaskTracker, limits: &Limits) -> Builder<OnTracker> {
    let mut builder = Builder::new(OnTracker(tracker));
    builder
        .http1()
        .half_close(false)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        // `activity` says why.
        .header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.header_timeout)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(16 << 10)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS);
    builder
}

/// The two ways in which shutdown ends a connection.
#[derive(Debug, Clone)]
pub(super) struct Stops {
    /// Finish the answers under way.
    pub(super) drain: CancellationToken,
    /// Close at once.
    pub(super) cut: CancellationToken,
}

enum Step {
    Over(Result<(), Box<dyn std::error::Error + Send + Sync>>),
    Due(End),
    Drain,
    Cut,
}

/// Drives a connection to its end. Dropping the connection closes its socket.
pub(super) async fn drive<S>(
    connection: Connection<'_, TokioIo<Watched>, S, OnTracker>,
    activity: Activity,
    limits: Limits,
    stops: &Stops,
) where
    S: Service<Request<Incoming>, Response = Response<Tracked>, Error = Infallible>,
    S::Future: Send + 'static,
{
    let mut connection = pin!(connection);
    let (mut drain, mut cut) = (pin!(stops.drain.cancelled()), pin!(stops.cut.cancelled()));
    let mut sleep = pin!(sleep_until(monotonic() + limits.idle_timeout));
    let mut draining = false;
    loop {
        let step = poll_fn(|cx| {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(Step::Over(result));
            }
            if cut.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Step::Cut);
            }
            if !draining && drain.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Step::Drain);
            }
            poll_due(sleep.as_mut(), &activity, &limits, cx).map(Step::Due)
        });
        match step.await {
            Step::Over(Ok(())) => return,
            // The client left or broke the protocol, neither of which an operator can act on.
            Step::Over(Err(error)) => return tracing::debug!(error, "connection ended"),
            Step::Due(end @ (End::Head | End::Stalled | End::Goodbye)) => {
                return tracing::debug!(?end, "connection closed");
            }
            Step::Cut => return,
            Step::Drain => draining = true,
            Step::Due(End::Idle) => {}
        }
        activity.goodbye();
        connection.as_mut().graceful_shutdown();
    }
}

/// Ready when `activity` has reached a limit.
///
/// The sleep moves only to an earlier deadline; when it ends, it moves to the deadline of that moment. That costs less than a
/// move for each request. It never sleeps longer than `idle_timeout`, and no later deadline can come sooner than that, except
/// the one of a head, which starts when this task reads and is therefore seen here.
fn poll_due(
    mut sleep: Pin<&mut Sleep>,
    activity: &Activity,
    limits: &Limits,
    cx: &mut Context<'_>,
) -> Poll<End> {
    loop {
        let deadline = activity.deadline(limits);
        if let Some((at, _)) = deadline
            && at < sleep.deadline()
        {
            sleep.as_mut().reset(at);
        }
        ready!(sleep.as_mut().poll(cx));
        let now = monotonic();
        match deadline {
            Some((at, end)) if at <= now => return Poll::Ready(end),
            Some((at, _)) => sleep.as_mut().reset(at),
            None => sleep.as_mut().reset(now + limits.idle_timeout),
        }
    }
}
