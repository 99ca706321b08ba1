//! [`DeliveryOutcome`]: what the receiver's answer means for the next attempt.

use std::time::Duration;

use crate::model::{Backoff, Timestamp};
use crate::origin::{FetchError, WebhookResponse};

/// The pause after a first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause. A `Retry-After` counts between these two.
const LONGEST_RETRY_PAUSE: Duration = Duration::from_secs(3600);
/// The pauses between the attempts on one receiver.
pub(super) const BACKOFF: Backoff = Backoff::new(FIRST_PAUSE, LONGEST_RETRY_PAUSE);

/// What an attempt means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DeliveryOutcome {
    /// Any 2xx.
    Delivered,
    /// 410: the receiver wants no more events.
    ReceiverGone,
    /// Everything else: try again after a pause.
    Retry {
        /// The time until the next attempt.
        pause: Duration,
        /// Whether the receiver named the pause.
        is_requested: bool,
        /// What went wrong, without an address.
        reason: String,
    },
}

/// What an answer means. `pause` is the sender's own pause in case the attempt failed.
pub(super) fn outcome(
    answer: &Result<WebhookResponse, FetchError>,
    pause: Duration,
    now: Timestamp,
) -> DeliveryOutcome {
    match answer {
        Ok(response) if (200..300).contains(&response.status) => DeliveryOutcome::Delivered,
        Ok(WebhookResponse { status: 410, .. }) => DeliveryOutcome::ReceiverGone,
        Ok(WebhookResponse { status: status @ (429 | 503), retry_after: Some(after) }) => {
            let requested = retry_after(after, now);
            let pause =
                requested.map_or(pause, |requested| requested.clamp(FIRST_PAUSE, LONGEST_RETRY_PAUSE));
            let is_requested = requested.is_some();
            DeliveryOutcome::Retry { pause, is_requested, reason: format!("HTTP {status}") }
        }
        Ok(response) => {
            let reason = format!("HTTP {}", response.status);
            DeliveryOutcome::Retry { pause, is_requested: false, reason }
        }
        Err(error) => DeliveryOutcome::Retry { pause, is_requested: false, reason: error.to_string() },
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

    const NOW: Timestamp = Timestamp::from_secs(1_445_412_420);

    fn of(status: u16, retry_after: Option<&str>) -> DeliveryOutcome {
        let response = WebhookResponse { status, retry_after: retry_after.map(str::to_owned) };
        outcome(&Ok(response), FIRST_PAUSE, NOW)
    }

    #[test]
    fn the_pause_doubles_from_five_seconds_to_an_hour() {
        let pauses = [1, 2, 3, 10, 11, 400].map(|failures| BACKOFF.after(failures).pause(0).as_secs());
        assert_eq!(pauses, [5, 10, 20, 2560, 3600, 3600]);
    }

    #[test]
    fn a_retry_after_of_429_and_503_counts_within_bounds() {
        for (status, header, seconds, expected) in [
            (429, "60", 60, true),
            (503, "60", 60, true),
            (500, "60", 5, false),
            (429, "0", 5, true),
            (429, "999999999", 3600, true),
            (429, "soon", 5, false),
            (429, "-1", 5, false),
            (503, "Wed, 21 Oct 2015 07:28:00 GMT", 60, true),
            (503, "Wed, 21 Oct 2015 07:00:00 GMT", 5, true),
        ] {
            let DeliveryOutcome::Retry { pause, is_requested, .. } = of(status, Some(header)) else {
                panic!("{status}")
            };
            assert_eq!((pause.as_secs(), is_requested), (seconds, expected), "{status} {header}");
        }
    }

    #[test]
    fn only_2xx_is_delivered_and_no_redirect_is_followed() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(of(status, None), DeliveryOutcome::Delivered, "{status}");
        }
        for status in [100, 199, 300, 301, 302, 307, 308, 400, 401, 404, 409, 411, 500, 502, 503] {
            assert!(matches!(of(status, None), DeliveryOutcome::Retry { .. }), "{status}");
        }
        assert_eq!(of(410, None), DeliveryOutcome::ReceiverGone);
        let (pause, reason) = (FIRST_PAUSE, "timed out".to_owned());
        let timed_out = outcome(&Err(FetchError::TimedOut), pause, NOW);
        assert_eq!(timed_out, DeliveryOutcome::Retry { pause, is_requested: false, reason });
    }
}
