//! Section `[origin]`.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::model::{Invalid, units};

/// Section `[origin]`.
#[derive(Debug, Clone)]
pub struct OriginConfig {
    /// A PEM file with additional roots to trust.
    pub ca: Option<PathBuf>,
    /// The time limit for a TCP and TLS connection.
    pub connect_timeout: Duration,
    /// The time limit for a whole call or download.
    pub timeout: Duration,
    /// The largest picture, in bytes.
    pub max_bytes: u64,
    /// The most redirects that are followed.
    pub max_redirects: u32,
    /// A picture with a longer declared length, in bytes, is streamed to a client that waits for it.
    pub stream_above: u64,
    /// Development only: plain HTTP for pictures.
    pub allow_http: bool,
    /// Development only: private networks that may be dialled.
    pub allow_private: Vec<IpNet>,
}

/// Section `[origin]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginWritten {
    ca: String,
    connect_timeout: units::Span,
    timeout: units::Span,
    max_bytes: units::Size,
    max_redirects: u32,
    stream_above: units::Size,
    allow_http: bool,
    allow_private: Vec<String>,
}

impl TryFrom<OriginWritten> for OriginConfig {
    type Error = Invalid;

    fn try_from(written: OriginWritten) -> Result<Self, Invalid> {
        let connect_timeout =
            written.connect_timeout.at_least("connect_timeout", Duration::from_millis(1))?;
        if written.max_redirects > 10 {
            return Err(Invalid::new(
                "max_redirects",
                written.max_redirects.to_string(),
                "a number from 0 to 10",
            ));
        }
        Ok(Self {
            ca: (!written.ca.is_empty()).then(|| PathBuf::from(written.ca)),
            connect_timeout,
            timeout: written.timeout.at_least("timeout", connect_timeout)?,
            max_bytes: written.max_bytes.at_least("max_bytes", 1024)?,
            max_redirects: written.max_redirects,
            stream_above: written.stream_above.get(),
            allow_http: written.allow_http,
            allow_private: written
                .allow_private
                .iter()
                .map(|text| network(text))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// A network, or a single address.
fn network(text: &str) -> Result<IpNet, Invalid> {
    text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from)).map_err(|_| {
        Invalid::new(
            "allow_private",
            text,
            "a list of addresses or networks, such as \"10.0.0.0/8\" or \"::1\"",
        )
    })
}
