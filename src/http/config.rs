//! `[server]` and `[admin]`.

use std::time::Duration;

use crate::model::units::Span;
use crate::model::{Invalid, Secret};

use super::{BodyLimit, Limits, ListenAddress};

/// A shorter timeout would cut clients that are merely far away.
const MIN_TIMEOUT: Duration = Duration::from_millis(10);
const CONNECTIONS_LIMIT: usize = 1_000_000;
const ADDRESS_FORM: &str =
    "an address with its port, such as \"127.0.0.1:8080\", or \"unix:/path/of/the/socket\"";

/// `[server]` as written.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerWritten {
    listen: String,
    header_timeout: Span,
    idle_timeout: Span,
    request_timeout: Span,
    max_connections: usize,
    drain_timeout: Span,
}

/// `[server]`: the public listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The address of the public listener.
    pub listen: ListenAddress,
    /// From the first byte of an HTTP/1 request to the end of its head.
    pub header_timeout: Duration,
    /// How long a connection may bring no request, and how long a client may take no byte of its answers.
    pub idle_timeout: Duration,
    /// The longest that any answer may take to begin; the service keeps to it.
    pub request_timeout: Duration,
    /// The most connections at one time.
    pub max_connections: usize,
    /// How long a shutdown waits for answers under way.
    pub drain_timeout: Duration,
}

/// `[admin]` as written.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminWritten {
    listen: String,
    token: Secret,
}

/// `[admin]`: the second listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Its address; `None` turns the listener off.
    pub listen: Option<ListenAddress>,
    /// The bearer token. `None` admits every request, and is possible only where no other machine can reach the listener.
    pub token: Option<Secret>,
}

impl TryFrom<ServerWritten> for ServerConfig {
    type Error = Invalid;

    fn try_from(written: ServerWritten) -> Result<Self, Invalid> {
        let listen = ListenAddress::parse(&written.listen)
            .ok_or_else(|| Invalid::new("listen", written.listen, ADDRESS_FORM))?;
        if !(1..=CONNECTIONS_LIMIT).contains(&written.max_connections) {
            return Err(Invalid::new(
                "max_connections",
                written.max_connections.to_string(),
                format!("a number from 1 to {CONNECTIONS_LIMIT}"),
            ));
        }
        Ok(Self {
            listen,
            header_timeout: written.header_timeout.at_least("header_timeout", MIN_TIMEOUT)?,
            idle_timeout: written.idle_timeout.at_least("idle_timeout", MIN_TIMEOUT)?,
            request_timeout: written.request_timeout.at_least("request_timeout", MIN_TIMEOUT)?,
            max_connections: written.max_connections,
            drain_timeout: written.drain_timeout.at_least("drain_timeout", MIN_TIMEOUT)?,
        })
    }
}

impl ServerConfig {
    /// The limits of a listener's clients.
    pub fn limits(&self, body: BodyLimit) -> Limits {
        Limits {
            header_timeout: self.header_timeout,
            idle_timeout: self.idle_timeout,
            max_connections: self.max_connections,
            drain_timeout: self.drain_timeout,
            body,
        }
    }
}

impl TryFrom<AdminWritten> for AdminConfig {
    type Error = Invalid;

    fn try_from(written: AdminWritten) -> Result<Self, Invalid> {
        let listen =
            match written.listen.as_str() {
                "" => None,
                text => Some(ListenAddress::parse(text).ok_or_else(|| {
                    Invalid::new("listen", text, format!("{ADDRESS_FORM}, or \"\" for none"))
                })?),
            };
        // SECURITY: the admin API deletes pictures, so without a token no other machine may reach it.
        if written.token.is_empty() && listen.as_ref().is_some_and(|address| !address.is_local()) {
            return Err(Invalid::new(
                "token",
                "<secret>",
                format!("a bearer token, since {} can be reached from other machines", written.listen),
            ));
        }
        Ok(Self { listen, token: (!written.token.is_empty()).then_some(written.token) })
    }
}
