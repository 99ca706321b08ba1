//! What the Bot API's errors mean (docs/providers.md, "Telegram").

use std::time::Duration;

use serde_json::Value;

use crate::model::{LONGEST_PAUSE, TroubleClass};
use crate::provider::error::ProviderError;

/// What a body means that is not `ok`. The API repeats the HTTP status as `error_code`; a reply without one comes from
/// something in between, such as a gateway.
pub(super) fn classify(status: u16, body: &Value) -> ProviderError {
    let Some(code) = body.get("error_code").and_then(Value::as_i64) else {
        return ProviderError::new(TroubleClass::Transient, format!("HTTP {status} without an error code"));
    };
    let class = |class| ProviderError::new(class, format!("error {code}"));
    if let Some(seconds) = body.pointer("/parameters/retry_after").and_then(Value::as_u64) {
        return class(TroubleClass::Throttled).after(Duration::from_secs(seconds).min(LONGEST_PAUSE));
    }
    match code {
        // The server also sends 400 when its own backend fails.
        400 if mentions(body, "temporarily unavailable") => class(TroubleClass::Transient),
        400 | 403 => class(TroubleClass::Denied),
        401 => class(TroubleClass::NeedsReauth),
        404 | 421 => class(TroubleClass::Misconfigured),
        429 => class(TroubleClass::Throttled),
        _ => class(TroubleClass::Transient),
    }
}

fn mentions(body: &Value, words: &str) -> bool {
    let description = body.get("description").and_then(Value::as_str).unwrap_or("");
    description.to_ascii_lowercase().contains(words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::error::error;
    use TroubleClass::{Denied, Misconfigured, NeedsReauth, Throttled, Transient};

    #[test]
    fn every_error_has_its_class() {
        for (code, description, class) in [
            (400, "Bad Request: wrong file_id or the file is temporarily unavailable", Transient),
            (400, "Bad Request: file is too big", Denied),
            (400, "Bad Request: chat not found", Denied),
            (401, "Unauthorized", NeedsReauth),
            (401, "Unauthorized: invalid token specified", NeedsReauth),
            (403, "Forbidden: bot was kicked from the channel chat", Denied),
            (404, "Not Found", Misconfigured),
            (421, "Misdirected Request", Misconfigured),
            (429, "Too Many Requests", Throttled),
            (409, "Conflict", Transient),
            (500, "Internal Server Error", Transient),
            (502, "Bad Gateway", Transient),
        ] {
            let body = json!({"ok": false, "error_code": code, "description": description});
            assert_eq!(classify(200, &body), error(class, None, &format!("error {code}")), "{description}");
        }
    }

    #[test]
    fn a_reply_that_names_a_wait_is_a_throttle_with_any_code() {
        let week = LONGEST_PAUSE.as_secs();
        for (code, wait, pause) in [(429, 17, 17), (400, 3, 3), (429, 0, 0), (429, u64::MAX, week)] {
            let body = json!({"ok": false, "error_code": code, "parameters": {"retry_after": wait}});
            assert_eq!(classify(429, &body), error(Throttled, Some(pause), &format!("error {code}")));
        }
        let moved = json!({"ok": false, "error_code": 400, "parameters": {"migrate_to_chat_id": -1001}});
        assert_eq!(classify(400, &moved), error(Denied, None, "error 400"));
    }

    #[test]
    fn the_status_alone_decides_nothing() {
        for status in [200, 401, 404, 429] {
            for body in [json!(null), json!({}), json!({"ok": false, "error_code": "401"})] {
                let expected = error(Transient, None, &format!("HTTP {status} without an error code"));
                assert_eq!(classify(status, &body), expected);
            }
        }
    }
}
