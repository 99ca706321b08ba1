//! What an API's errors mean: the code in the reply decides, and without a code the HTTP status.
//!
//! An API with `errors = "meta"` is read by `meta::graph_error` instead.

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::RETRY_AFTER;
use serde_json::Value;

use super::config::{Expected, JsonConfig};
use crate::model::{LONGEST_PAUSE, Scope, Secret, Timestamp, TroubleClass};
use crate::origin::ApiReply;
use crate::provider::error::ProviderError;

/// Headers that name the start of the next quota window, where there is no `Retry-After`: X; Discord and Mastodon;
/// Bluesky.
const RESETS: [&str; 3] = ["x-rate-limit-reset", "x-ratelimit-reset", "ratelimit-reset"];
/// A number above this one is a time, a lower one a wait; both in seconds.
const EPOCH_ABOVE: i64 = 1_000_000_000;
/// The longest code that the log repeats, in bytes.
const LONGEST_CODE: usize = 40;

/// The error code in a reply of any status; `None` where the reply names no error.
pub(super) fn code_of(config: &JsonConfig, body: &Value) -> Option<String> {
    let pointer = config.error_pointer.as_ref()?;
    let value = pointer.find(body).unwrap_or(&Value::Null);
    (!config.error_ok.matches(value)).then(|| match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => "unnamed".to_owned(),
    })
}

impl Expected {
    /// Whether this value means that there is no error.
    fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Nothing => match value {
                Value::Null => true,
                Value::Bool(error) => !error,
                Value::Number(code) => code.as_f64() == Some(0.0),
                Value::String(text) => text.is_empty() || text.eq_ignore_ascii_case("ok"),
                Value::Array(errors) => errors.is_empty(),
                Value::Object(error) => error.is_empty(),
            },
            Self::OneOf(values) => values.contains(value),
        }
    }
}

/// What an error reply means, by its code or else its status.
pub(super) fn classify(
    config: &JsonConfig,
    reply: &ApiReply,
    code: Option<&str>,
    token: &Secret,
    now: Timestamp,
) -> ProviderError {
    let by_code = code.and_then(|code| config.error_codes.get(code));
    let class = match by_code {
        Some(class) => *class,
        None => by_status(config, reply.status),
    };
    let scope = match class {
        // Without a token the limit belongs to our IP address, which all accounts share. With one, the next account may have
        // a limit of its own; if it has not, its first call says so.
        TroubleClass::Throttled if !config.auth.needs_token() => Scope::App,
        _ => Scope::Account,
    };
    let reason = match code {
        Some(code) if by_code.is_some() || is_harmless(code, token) => {
            format!("HTTP {}, error {code}", reply.status)
        }
        Some(_) => format!("HTTP {}, an error", reply.status),
        None => format!("HTTP {}", reply.status),
    };
    let retry_after = match class {
        TroubleClass::Throttled => {
            retry_after(&reply.headers, now).or_else(|| quota_reset(&reply.headers, now))
        }
        // Such a reply may carry quota headers too, but they do not say when the fault ends.
        TroubleClass::Transient => retry_after(&reply.headers, now),
        _ => None,
    };
    ProviderError { scope, retry_after, ..ProviderError::new(class, reason) }
}

fn by_status(config: &JsonConfig, status: u16) -> TroubleClass {
    match status {
        401 if config.auth.needs_token() => TroubleClass::NeedsReauth,
        403 => TroubleClass::Denied,
        // The named account does not exist; without one the configured address is wrong.
        404 | 410 if config.request.names_account() => TroubleClass::Denied,
        408 | 425 => TroubleClass::Transient,
        429 => TroubleClass::Throttled,
        // Redirects included: following one would carry the token to another host.
        300..=499 => TroubleClass::Misconfigured,
        // Also an error inside a 200 whose code is not listed: nothing says that it is permanent.
        _ => TroubleClass::Transient,
    }
}

/// The wait in `Retry-After`: seconds or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = text(headers, RETRY_AFTER.as_str())?;
    let date = || httpdate::parse_http_date(text).ok();
    let wait = span(text, now).or_else(|| Some(Timestamp::from_system_time(date()?).since(now)));
    wait.map(|wait| wait.min(LONGEST_PAUSE))
}

/// The time until the next quota window starts.
fn quota_reset(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    RESETS.iter().find_map(|name| span(text(headers, name)?, now)).map(|wait| wait.min(LONGEST_PAUSE))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Reads a wait in seconds, or its end in seconds since the epoch.
fn span(text: &str, now: Timestamp) -> Option<Duration> {
    let number = text.split('.').next()?.parse::<i64>().ok().filter(|number| *number >= 0)?;
    Some(match number > EPOCH_ABOVE {
        true => Timestamp::from_secs(number).since(now),
        false => Duration::from_secs(number.unsigned_abs()),
    })
}

/// Whether a code may stand in a log line.
///
/// SECURITY: it is the API's own text. Only a short and plain one is repeated, and none that overlaps with the token.
fn is_harmless(code: &str, token: &Secret) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=LONGEST_CODE).contains(&code.len())
        && code.bytes().all(plain)
        && !token.expose().contains(code)
        && (token.is_empty() || !code.contains(token.expose()))
}
