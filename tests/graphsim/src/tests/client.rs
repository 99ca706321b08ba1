//! A client that sends exactly what a test writes and shows what came back.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer, or as much of it as came.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status, content type and body.
    pub(super) fn parts(&self) -> (u16, Option<&str>, &str) {
        (self.status, self.header("content-type"), self.text())
    }
}

/// GET of an address, as it is written.
pub(super) async fn get(address: &str) -> Answer {
    get_with(address, "").await
}

/// With more header lines, each with its line end.
pub(super) async fn get_with(address: &str, headers: &str) -> Answer {
    let (authority, target) = address.strip_prefix("http://").unwrap().split_once('/').unwrap();
    send(authority, &format!("GET /{target} HTTP/1.1\r\nHost: {authority}\r\n{headers}\r\n")).await
}

/// Any request.
pub(super) async fn send(authority: &str, request: &str) -> Answer {
    try_send(authority, request).await.unwrap()
}

pub(super) async fn try_send(authority: &str, request: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(authority).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok(Answer { status, head, body: bytes.split_off(end + 4) })
}

/// Without `http://`.
pub(super) fn authority(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}
