//! `[providers.instagram]` and `[providers.facebook]`.

use crate::model::{Invalid, Secret};
use crate::origin::{BaseUrl, HostList};
use crate::provider::rate::CallLimits;
use crate::provider::rules::{base_url, hosts};

/// Edges of a picture that Facebook can be asked for, in pixels.
const SIZES: std::ops::RangeInclusive<u16> = 16..=2048;
const EXAMPLE_HOST: &str = "fbcdn.net";

/// `[providers.instagram]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstagramWritten {
    base_url: String,
    max_calls: usize,
    calls_per_second: u32,
    version: String,
    app_secret: Secret,
    hosts: Vec<String>,
}

/// `[providers.facebook]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FacebookWritten {
    base_url: String,
    max_calls: usize,
    calls_per_second: u32,
    version: String,
    app_secret: Secret,
    size: u64,
    hosts: Vec<String>,
}

/// `[providers.instagram]`.
#[derive(Debug, Clone)]
pub struct InstagramConfig {
    /// The API.
    pub graph: GraphConfig,
    /// Hosts that may serve its pictures, with their subdomains.
    pub hosts: HostList,
}

/// `[providers.facebook]`.
#[derive(Debug, Clone)]
pub struct FacebookConfig {
    /// The API.
    pub graph: GraphConfig,
    /// The edge of the picture that is asked for, in pixels.
    pub size: u16,
    /// Hosts that may serve its pictures, with their subdomains.
    pub hosts: HostList,
}

/// What one of Meta's two Graph hosts needs.
#[derive(Debug, Clone)]
pub struct GraphConfig {
    /// The host.
    pub base_url: BaseUrl,
    /// The version in every path, such as `v25.0`.
    pub version: String,
    /// Signs every call with `appsecret_proof`; `None` leaves calls unsigned.
    pub app_secret: Option<Secret>,
    /// The limits on calls.
    pub limits: CallLimits,
}

impl TryFrom<InstagramWritten> for InstagramConfig {
    type Error = Invalid;

    fn try_from(written: InstagramWritten) -> Result<Self, Invalid> {
        Ok(Self {
            graph: GraphConfig {
                base_url: base_url("instagram.base_url", written.base_url)?,
                version: version("instagram.version", written.version)?,
                app_secret: optional(written.app_secret),
                limits: CallLimits::checked(
                    ["instagram.max_calls", "instagram.calls_per_second"],
                    written.max_calls,
                    written.calls_per_second,
                )?,
            },
            hosts: hosts("instagram.hosts", &written.hosts, EXAMPLE_HOST)?,
        })
    }
}

impl TryFrom<FacebookWritten> for FacebookConfig {
    type Error = Invalid;

    fn try_from(written: FacebookWritten) -> Result<Self, Invalid> {
        Ok(Self {
            graph: GraphConfig {
                base_url: base_url("facebook.base_url", written.base_url)?,
                version: version("facebook.version", written.version)?,
                app_secret: optional(written.app_secret),
                limits: CallLimits::checked(
                    ["facebook.max_calls", "facebook.calls_per_second"],
                    written.max_calls,
                    written.calls_per_second,
                )?,
            },
            size: size("facebook.size", written.size)?,
            hosts: hosts("facebook.hosts", &written.hosts, EXAMPLE_HOST)?,
        })
    }
}

fn version(key: &'static str, text: String) -> Result<String, Invalid> {
    let number = |part: &str| !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
    let parts = text.strip_prefix('v').and_then(|rest| rest.split_once('.'));
    if parts.is_some_and(|(major, minor)| number(major) && number(minor)) {
        return Ok(text);
    }
    Err(Invalid::new(key, text, "a Graph version, such as \"v25.0\""))
}

fn optional(secret: Secret) -> Option<Secret> {
    (!secret.is_empty()).then_some(secret)
}

fn size(key: &'static str, pixels: u64) -> Result<u16, Invalid> {
    u16::try_from(pixels).ok().filter(|pixels| SIZES.contains(pixels)).ok_or_else(|| {
        let expected = format!("a number of pixels from {} to {}", SIZES.start(), SIZES.end());
        Invalid::new(key, pixels.to_string(), expected)
    })
}
