//! [`serve`]: accept, drive, drain.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Builder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::activity::Activity;
use super::connection::{self, OnTracker, Stops};
use super::io::{Socket, Watched};
use super::{Body, Listener, Peer, service};

/// After an error that is ours, such as no file descriptor being left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For connections that are cut to let go of their sockets.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// What a listener holds its clients to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From a request's first byte to the end of its head; also for a body that is read.
    pub header_timeout: Duration,
    /// Between requests and before the first one, and without taking any of an answer.
    pub idle_timeout: Duration,
    /// At one time. Who comes beyond waits in the kernel's backlog.
    pub max_connections: usize,
    /// How long a stop waits for answers under way.
    pub drain_timeout: Duration,
    /// Whether requests may have bodies.
    pub body: BodyLimit,
}

/// Whether requests other than GET and HEAD, which never do, may have bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLimit {
    /// None. The handler is asked without it, and its answer ends the connection.
    None,
    /// Collected, up to so many bytes, before the handler is asked.
    UpTo(usize),
}

/// How the connections ended that were open at the stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// In good order.
    pub ended: usize,
    /// By force, since `drain_timeout` was over.
    pub cut: usize,
}

/// Serves until `shutdown`, then ends in good order.
///
/// Each request is given to `handler` with its [`Peer`] as an extension. Connections run on `tracker`, and so do the
/// requests of HTTP/2; a request that its client abandons is dropped.
pub async fn serve<H, F>(
    listener: Listener,
    limits: Limits,
    handler: H,
    shutdown: CancellationToken,
    tracker: TaskTracker,
) -> Drained
where
    H: Fn(Request<Bytes>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let stops = Stops { drain: shutdown.clone(), cut: CancellationToken::new() };
    let builder = Arc::new(connection::builder(tracker.clone(), &limits));
    let ended = Arc::new(AtomicUsize::new(0));
    while let Some((socket, peer, place)) = next(&listener, &places, &shutdown).await {
        let ended = Arc::clone(&ended);
        let client = Client { socket, peer, limits, stops: stops.clone(), place, ended };
        tracker.spawn(client.serve(Arc::clone(&builder), handler.clone()));
    }
    drop(listener);
    let cut = drain(&places, limits, &stops.cut).await;
    Drained { ended: ended.load(Ordering::Relaxed), cut }
}

/// One accepted connection and all it needs.
struct Client {
    socket: Socket,
    peer: Peer,
    limits: Limits,
    stops: Stops,
    place: OwnedSemaphorePermit,
    /// How many ended in good order after the stop.
    ended: Arc<AtomicUsize>,
}

impl Client {
    async fn serve<H, F>(self, builder: Arc<Builder<OnTracker>>, handler: H)
    where
        H: Fn(Request<Bytes>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let Self { socket, peer, limits, stops, place, ended } = self;
        let activity = Activity::new();
        let io = TokioIo::new(Watched::new(socket, activity.clone()));
        let requests = activity.clone();
        let service = service_fn(move |request| {
            let in_flight = requests.begin();
            service::answer(request, peer, limits, requests.clone(), in_flight, handler.clone())
        });
        connection::drive(builder.serve_connection(io, service), activity, limits, &stops).await;
        if stops.drain.is_cancelled() && !stops.cut.is_cancelled() {
            ended.fetch_add(1, Ordering::Relaxed);
        }
        drop(place);
    }
}

/// The next connection, or `None` at the stop. Waits for a place first, so that a full server accepts nobody.
async fn next(
    listener: &Listener,
    places: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(Socket, Peer, OwnedSemaphorePermit)> {
    let accepted = async {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        let (socket, peer) = accept(listener).await;
        Some((socket, peer, place))
    };
    tokio::select! {
        biased;
        () = shutdown.cancelled() => None,
        accepted = accepted => accepted,
    }
}

async fn accept(listener: &Listener) -> (Socket, Peer) {
    let mut told = None;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_clients(&error) => {}
            Err(error) => {
                // Once for each kind: a server without file descriptors would otherwise fill the disk as well.
                if told.replace(error.kind()) != Some(error.kind()) {
                    tracing::error!(%error, "no connection can be accepted; trying on");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The connection was gone before we had it (accept(2)).
fn is_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput | NotConnected
    )
}

/// Waits for the open connections, and returns how many had to be cut.
async fn drain(places: &Semaphore, limits: Limits, cut: &CancellationToken) -> usize {
    let all = u32::try_from(limits.max_connections).unwrap_or(u32::MAX);
    if tokio::time::timeout(limits.drain_timeout, places.acquire_many(all)).await.is_ok() {
        return 0;
    }
    let left = limits.max_connections.saturating_sub(places.available_permits());
    cut.cancel();
    // What does not even let go of its socket now is counted as cut all the same.
    let _ = tokio::time::timeout(CUT_GRACE, places.acquire_many(all)).await;
    left
}
