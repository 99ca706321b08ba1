//! A request as it came.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The largest head that is read.
const MAX_HEAD: usize = 32 * 1024;

/// A request's raw head.
pub(crate) struct Head {
    pub(crate) raw: String,
}

impl Head {
    /// Reads one head; `None` when the client has gone.
    pub(crate) async fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
            let read = stream.read(&mut buffer).await.ok()?;
            if read == 0 || bytes.len() > MAX_HEAD {
                return None;
            }
            bytes.extend_from_slice(&buffer[..read]);
        }
        Some(Self { raw: String::from_utf8(bytes).ok()? })
    }

    pub(crate) fn method(&self) -> &str {
        self.raw.split(' ').next().unwrap_or("")
    }

    /// Path and query, byte for byte.
    pub(crate) fn target(&self) -> &str {
        self.raw.split(' ').nth(1).unwrap_or("")
    }

    pub(crate) fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or("")
    }

    pub(crate) fn query(&self) -> &str {
        self.target().split_once('?').map_or("", |(_, query)| query)
    }

    /// A parameter, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.query().split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(percent_decode_str(value).decode_utf8_lossy())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.raw.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The token, from the header or from the query.
    pub(crate) fn token(&self) -> Option<Cow<'_, str>> {
        let bearer = self.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        bearer.map(Cow::Borrowed).or_else(|| self.parameter("access_token"))
    }
}
