//! [`ListenError`]: why a listener cannot start.

use std::io;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process listens there.
    #[error("{0} is in use by another process")]
    InUse(String),
    /// A file that is no socket has the socket's path; it is left as it is.
    #[error("{0} exists and is not a socket")]
    NotASocket(String),
    /// Any other error of the system.
    #[error("cannot listen on {0}: {1}")]
    Io(String, #[source] io::Error),
}

impl From<ListenError> for io::Error {
    fn from(error: ListenError) -> Self {
        let kind = match &error {
            ListenError::InUse(_) => io::ErrorKind::AddrInUse,
            ListenError::NotASocket(_) => io::ErrorKind::AlreadyExists,
            ListenError::Io(_, source) => source.kind(),
        };
        Self::new(kind, error)
    }
}
