//! [`Limits`]: what a listener allows its clients.

use std::time::Duration;

/// The limits of a listener's clients.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the first byte of an HTTP/1 request to the end of its head; the same again for its body.
    pub header_timeout: Duration,
    /// How long a connection may bring no request, and how long a client may take no byte of its answers.
    pub idle_timeout: Duration,
    /// The most connections at one time; further ones wait in the kernel's backlog.
    pub max_connections: usize,
    /// How long a shutdown waits for answers under way.
    pub drain_timeout: Duration,
    /// Whether requests may have bodies.
    pub body: BodyLimit,
}

/// Whether requests may have bodies. Those of GET and HEAD never may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLimit {
    /// No body. The handler runs without it, and the answer ends the connection.
    None,
    /// A body of at most this many bytes, read before the handler runs.
    UpTo(usize),
}
