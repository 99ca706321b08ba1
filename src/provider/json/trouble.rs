//! What an API's errors mean: by the code that its reply names, else by the HTTP status.
//!
//! Meta's are read as those of its other hosts, since neither status nor code alone decides there.

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::RETRY_AFTER;
use serde_json::Value;

use super::config::{Expected, JsonConfig};
use crate::model::{Scope, Secret, Timestamp, TroubleClass};
use crate::origin::ApiReply;
use crate::provider::error::ProviderError;

/// The longest wait that a reply can impose.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 24 * 3600);
/// When the quota begins again, where there is no `Retry-After`: X, Discord and Mastodon, Bluesky.
const RESETS: [&str; 3] = ["x-rate-limit-reset", "x-ratelimit-reset", "ratelimit-reset"];
/// A number above it is a time, one below it a wait; both in seconds.
const EPOCH_ABOVE: i64 = 1_000_000_000;
/// A longer code is not repeated.
const LONGEST_CODE: usize = 40;

/// The code of an error that a reply names, whatever its status; `None` if it names none.
pub(super) fn code_of(config: &JsonConfig, body: &Value) -> Option<String> {
    let pointer = config.error_pointer.as_ref()?;
    let value = pointer.find(body).unwrap_or(&Value::Null);
    (!config.error_ok.holds(value)).then(|| match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => "unnamed".to_owned(),
    })
}

impl Expected {
    /// Whether this value means that there is no error.
    fn holds(&self, value: &Value) -> bool {
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

/// What a reply means that is an error by its code or by its status.
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
        // Where there is no token the limit is on our address, and everybody shares it. Else the next account may have its
        // own, and would be told in one call if not.
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
        TroubleClass::Throttled => asked_wait(&reply.headers, now).or_else(|| reset(&reply.headers, now)),
        // Such replies tell of the quota, too, which has nothing to do with when the fault is over.
        TroubleClass::Transient => asked_wait(&reply.headers, now),
        _ => None,
    };
    ProviderError { scope, retry_after, ..ProviderError::new(class, reason) }
}

fn by_status(config: &JsonConfig, status: u16) -> TroubleClass {
    match status {
        401 if config.auth.needs_token() => TroubleClass::NeedsReauth,
        403 => TroubleClass::Denied,
        // Of the account that was named; else the address is wrong.
        404 | 410 if config.question.names_account() => TroubleClass::Denied,
        408 | 425 => TroubleClass::Transient,
        429 => TroubleClass::Throttled,
        // No redirect is followed: the token must not travel.
        300..=499 => TroubleClass::Misconfigured,
        // An error that comes as 200 and whose code nobody has listed: no reason to believe that it stays.
        _ => TroubleClass::Transient,
    }
}

/// How long a reply asks to wait: in seconds or until a date (RFC 9110, 10.2.3).
fn asked_wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = text(headers, RETRY_AFTER.as_str())?;
    let date = || httpdate::parse_http_date(text).ok();
    let wait = span(text, now).or_else(|| Some(Timestamp::from_system_time(date()?).since(now)));
    wait.map(|wait| wait.min(LONGEST_WAIT))
}

/// How long it is until the quota begins again.
fn reset(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    RESETS.iter().find_map(|name| span(text(headers, name)?, now)).map(|wait| wait.min(LONGEST_WAIT))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// A wait in seconds, or the seconds since the epoch at which it is over.
fn span(text: &str, now: Timestamp) -> Option<Duration> {
    let number = text.split('.').next()?.parse::<i64>().ok().filter(|number| *number >= 0)?;
    Some(match number > EPOCH_ABOVE {
        true => Timestamp::from_secs(number).since(now),
        false => Duration::from_secs(number.unsigned_abs()),
    })
}

/// SECURITY: a code is the API's own text. Only what is short and plain is repeated, and nothing that has to do with the
/// token.
fn is_harmless(code: &str, token: &Secret) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=LONGEST_CODE).contains(&code.len())
        && code.bytes().all(plain)
        && !token.expose().contains(code)
        && (token.is_empty() || !code.contains(token.expose()))
}
