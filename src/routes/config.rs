//! Sections `[avatar.headers]` and `[fallback]`.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;

use crate::model::{Invalid, units};

/// Section `[avatar.headers]`: the response headers for browsers and CDNs.
#[derive(Debug, Clone)]
pub struct HeadersConfig {
    /// `Cache-Control: max-age` of a picture.
    pub max_age: Duration,
    /// `CDN-Cache-Control: max-age` of a picture (RFC 9213).
    pub cdn_max_age: Duration,
    /// RFC 5861.
    pub stale_while_revalidate: Duration,
    /// RFC 5861.
    pub stale_if_error: Duration,
    /// For placeholders, last good bytes and streams.
    pub fallback_max_age: Duration,
    /// `Cross-Origin-Resource-Policy`.
    pub cross_origin_resource_policy: HeaderValue,
    /// `Access-Control-Allow-Origin`; `None` = not sent.
    pub allow_origin: Option<HeaderValue>,
    /// Whether `Surrogate-Key` is sent.
    pub surrogate_key: bool,
    /// Whether `Cache-Tag` is sent.
    pub cache_tag: bool,
}

/// Section `[avatar.headers]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadersWritten {
    max_age: units::Span,
    cdn_max_age: units::Span,
    stale_while_revalidate: units::Span,
    stale_if_error: units::Span,
    fallback_max_age: units::Span,
    cross_origin_resource_policy: String,
    allow_origin: String,
    cache_tags: Vec<String>,
}

impl TryFrom<HeadersWritten> for HeadersConfig {
    type Error = Invalid;

    fn try_from(written: HeadersWritten) -> Result<Self, Invalid> {
        let corp = match written.cross_origin_resource_policy.as_str() {
            "cross-origin" => HeaderValue::from_static("cross-origin"),
            "same-site" => HeaderValue::from_static("same-site"),
            "same-origin" => HeaderValue::from_static("same-origin"),
            other => {
                let expected = "\"cross-origin\", \"same-site\" or \"same-origin\"";
                return Err(Invalid::new("cross_origin_resource_policy", other, expected));
            }
        };
        if let Some(other) =
            written.cache_tags.iter().find(|tag| !matches!(tag.as_str(), "surrogate-key" | "cache-tag"))
        {
            return Err(Invalid::new("cache_tags", other, "a list of \"surrogate-key\" and \"cache-tag\""));
        }
        let sends = |name: &str| written.cache_tags.iter().any(|tag| tag == name);
        Ok(Self {
            max_age: written.max_age.get(),
            cdn_max_age: written.cdn_max_age.get(),
            stale_while_revalidate: written.stale_while_revalidate.get(),
            stale_if_error: written.stale_if_error.get(),
            fallback_max_age: written.fallback_max_age.get(),
            cross_origin_resource_policy: corp,
            allow_origin: allow_origin(&written.allow_origin)?,
            surrogate_key: sends("surrogate-key"),
            cache_tag: sends("cache-tag"),
        })
    }
}

fn allow_origin(text: &str) -> Result<Option<HeaderValue>, Invalid> {
    let invalid =
        || Invalid::new("allow_origin", text, "\"*\", or an origin such as \"https://dashboard.example\"");
    if text.is_empty() {
        return Ok(None);
    }
    let is_origin = url::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text);
    if text != "*" && !is_origin {
        return Err(invalid());
    }
    HeaderValue::from_str(text).map(Some).map_err(|_| invalid())
}

/// What to show where there is no picture, by Gravatar's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FallbackKind {
    /// The initials of the row's name.
    Initials,
    /// Answers initials until it is built.
    Identicon,
    /// A transparent picture.
    Blank,
    /// "Mystery person"; answers initials until it is built.
    Mp,
    /// A 404 with a JSON body, so that `onerror` fires.
    NotFound,
}

impl FallbackKind {
    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "initials" => Some(Self::Initials),
            "identicon" => Some(Self::Identicon),
            "blank" => Some(Self::Blank),
            "mp" => Some(Self::Mp),
            "404" => Some(Self::NotFound),
            _ => None,
        }
    }
}

/// Section `[fallback]`.
#[derive(Debug, Clone, Copy)]
pub struct FallbackConfig {
    /// The kind where the address has no `d`.
    pub kind: FallbackKind,
    /// The status of a placeholder: 200 or 404.
    pub status: StatusCode,
}

/// Section `[fallback]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FallbackWritten {
    default: String,
    status: u16,
}

impl TryFrom<FallbackWritten> for FallbackConfig {
    type Error = Invalid;

    fn try_from(written: FallbackWritten) -> Result<Self, Invalid> {
        let kind = FallbackKind::from_name(&written.default).ok_or_else(|| {
            let expected = "one of \"initials\", \"identicon\", \"blank\", \"mp\", \"404\"";
            Invalid::new("default", written.default.clone(), expected)
        })?;
        let status = match written.status {
            200 => StatusCode::OK,
            404 => StatusCode::NOT_FOUND,
            other => return Err(Invalid::new("status", other.to_string(), "200 or 404")),
        };
        Ok(Self { kind, status })
    }
}
