//! A server with short timeouts, and clients that send exact bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use avatar_proxy::clock::Stopwatch;
use avatar_proxy::http::{Body, BodyError, BodyLimit, Drained, Limits, ListenAddress, Listener, serve};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hyper::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::wait::until;

pub(super) const HEADER: Duration = Duration::from_millis(400);
pub(super) const IDLE: Duration = Duration::from_millis(1200);
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
pub(super) const PING: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
/// `GET /` with `:authority a`, END_STREAM and END_HEADERS, but for the stream's number.
const GET: &[u8] = &[0, 0, 6, 1, 5, 0, 0, 0, 0, 0x82, 0x84, 0x86, 0x41, 0x01, b'a'];

pub(super) fn limits() -> Limits {
    Limits {
        header_timeout: HEADER,
        idle_timeout: IDLE,
        max_connections: 100,
        drain_timeout: Duration::from_secs(5),
        body: BodyLimit::None,
    }
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// Requests that have reached the handler.
    begun: Arc<AtomicUsize>,
    shutdown: CancellationToken,
    served: JoinHandle<Drained>,
    tracker: TaskTracker,
}

impl Server {
    pub(super) async fn start(limits: Limits) -> Self {
        let any = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
        let listener = Listener::bind(&any).await.unwrap();
        let ListenAddress::Tcp(address) = listener.local_address() else { panic!("not TCP") };
        let (shutdown, tracker) = (CancellationToken::new(), TaskTracker::new());
        let begun = Arc::new(AtomicUsize::new(0));
        let count = begun.clone();
        let handler = move |request| {
            count.fetch_add(1, Ordering::SeqCst);
            handle(request)
        };
        let served = tracker.spawn(serve(listener, limits, handler, shutdown.clone(), tracker.clone()));
        Self { address, begun, shutdown, served, tracker }
    }

    /// Waits until `count` requests have reached the handler since the start.
    pub(super) async fn has_begun(&self, count: usize) {
        until("the requests are under way", async || self.begun.load(Ordering::SeqCst) == count).await;
    }

    pub(super) async fn client(&self) -> Client {
        Client::of(TcpStream::connect(self.address).await.unwrap())
    }

    pub(super) fn begin_stop(&self) {
        self.shutdown.cancel();
    }

    /// Stops it, and fails if a task is left.
    pub(super) async fn stop(self) -> Drained {
        self.shutdown.cancel();
        let drained = self.served.await.unwrap();
        self.tracker.close();
        tokio::time::timeout(Duration::from_secs(2), self.tracker.wait()).await.expect("tasks are left");
        drained
    }
}

/// The handler: what each path answers.
async fn handle(request: Request<Bytes>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    match path.split('/').collect::<Vec<_>>()[1..] {
        ["sleep", millis] => {
            tokio::time::sleep(Duration::from_millis(millis.parse().unwrap())).await;
            Response::new(Body::full("slept"))
        }
        ["full", length] => Response::new(Body::full(vec![b'x'; length.parse().unwrap()])),
        ["short"] => Response::new(broken(true)),
        ["failed"] => Response::new(broken(false)),
        ["panic"] => panic!("planted"),
        ["echo"] => Response::new(Body::full(request.into_body())),
        _ if request.method() == hyper::Method::POST => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response
        }
        _ => Response::new(Body::full("hello")),
    }
}

/// Declares ten bytes, gives five, then ends or fails.
fn broken(early: bool) -> Body {
    let end = (!early).then(|| Err(BodyError::Source("planted".into())));
    // The pause lets the first half leave before the second fails.
    let end = stream::iter(end).then(|item| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        item
    });
    Body::stream(10, Box::pin(stream::iter([Ok(Bytes::from_static(b"01234"))]).chain(end)))
}

pub(super) struct Client {
    pub(super) stream: TcpStream,
    since: Stopwatch,
}

impl Client {
    pub(super) fn of(stream: TcpStream) -> Self {
        Self { stream, since: Stopwatch::start() }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The server may have closed already; the reading side tells.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    pub(super) async fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    }

    pub(super) async fn request_h2(&mut self, stream: u8) {
        let mut frame = GET.to_vec();
        frame[8] = stream;
        self.send(frame).await;
    }

    pub(super) async fn request_h2_path(&mut self, stream: u8, path: &str) {
        // `:path` as a literal.
        let length = u8::try_from(path.len()).unwrap();
        let block = [&[0x82, 0x86, 0x41, 1, b'a', 0x44, length], path.as_bytes()].concat();
        let length = u8::try_from(block.len()).unwrap();
        self.send([&[0, 0, length, 1, 5, 0, 0, 0, stream][..], &block].concat()).await;
    }

    /// Everything until the server closes.
    pub(super) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let read = self.stream.read_to_end(&mut all);
        let _ = tokio::time::timeout(Duration::from_secs(10), read).await.expect("never closed");
        all
    }

    pub(super) async fn text_to_end(&mut self) -> String {
        String::from_utf8(self.read_to_end().await).unwrap()
    }

    /// Reads until `text` has come.
    pub(super) async fn until(&mut self, text: &str) -> String {
        let mut all = String::new();
        let reading = async {
            while !all.contains(text) {
                let mut byte = [0];
                assert_eq!(self.stream.read(&mut byte).await.unwrap(), 1, "closed after {all:?}");
                all.push(char::from(byte[0]));
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reading).await.expect("never came");
        all
    }

    /// The next frame of HTTP/2: its type, its stream and its payload.
    pub(super) async fn frame(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        let read = tokio::time::timeout(Duration::from_secs(10), self.stream.read_exact(&mut head));
        read.await.expect("no frame").ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    /// Frames until one of this type, which is returned.
    pub(super) async fn frame_of(&mut self, kind: u8) -> (u32, Vec<u8>) {
        self.frame_unless_closed(kind).await.expect("closed before the frame")
    }

    /// The same; `None` if the server closes first.
    pub(super) async fn frame_unless_closed(&mut self, kind: u8) -> Option<(u32, Vec<u8>)> {
        loop {
            let (found, stream, payload) = self.frame().await?;
            if found == kind {
                return Some((stream, payload));
            }
        }
    }

    #[track_caller]
    pub(super) fn assert_closed_after(&self, least: Duration, most: Duration) {
        let lasted = self.since.elapsed();
        assert!(least <= lasted && lasted < most, "closed after {lasted:?}, not {least:?} to {most:?}");
    }
}
