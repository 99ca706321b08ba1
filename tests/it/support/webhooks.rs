//! A receiver of webhooks that answers as a test wants it to and remembers every request.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use avatar_proxy::clock::{Clock, Timestamp};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::standardwebhooks;
use super::wait::{LOOK_EVERY, LOOKS, until_some};

/// Signs what the tests' receivers are sent.
pub(crate) const SECRET: &str = "whsec_dGhlIHRlc3RzJyBvd24gc2VjcmV0LCAzMiBieXRlcw==";

/// How long a receiver looks whether more comes than was expected. A message too many may come later and be missed; no
/// test fails because the machine is busy.
const A_MOMENT: Duration = Duration::from_millis(100);

/// How the receiver treats a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// This status, and further header lines, each with its end.
    Status(u16, &'static str),
    /// None until the client goes.
    Hang,
}

pub(crate) const OK: Reply = Reply::Status(204, "");

/// A message as it came.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// By the test's clock.
    pub(crate) at: Timestamp,
    pub(crate) accepted: bool,
}

/// A receiver with a thread of its own. It ends with this.
pub(crate) struct Webhooks {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    runtime: Option<Runtime>,
}

struct State {
    reply: Reply,
    next: VecDeque<Reply>,
    messages: Vec<Message>,
    connections: usize,
}

impl Webhooks {
    /// One that accepts all.
    pub(crate) fn start(clock: &Clock) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { reply: OK, next: VecDeque::new(), messages: Vec::new(), connections: 0 };
        let state = Arc::new(Mutex::new(state));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (shared, clock) = (state.clone(), clock.clone());
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                connections.spawn(serve(stream, shared.clone(), clock.clone()));
            }
        });
        Self { address, state, runtime: Some(runtime) }
    }

    /// `[events]` that name it.
    pub(crate) fn settings(&self) -> String {
        format!("[events]\nurl = \"{}\"\nsecret = \"{SECRET}\"\n", self.url())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks/avatars?from=proxy", self.address)
    }

    /// How it treats all that comes from now on.
    pub(crate) fn set(&self, reply: Reply) {
        self.state.lock().unwrap().reply = reply;
    }

    /// How it treats the next messages, one by one.
    pub(crate) fn then(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().unwrap().next.extend(replies);
    }

    /// Connections that were made to it.
    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// All that came, each attempt.
    pub(crate) fn attempts(&self) -> Vec<Message> {
        self.state.lock().unwrap().messages.clone()
    }

    /// The messages that it accepted.
    pub(crate) fn accepted(&self) -> Vec<Message> {
        self.attempts().into_iter().filter(|message| message.accepted).collect()
    }

    /// Waits until `count` messages were accepted, sees for a moment that no more come, and checks every signature that
    /// ever came.
    pub(crate) async fn expect(&self, count: usize) -> Vec<Message> {
        for _ in 0..LOOKS {
            if self.accepted().len() >= count {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tokio::time::sleep(A_MOMENT).await;
        let accepted = self.accepted();
        let kinds: Vec<String> = accepted.iter().map(Message::kind).collect();
        assert_eq!(kinds.len(), count, "{kinds:?}, attempts: {}", self.attempts().len());
        self.verify();
        accepted
    }

    /// Waits until at least `count` attempts were made.
    pub(crate) async fn tried(&self, count: usize) -> Vec<Message> {
        let what = format!("{count} attempts");
        until_some(&what, async || Some(self.attempts()).filter(|attempts| attempts.len() >= count)).await
    }

    /// Has an implementation that is not ours check each message that came.
    #[track_caller]
    pub(crate) fn verify(&self) {
        let wrong = standardwebhooks::refused(SECRET, &self.attempts());
        assert_eq!(wrong, Vec::<String>::new());
    }
}

impl Drop for Webhooks {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Message {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.head.lines().filter_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        });
        let first = values.next().unwrap_or_else(|| panic!("no {name} in {}", self.head));
        assert_eq!(values.next(), None, "{name} stands twice in {}", self.head);
        first
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// `changed` of `avatar.changed`.
    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().and_then(|kind| kind.strip_prefix("avatar.")).unwrap().to_owned()
    }

    pub(crate) fn data(&self) -> Value {
        self.json()["data"].clone()
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.data()["sequence"].as_u64().unwrap()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>, clock: Clock) {
    let mut bytes = Vec::new();
    while let Some((head, body)) = request(&mut stream, &mut bytes).await {
        let reply = {
            let mut state = state.lock().unwrap();
            let reply = state.next.pop_front().unwrap_or_else(|| state.reply.clone());
            let accepted = matches!(reply, Reply::Status(200..=299, _));
            state.messages.push(Message { head, body, at: clock.now(), accepted });
            reply
        };
        match reply {
            Reply::Status(status, headers) => {
                let body = if status == 204 { "" } else { "Content-Length: 2\r\n\r\nno" };
                let end = if status == 204 { "\r\n" } else { "" };
                let answer = format!("HTTP/1.1 {status} X\r\n{headers}{body}{end}");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Reply::Hang => {
                let _ = stream.read(&mut [0]).await;
                return;
            }
        }
    }
}

/// The next request of a connection.
async fn request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end + 2]).into_owned();
            let length = head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
            });
            let (begin, length) = (end + 4, length.unwrap_or(0));
            if bytes.len() >= begin + length {
                let body = bytes[begin..begin + length].to_vec();
                bytes.drain(..begin + length);
                return Some((head, body));
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}
