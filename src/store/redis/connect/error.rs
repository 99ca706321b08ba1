//! [`ConnectError`]: why there is no connection, in words for an operator.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::url::Place;

/// The longest text of a server that goes into an error.
const MAX_WHY: usize = 200;

/// Why there is no connection. No text of it contains a password: the crate puts none into its errors, and what a server
/// says about a login is left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectError {
    /// It took too long.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    /// Refused, reset, or an unknown name.
    #[error("{at} cannot be reached: {why}")]
    Unreachable { at: String, why: String },
    /// Wrong user or password.
    #[error("{at} refused the login: wrong user or password in redis.url")]
    LoginRefused { at: String },
    /// The server wants a password and got none.
    #[error("{at} wants a password; redis.url has none")]
    LoginMissing { at: String },
    /// A sentinel refused its own login.
    #[error("the sentinel at {at} refused the login: wrong or missing redis.sentinel.username or password")]
    SentinelLoginRefused { at: String },
    /// The login is right, but its ACL forbids what is needed.
    #[error("{at} forbids it: {why}")]
    Forbidden { at: String, why: String },
    /// TLS failed.
    #[error("no TLS with {at}: {why}")]
    Tls { at: String, why: String },
    /// A replica: it would refuse every write.
    #[error("{at} is a replica, not a primary")]
    NotAPrimary { at: String },
    /// No sentinel could be asked.
    #[error("no sentinel answered; the last one: {0}")]
    NoSentinel(Box<ConnectError>),
    /// The sentinels watch no such master.
    #[error("the sentinels know no master of the name {0}")]
    UnknownMaster(String),
    /// A server that is no part of a cluster.
    #[error("{at} is not in cluster mode; write redis:// for a single node")]
    NotACluster { at: String },
    /// The cluster does not serve all of its slots.
    #[error("the cluster is down: {0}")]
    ClusterDown(String),
    /// Anything else that the server or the crate says.
    #[error("{at}: {why}")]
    Other { at: String, why: String },
}

impl ConnectError {
    /// What `error` means, of a server at `place`.
    pub(crate) fn of(error: &RedisError, place: &Place) -> Self {
        let at = place.to_string();
        if error.code() == Some("NOAUTH") {
            return Self::LoginMissing { at };
        }
        if matches!(error.code(), Some("WRONGPASS")) {
            return Self::LoginRefused { at };
        }
        let why = cut(&error.to_string());
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::LoginRefused { at },
            ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Forbidden { at, why },
            ErrorKind::Server(ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown) => {
                Self::ClusterDown(why)
            }
            ErrorKind::ClusterConnectionNotFound => Self::ClusterDown(why),
            _ if why.contains("cluster support disabled") => Self::NotACluster { at },
            _ if is_tls(error) => Self::Tls { at, why },
            ErrorKind::Io if is_hang_up(error) => {
                Self::Unreachable { at, why: format!("{why} (does it want TLS, or a client certificate?)") }
            }
            ErrorKind::Io => Self::Unreachable { at, why },
            _ => Self::Other { at, why },
        }
    }

    /// The more telling of two failures: a server that answered knows the reason, a silent one does not.
    pub(crate) fn or_more_telling(self, earlier: Option<Self>) -> Self {
        match (&self, earlier) {
            (Self::TimedOut(_) | Self::Unreachable { .. }, Some(earlier)) => earlier,
            (_, _) => self,
        }
    }

    /// The same error from a sentinel, which has a login of its own.
    pub(crate) fn of_sentinel(self) -> Self {
        match self {
            Self::LoginRefused { at } | Self::LoginMissing { at } => Self::SentinelLoginRefused { at },
            other => other,
        }
    }
}

fn io_error(error: &RedisError) -> Option<&io::Error> {
    let source = error.source()?.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>()?;
    source.downcast_ref::<io::Error>()
}

fn is_tls(error: &RedisError) -> bool {
    let Some(source) =
        error.source().and_then(|s| s.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>())
    else {
        return false;
    };
    let inner = io_error(error).and_then(io::Error::get_ref);
    source.is::<rustls::Error>()
        || inner
            .is_some_and(|inner| inner.is::<rustls::Error>() || inner.to_string().contains("tls handshake"))
}

fn is_hang_up(error: &RedisError) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    error.is_connection_dropped()
        && io_error(error).is_some_and(|io| matches!(io.kind(), BrokenPipe | ConnectionReset | UnexpectedEof))
}

/// SECURITY: a server's text ends up in the log; it is bounded and on one line.
pub(crate) fn cut(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_WHY).collect()
}
