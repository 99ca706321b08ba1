//! A client that shows exactly what came over the wire.

use std::net::SocketAddr;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No answer of a test takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came back. Every answer is also kept for the search for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Whether as many bytes came as were declared.
    pub(crate) complete: bool,
}

impl Answer {
    /// A header's value; fails if there are two.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().filter_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        });
        let first = values.next();
        assert_eq!(values.next(), None, "{name} stands twice in {}", self.head);
        first
    }

    #[track_caller]
    pub(crate) fn state(&self) -> &str {
        self.header("avatar-state").unwrap_or_else(|| panic!("no Avatar-State in {}", self.head))
    }

    pub(crate) fn hash(&self) -> String {
        hash(&self.body)
    }
}

/// The SHA-256 of bytes, in hex.
pub(crate) fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// One request on a connection of its own.
pub(crate) async fn request(address: SocketAddr, method: &str, target: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.expect("the server reads");
    read(&mut stream, method == "HEAD").await
}

/// A POST with a JSON body.
pub(crate) async fn post(address: SocketAddr, target: &str, json: &str) -> Answer {
    let length = json.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    raw(address, &(head + json)).await
}

/// One request; `None` if no whole answer came, as from a server that is killed.
pub(crate) async fn try_request(address: SocketAddr, method: &str, target: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("an answer within 30 seconds");
    read.ok()?;
    bytes
        .windows(4)
        .any(|window| window == b"\r\n\r\n")
        .then(|| parse(bytes, false))
        .filter(|answer| answer.complete)
}

/// Exactly these bytes, and the one answer to them.
pub(crate) async fn raw(address: SocketAddr, bytes: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    // A server that refuses early may have closed before all is written; its answer tells.
    let _ = stream.write_all(bytes.as_bytes()).await;
    read(&mut stream, false).await
}

/// Reads one answer to the end of the connection.
pub(crate) async fn read(stream: &mut TcpStream, headless: bool) -> Answer {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A reset after a part is still an answer, an incomplete one.
    let _ = read.expect("an answer within 30 seconds");
    parse(bytes, headless)
}

fn parse(mut bytes: Vec<u8>, headless: bool) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head") + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let mut answer = Answer { status, head, body: bytes.split_off(end), complete: true };
    let declared = answer.header("content-length").and_then(|length| length.parse::<usize>().ok());
    answer.complete = headless || declared.is_none_or(|length| length == answer.body.len());
    answer
}
