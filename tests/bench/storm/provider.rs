//! [`Provider`]: a stand-in for Facebook's API and its CDN that costs as little as it can, since it shares the machine with
//! what is measured. `graphsim` knows much more and looks for accounts one after the other.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use avatar_proxy::clock::{Clock, Timestamp};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::plan::SLOW;
use crate::process::yield_to_others;
use crate::time::StormTime;

/// The stand-in.
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

/// One call of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) avatar: u32,
    pub(crate) began: Timestamp,
    /// When its answer was ready to leave.
    pub(crate) ended: Timestamp,
    pub(crate) failed: bool,
}

struct State {
    pictures: Vec<Bytes>,
    time: StormTime,
    /// It takes [`SLOW`], and every other call fails.
    storms: AtomicBool,
    number: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
    calls: Mutex<Vec<Call>>,
}

impl Provider {
    /// On a thread of its own until the process ends.
    pub(crate) fn start(pictures: Vec<Bytes>) -> Self {
        let state = Arc::new(State {
            pictures,
            time: StormTime::start(),
            storms: AtomicBool::new(false),
            number: AtomicUsize::new(0),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            calls: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let listening = state.clone();
        std::thread::spawn(move || {
            // Elsewhere it would run on a machine of its own, not on that of the viewers.
            yield_to_others();
            runtime.block_on(listen(listener, address, listening));
        });
        Self { address, state }
    }

    /// From now on it is slow and fails, or is quick and right.
    pub(crate) fn storm(&self, storms: bool) {
        self.state.storms.store(storms, Ordering::SeqCst);
    }

    /// Its slow answers become no older from now on.
    pub(crate) fn freeze(&self) {
        self.state.time.freeze();
    }

    /// They do again.
    pub(crate) fn thaw(&self) {
        self.state.time.thaw();
    }

    /// Forgets what it has counted.
    pub(crate) fn reset(&self) {
        self.state.calls.lock().unwrap().clear();
        self.state.most.store(0, Ordering::SeqCst);
    }

    /// Calls of its API whose answer was ready, in the order of their answers.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().unwrap().clone()
    }

    /// The most calls at one time.
    pub(crate) fn most(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }
}

async fn listen(listener: TcpListener, address: SocketAddr, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        connections.spawn(async move {
            let _ = stream.set_nodelay(true);
            let answer = service_fn(move |request| answer(state.clone(), address, request));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    state: Arc<State>,
    address: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let last = path.rsplit('/').next().unwrap_or("");
    let avatar = |text: &str| text.parse::<u32>().expect("only pages of the measurement are asked for");
    Ok(match last.strip_suffix("_n.jpg") {
        Some(picture) => {
            let picture = avatar(picture) as usize % state.pictures.len();
            respond(200, "image/jpeg", state.pictures[picture].clone())
        }
        None => state.call(avatar(last), address).await,
    })
}

impl State {
    async fn call(&self, avatar: u32, address: SocketAddr) -> Response<Full<Bytes>> {
        let clock = Clock::system();
        let began = clock.now();
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let storms = self.storms.load(Ordering::SeqCst);
        if storms {
            self.time.sleep(SLOW).await;
        }
        let failed = storms && self.number.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        let ended = clock.now();
        self.calls.lock().unwrap().push(Call { avatar, began, ended, failed });
        // The caller's next one may come before this task is run again, and is not at the same time.
        self.now.fetch_sub(1, Ordering::SeqCst);
        match failed {
            true => respond(500, "application/json", ERROR.into()),
            false => respond(200, "application/json", reply(avatar, address, ended).into()),
        }
    }
}

const ERROR: &str = r#"{"error":{"message":"Service temporarily unavailable","type":"OAuthException","code":2,"fbtrace_id":"A"}}"#;

/// A freshly signed address of the same picture, good for four days.
fn reply(avatar: u32, address: SocketAddr, now: Timestamp) -> String {
    let (millis, end) = (now.as_millis(), now.as_secs() + 4 * 24 * 3600);
    format!(
        r#"{{"picture":{{"data":{{"url":"http://{address}/v/t39.30808-1/{avatar}_n.jpg?stp=dst-jpg_s96x96&oh=00_{millis:x}&oe={end:X}","is_silhouette":false,"width":96,"height":96}}}},"id":"{avatar}"}}"#
    )
}

fn respond(status: u16, content_type: &str, body: Bytes) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("Content-Type", content_type);
    response.body(Full::new(body)).expect("a response")
}
