//! [`FetchError`]: why a call or download failed. No message contains an address, which may hold a signature or a token.

use crate::model::{AddressError, SniffError};

/// Why the client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// `origin.ca` cannot be read.
    #[error("origin.ca = {path}: {reason}")]
    Ca {
        /// The configured file.
        path: String,
        /// Why.
        reason: String,
    },
    /// reqwest rejected the settings.
    #[error("the HTTP client could not be built: {0}")]
    Client(#[source] reqwest::Error),
}

/// Why a call or a download failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Plain HTTP, where only https is allowed.
    #[error("the address is not https")]
    NotHttps,
    /// The host is not in the provider's list.
    #[error("the host {0} is not in the provider's hosts")]
    HostNotAllowed(String),
    /// Another port than the scheme's own.
    #[error("the address names a port of its own")]
    Port,
    /// The host is, or resolves to, an address that is not global.
    #[error("the host {0} leads to an address that is not public")]
    NotPublic(String),
    /// Parsing would change the address, or it is no address.
    #[error("address: {0}")]
    Address(AddressError),
    /// More redirects than `origin.max_redirects`.
    #[error("too many redirects")]
    TooManyRedirects,
    /// A redirect without a usable `Location`.
    #[error("a redirect has no usable Location")]
    BadRedirect,
    /// Any status but 200.
    #[error("HTTP {0}")]
    Status(u16),
    /// Compressed although `identity` was asked for.
    #[error("the body is encoded")]
    Encoded,
    /// More bytes than allowed, declared or counted.
    #[error("more than {0} bytes")]
    TooLarge(u64),
    /// Not the declared number of bytes.
    #[error("the body broke off")]
    Truncated,
    /// No picture in a format that is served.
    #[error("not a picture: {0}")]
    NotAPicture(SniffError),
    /// Not within its deadline.
    #[error("timed out")]
    TimedOut,
    /// No connection.
    #[error("{0}")]
    Connection(&'static str),
}

impl FetchError {
    /// Whether the CDN says that the link is dead: CDNs answer 403 when the signature has expired, and 404 or 410 when the
    /// picture is gone.
    pub fn is_link_dead(&self) -> bool {
        matches!(self, Self::Status(403 | 404 | 410))
    }

    /// reqwest's errors print the address, so only the kind of the error is passed on.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::TimedOut;
        }
        if let Some(refused) = find::<super::resolver::RefusedHost>(error) {
            return Self::NotPublic(refused.0.clone());
        }
        if find::<super::resolver::Unresolved>(error).is_some() {
            return Self::Connection("the name could not be resolved");
        }
        if find::<rustls::Error>(error).is_some() {
            return Self::Connection("TLS failed");
        }
        let kind = find::<std::io::Error>(error).map(std::io::Error::kind);
        match kind {
            Some(std::io::ErrorKind::ConnectionRefused) => Self::Connection("connection refused"),
            Some(std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe) => {
                Self::Connection("connection reset")
            }
            Some(std::io::ErrorKind::TimedOut) => Self::TimedOut,
            _ if error.is_body() || error.is_decode() => Self::Truncated,
            _ if error.is_connect() => Self::Connection("no connection"),
            _ => Self::Connection("the connection broke off"),
        }
    }
}

/// The first cause of this type. `source` of an `io::Error` skips the error that it wraps, so that one is looked at first.
fn find<'e, E: std::error::Error + 'static>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner as &(dyn std::error::Error + 'static)),
            None => error.source(),
        };
    }
    None
}
