//! What Meta's error codes mean (docs/providers.md, "Meta errors").
//!
//! The body decides, in 4xx and 5xx alike and in a 200 with an `error` member. The HTTP status and `type` never do: a
//! throttle comes as 400, 403 or 503, and its `type` is OAuthException, like that of a dead token.

use std::time::Duration;

use hyper::HeaderMap;
use serde_json::Value;

use super::usage::time_to_regain;
use crate::model::{Scope, TroubleClass};
use crate::provider::error::ProviderError;
use crate::provider::quota::QUOTA_WINDOW;

/// 459 (checkpoint) and 464 (unconfirmed): the same token may work again once its owner has acted at Facebook.
const OWNER_PAUSE: Duration = Duration::from_secs(24 * 3600);
/// 341 and 368 block an app or account for policy; such blocks last hours.
const POLICY_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// The body's `error` member.
struct GraphError<'a> {
    code: i64,
    subcode: Option<i64>,
    message: &'a str,
}

impl<'a> GraphError<'a> {
    fn of(body: &'a Value) -> Option<Self> {
        let error = body.get("error")?;
        let number = |name: &str| error.get(name).and_then(Value::as_i64);
        let message = error.get("message").and_then(Value::as_str).unwrap_or("");
        Some(Self { code: number("code")?, subcode: number("error_subcode"), message })
    }

    /// `code 190/463`.
    fn name(&self) -> String {
        match self.subcode {
            Some(subcode) => format!("code {}/{subcode}", self.code),
            None => format!("code {}", self.code),
        }
    }

    fn mentions(&self, words: &str) -> bool {
        self.message.to_ascii_lowercase().contains(words)
    }
}

/// What an error reply means. Pure; `body` is the raw body.
pub(in crate::provider) fn classify(status: u16, headers: &HeaderMap, body: &[u8]) -> ProviderError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    match GraphError::of(&body) {
        Some(error) => by_code(&error, headers),
        None => ProviderError::new(TroubleClass::Transient, format!("HTTP {status} without a code")),
    }
}

fn by_code(error: &GraphError<'_>, headers: &HeaderMap) -> ProviderError {
    let class = |class| ProviderError::new(class, error.name());
    match error.code {
        4 => ProviderError {
            scope: Scope::App,
            ..class(TroubleClass::Throttled).after(throttled_for(headers))
        },
        17 | 32 | 613 | 80_000..=80_014 => class(TroubleClass::Throttled).after(throttled_for(headers)),
        // Meta says this when a token reaches the host of the other login: the row is wrong, and the token is not dead.
        190 if error.mentions("cannot parse access token") => {
            ProviderError::new(TroubleClass::Misconfigured, "code 190: the token is not one of this host")
        }
        102 | 190 if matches!(error.subcode, Some(459 | 464)) => {
            class(TroubleClass::NeedsReauth).after(OWNER_PAUSE)
        }
        102 | 190 => class(TroubleClass::NeedsReauth),
        230 => class(TroubleClass::NoConsent),
        3 | 10 | 200..=299 => class(TroubleClass::Denied),
        341 | 368 => class(TroubleClass::Denied).after(POLICY_PAUSE),
        100 if error.mentions("appsecret_proof") => {
            ProviderError::new(TroubleClass::Misconfigured, "code 100: appsecret_proof")
        }
        100 | 803 | 2500 => class(TroubleClass::Misconfigured),
        // 1, 2 and codes that Meta may add: nothing says that they are permanent.
        _ => class(TroubleClass::Transient),
    }
}

/// Graph throttles carry no `Retry-After`; only the usage headers may name an end.
fn throttled_for(headers: &HeaderMap) -> Duration {
    time_to_regain(headers).unwrap_or(QUOTA_WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::error::error;
    use TroubleClass::{Denied, Misconfigured, NeedsReauth, NoConsent, Throttled, Transient};

    fn body(code: i64, subcode: Option<i64>, message: &str) -> Vec<u8> {
        let mut error = serde_json::json!({
            "message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1",
        });
        if let Some(subcode) = subcode {
            error["error_subcode"] = subcode.into();
        }
        serde_json::json!({ "error": error }).to_string().into_bytes()
    }

    fn of(code: i64, subcode: Option<i64>) -> ProviderError {
        classify(400, &HeaderMap::new(), &body(code, subcode, "token EAAsecret said no"))
    }

    fn usage(text: &str) -> HeaderMap {
        HeaderMap::from_iter([("x-business-use-case-usage".parse().unwrap(), text.parse().unwrap())])
    }

    #[test]
    fn every_code_has_its_class_and_its_pause() {
        const H: u64 = 3600;
        for (codes, class, pause) in [
            (&[1, 2, 0, -1, 5, 99, 300, 79_999, 80_015, 2635][..], Transient, None),
            (&[4, 17, 32, 613], Throttled, Some(H)),
            (
                &[80_000, 80_001, 80_002, 80_003, 80_004, 80_005, 80_006, 80_008, 80_009, 80_014],
                Throttled,
                Some(H),
            ),
            (&[102, 190], NeedsReauth, None),
            (&[3, 10, 200, 210, 229, 231, 299], Denied, None),
            (&[230], NoConsent, None),
            (&[341, 368], Denied, Some(6 * H)),
            (&[100, 803, 2500], Misconfigured, None),
        ] {
            for code in codes {
                let mut expected = error(class, pause, &format!("code {code}"));
                if *code == 4 {
                    expected.scope = Scope::App;
                }
                assert_eq!(of(*code, None), expected, "{code}");
            }
        }
    }

    #[test]
    fn a_subcode_refines_a_dead_token() {
        for (subcode, pause) in [
            (458, None),
            (459, Some(86_400)),
            (460, None),
            (463, None),
            (464, Some(86_400)),
            (467, None),
            (492, None),
        ] {
            for code in [102, 190] {
                let expected = error(NeedsReauth, pause, &format!("code {code}/{subcode}"));
                assert_eq!(of(code, Some(subcode)), expected);
            }
        }
        assert_eq!(of(100, Some(33)), error(Misconfigured, None, "code 100/33"));
        assert_eq!(of(17, Some(2_446_079)), error(Throttled, Some(3600), "code 17/2446079"));
    }

    #[test]
    fn a_fault_of_the_configuration_is_named() {
        for (code, message, reason) in [
            (
                100,
                "API calls from the server require an appsecret_proof argument",
                "code 100: appsecret_proof",
            ),
            (100, "Invalid appsecret_proof provided in the API argument", "code 100: appsecret_proof"),
            (
                190,
                "Invalid OAuth access token - Cannot parse access token",
                "code 190: the token is not one of this host",
            ),
        ] {
            let failed = classify(400, &HeaderMap::new(), &body(code, None, message));
            assert_eq!(failed, error(Misconfigured, None, reason));
        }
    }

    #[test]
    fn neither_status_nor_type_decides() {
        for status in [200, 400, 401, 403, 404, 429, 500, 503] {
            let failed = classify(status, &HeaderMap::new(), &body(190, Some(463), "expired"));
            assert_eq!(failed, error(NeedsReauth, None, "code 190/463"), "{status}");
        }
    }

    #[test]
    fn a_body_without_a_code_is_transient() {
        for body in
            ["", "<html>busy</html>", "{}", "[]", "null", r#"{"error":"no"}"#, r#"{"error":{"code":"x"}}"#]
        {
            let failed = classify(503, &HeaderMap::new(), body.as_bytes());
            assert_eq!(failed, error(Transient, None, "HTTP 503 without a code"), "{body}");
        }
    }

    #[test]
    fn a_throttle_lasts_until_the_last_of_its_usage_entries_regains_access() {
        for (header, seconds) in [
            (r#"{"1":[{"type":"pages","estimated_time_to_regain_access":0}]}"#, 3600),
            (r#"{"1":[{"type":"pages","estimated_time_to_regain_access":-5}]}"#, 3600),
            (r#"{"1":[{"type":"pages","estimated_time_to_regain_access":19}]}"#, 19 * 60),
            (
                r#"{"1":[{"estimated_time_to_regain_access":5},{"estimated_time_to_regain_access":61}],
                    "2":[{"estimated_time_to_regain_access":7}]}"#,
                61 * 60,
            ),
            (r#"{"1":[{"estimated_time_to_regain_access":1e300}]}"#, 7 * 86_400),
            (r#"{"1":[{"call_count":100}]}"#, 3600),
            ("not json", 3600),
            ("[1]", 3600),
        ] {
            let headers = usage(&header.replace('\n', ""));
            for code in [4, 17, 80_002] {
                let failed = classify(400, &headers, &body(code, None, "limit"));
                assert_eq!(failed.retry_after, Some(Duration::from_secs(seconds)), "{header}");
            }
        }
        let mut two = usage(r#"{"1":[{"estimated_time_to_regain_access":2}]}"#);
        two.append(
            "x-business-use-case-usage",
            r#"{"2":[{"estimated_time_to_regain_access":3}]}"#.parse().unwrap(),
        );
        assert_eq!(throttled_for(&two), Duration::from_secs(180));
    }

    #[test]
    fn the_usage_header_pauses_no_other_class() {
        let headers = usage(r#"{"1":[{"estimated_time_to_regain_access":19}]}"#);
        assert_eq!(classify(400, &headers, &body(190, None, "")).retry_after, None);
    }
}
