//! [`Message`]: an event as it is sent.

use bytes::Bytes;

use super::signature::SigningKey;
use crate::model::{AvatarEvent, Timestamp};
use crate::origin::WebhookRequest;

/// An event with its number. Body and id are the same at every attempt; the signature is not, since it holds the time.
#[derive(Debug, Clone)]
pub(super) struct Message {
    id: String,
    body: Bytes,
}

/// The body: the type, when it happened, and the thin data that the specification recommends.
#[derive(serde::Serialize)]
struct Body<'a> {
    r#type: String,
    timestamp: String,
    data: Data<'a>,
}

#[derive(serde::Serialize)]
struct Data<'a> {
    id: &'a str,
    provider: &'a str,
    reason: Option<&'a str>,
    etag: Option<&'a str>,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_expires_at: Option<String>,
}

impl Message {
    /// The message of an event.
    pub(super) fn of(happened: &AvatarEvent, sequence: u64) -> Self {
        let AvatarEvent { id, provider, kind, at, reason, etag, .. } = happened;
        let body = Body {
            r#type: format!("avatar.{}", kind.as_str()),
            timestamp: rfc3339(*at),
            data: Data {
                id: id.as_str(),
                provider: provider.as_str(),
                reason: reason.map(|class| class.as_str()),
                etag: etag.as_deref(),
                sequence,
                token_expires_at: happened.token_expires_at().map(rfc3339),
            },
        };
        Self {
            // Plain, so that an operator finds it in both logs. An avatar's id has no dots (a signature's text is divided
            // by them), and no kind ends in another's name, so no two events have one id.
            id: format!("{id}_{}_{sequence}", kind.as_str()),
            body: serde_json::to_vec(&body).unwrap_or_default().into(),
        }
    }

    /// The `webhook-id`.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The request of an attempt that is made now.
    pub(super) fn letter(&self, key: &SigningKey, now: Timestamp) -> WebhookRequest {
        let signature = key.sign(&self.id, now, &self.body).unwrap_or_default();
        WebhookRequest {
            body: self.body.clone(),
            headers: vec![
                ("webhook-id", self.id.clone()),
                ("webhook-timestamp", now.as_secs().to_string()),
                ("webhook-signature", signature),
            ],
        }
    }
}

/// A time as RFC 3339 writes it, in UTC with milliseconds.
fn rfc3339(at: Timestamp) -> String {
    let millis = at.as_millis().max(0);
    let (days, of_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1000)
}

/// Year, month and day of a number of days since 1970 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `civil_from_days`): the year begins in March there, so that a leap day is its last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AvatarId, EventKind, Provider, TroubleClass};

    #[test]
    fn a_message_says_what_happened_when_and_why() {
        let happened = AvatarEvent {
            id: AvatarId::parse("a-b_c").unwrap(),
            provider: Provider::Instagram,
            kind: EventKind::NeedsReauth,
            at: Timestamp::from_millis(1_767_225_600_007),
            discriminator: "x".to_owned(),
            reason: Some(TroubleClass::NeedsReauth),
            etag: None,
        };
        let message = Message::of(&happened, 1_767_225_600_123);
        assert_eq!(message.id(), "a-b_c_needs_reauth_1767225600123");
        assert_eq!(
            std::str::from_utf8(&message.body).unwrap(),
            r#"{"type":"avatar.needs_reauth","timestamp":"2026-01-01T00:00:00.007Z","data":{"id":"a-b_c","provider":"instagram","reason":"needs_reauth","etag":null,"sequence":1767225600123}}"#
        );
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(Timestamp::from_secs(seconds)), text);
        }
    }
}
