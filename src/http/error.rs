//! What can go wrong before the first client comes.

use std::io;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process answers there.
    #[error("{0} is in use by another process")]
    InUse(String),
    /// A file that is no socket stands where the socket should be; it is not touched.
    #[error("{0} exists and is not a socket")]
    NotASocket(String),
    /// What the system said.
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
