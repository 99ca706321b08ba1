//! When the next attempt may start, by how the receiver answered.

use std::time::Duration;

use crate::model::{Timestamp, transient_pause};
use crate::origin::{FetchError, WebhookResponse};

/// The pause after a first failure; it doubles with each further one ...
const FIRST: Duration = Duration::from_secs(5);
/// ... up to here. A `Retry-After` is obeyed between the two.
const LONGEST: Duration = Duration::from_secs(3600);

/// What an attempt means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Any 2xx.
    Delivered,
    /// 410: the receiver wants no more events, not now and not later.
    Gone,
    /// All else; the next attempt after so long.
    Again {
        /// How long.
        pause: Duration,
        /// The receiver has said how long.
        asked: bool,
        /// What went wrong, without an address.
        why: String,
    },
}

/// What an attempt means that was the `failures`th to fail in a row, if it did. `jitter` is random.
pub(super) fn verdict(
    answer: &Result<WebhookResponse, FetchError>,
    failures: u32,
    jitter: u8,
    now: Timestamp,
) -> Verdict {
    let pause = transient_pause(failures, FIRST, LONGEST, jitter);
    match answer {
        Ok(posted) if (200..300).contains(&posted.status) => Verdict::Delivered,
        Ok(WebhookResponse { status: 410, .. }) => Verdict::Gone,
        Ok(WebhookResponse { status: status @ (429 | 503), retry_after: Some(after) }) => {
            let asked = retry_after(after, now);
            let pause = asked.map_or(pause, |asked| asked.clamp(FIRST, LONGEST));
            Verdict::Again { pause, asked: asked.is_some(), why: format!("HTTP {status}") }
        }
        Ok(posted) => Verdict::Again { pause, asked: false, why: format!("HTTP {}", posted.status) },
        Err(error) => Verdict::Again { pause, asked: false, why: error.to_string() },
    }
}

/// Seconds or an HTTP date (RFC 9110 10.2.3).
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(Timestamp::from_system_time(date).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(status: u16, retry_after: Option<&str>, failures: u32) -> u64 {
        let posted = WebhookResponse { status, retry_after: retry_after.map(str::to_owned) };
        match verdict(&Ok(posted), failures, 0, Timestamp::from_secs(1_445_412_420)) {
            Verdict::Again { pause, .. } => pause.as_secs(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_pause_doubles_from_five_seconds_to_an_hour() {
        let pauses: Vec<u64> = [1, 2, 3, 10, 11, 400].map(|failures| pause(500, None, failures)).into();
        assert_eq!(pauses, [5, 10, 20, 2560, 3600, 3600]);
    }

    #[test]
    fn a_retry_after_of_429_and_503_is_obeyed_within_bounds() {
        for (status, header, expected) in [
            (429, "60", 60),
            (503, "60", 60),
            (500, "60", 5),
            (429, "0", 5),
            (429, "999999999", 3600),
            (429, "soon", 5),
            (429, "-1", 5),
            (503, "Wed, 21 Oct 2015 07:28:00 GMT", 60),
            (503, "Wed, 21 Oct 2015 07:00:00 GMT", 5),
        ] {
            assert_eq!(pause(status, Some(header), 1), expected, "{status} {header}");
        }
    }

    #[test]
    fn only_2xx_is_delivered_and_a_redirect_is_not_followed() {
        let of = |status| verdict(&Ok(WebhookResponse { status, retry_after: None }), 1, 0, Timestamp::EPOCH);
        assert!([200, 201, 202, 204, 299].into_iter().all(|status| of(status) == Verdict::Delivered));
        for status in [100, 199, 300, 301, 302, 307, 308, 400, 401, 404, 409, 411, 500, 502, 503] {
            assert!(matches!(of(status), Verdict::Again { .. }), "{status}");
        }
        assert_eq!(of(410), Verdict::Gone);
        let timed_out = verdict(&Err(FetchError::TimedOut), 1, 0, Timestamp::EPOCH);
        assert_eq!(timed_out, Verdict::Again { pause: FIRST, asked: false, why: "timed out".to_owned() });
    }
}
