//! [`WebhookMessage`]: an event as it is sent.

use bytes::Bytes;

use super::signature::SigningKey;
use crate::model::{AvatarEvent, Timestamp};
use crate::origin::WebhookRequest;

/// An event with its number. Body and id are the same at every attempt; the signature is not, since it covers the time.
#[derive(Debug, Clone)]
pub(super) struct WebhookMessage {
    id: String,
    body: Bytes,
}

/// The body: type, time, and the short data that the specification recommends.
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

impl WebhookMessage {
    /// The message of an event with this number.
    pub(super) fn of(event: &AvatarEvent, sequence: u64) -> Self {
        let AvatarEvent { id, provider, kind, at, reason, etag, .. } = event;
        let body = Body {
            r#type: format!("avatar.{}", kind.as_str()),
            timestamp: rfc3339(*at),
            data: Data {
                id: id.as_str(),
                provider: provider.as_str(),
                reason: reason.map(|class| class.as_str()),
                etag: etag.as_deref(),
                sequence,
                token_expires_at: event.token_expires_at().map(rfc3339),
            },
        };
        Self {
            // Readable, so that an operator finds it in both logs. Dots separate the parts that the signature covers, and an
            // avatar's id has none; and no kind's name ends in another's, so no two events share an id.
            id: format!("{id}_{}_{sequence}", kind.as_str()),
            body: serde_json::to_vec(&body).unwrap_or_default().into(),
        }
    }

    /// The `webhook-id`.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The request of an attempt at `now`.
    pub(super) fn request(&self, key: &SigningKey, now: Timestamp) -> WebhookRequest {
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

/// A time in RFC 3339, in UTC with milliseconds. A time that no calendar has (before 1970, after 9999) becomes the nearest
/// one it has.
fn rfc3339(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis().max(0)).unwrap_or(jiff::Timestamp::MAX);
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AvatarId, EventKind, Provider, TroubleClass};

    #[test]
    fn a_message_names_the_event_its_time_and_its_reason() {
        let event = AvatarEvent {
            id: AvatarId::parse("a-b_c").unwrap(),
            provider: Provider::Instagram,
            kind: EventKind::NeedsReauth,
            at: Timestamp::from_millis(1_767_225_600_007),
            discriminator: "x".to_owned(),
            reason: Some(TroubleClass::NeedsReauth),
            etag: None,
        };
        let message = WebhookMessage::of(&event, 1_767_225_600_123);
        assert_eq!(message.id(), "a-b_c_needs_reauth_1767225600123");
        assert_eq!(
            std::str::from_utf8(&message.body).unwrap(),
            r#"{"type":"avatar.needs_reauth","timestamp":"2026-01-01T00:00:00.007Z","data":{"id":"a-b_c","provider":"instagram","reason":"needs_reauth","etag":null,"sequence":1767225600123}}"#
        );
    }

    #[test]
    fn times_are_written_in_rfc_3339() {
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
        assert_eq!(rfc3339(Timestamp::from_millis(-1)), "1970-01-01T00:00:00.000Z");
        assert!(rfc3339(Timestamp::from_millis(i64::MAX)).starts_with("9999-12-30T"));
    }
}
