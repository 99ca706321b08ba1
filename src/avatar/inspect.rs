//! What an operator can ask and do about one avatar: "why do I see this?", refresh, purge, delete.

use std::sync::Arc;

use super::service::{Service, Urgency};
use super::shared::Peeked;
use crate::model::{AvatarId, Content, Entry, Picture, Timestamp, state};

/// All that is known of one avatar; no secret, no address.
#[derive(Debug, serde::Serialize)]
pub struct Inspection {
    /// The id.
    pub id: String,
    /// Whose picture.
    pub provider: String,
    /// `fresh`, `stale`, `last-good` or `placeholder`: what a view would be answered now.
    pub state: &'static str,
    /// Whether there is a picture, none, or nothing is known.
    pub content: &'static str,
    /// The picture, if there is one.
    pub picture: Option<PictureFacts>,
    /// When the provider last confirmed it, in milliseconds since the epoch.
    pub verified_at: Timestamp,
    /// When the address of the picture must not be used any more; none is held without it.
    pub link_expires_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub trouble: Option<TroubleFacts>,
    /// When the token ends, where row or provider say.
    pub token_expires_at: Option<Timestamp>,
    /// Whether that is within seven days, or over.
    pub expires_soon: bool,
    /// Until when the account is left alone, since its quota is nearly used up.
    pub rest_until: Option<Timestamp>,
    /// Until when the whole app is paused.
    pub app_paused_until: Option<Timestamp>,
    /// When the row was last read by this process.
    pub row_read_at: Timestamp,
    /// When it was last viewed in this process.
    pub viewed_at: Timestamp,
    /// The stores that hold it.
    pub held_in: Vec<&'static str>,
}

/// What is known of the bytes.
#[derive(Debug, serde::Serialize)]
pub struct PictureFacts {
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// In bytes.
    pub bytes: usize,
    /// With its quotes.
    pub etag: String,
}

/// The last failure.
#[derive(Debug, serde::Serialize)]
pub struct TroubleFacts {
    /// `transient`, `throttled`, `needs_reauth`, `denied`, `no_consent` or `misconfigured`.
    pub class: &'static str,
    /// What happened.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// When the next attempt may start; none = not until the row changes.
    pub retry_at: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
}

impl Service {
    /// What is known of an avatar, without refreshing it.
    pub async fn inspect(&self, id: &AvatarId) -> Option<Inspection> {
        let now = self.parts.clock.now();
        let Peeked { held, held_in } = self.peek(id, now).await?;
        let entry = &held.entry;
        Some(Inspection {
            id: id.to_string(),
            provider: entry.provider.to_string(),
            state: state(entry, now, &self.parts.config.windows).as_str(),
            content: match &entry.content {
                Content::Picture(_) => "picture",
                Content::NoPicture => "no_picture",
                Content::Nothing => "nothing",
            },
            picture: entry.picture().map(|picture| picture_facts(picture)),
            verified_at: entry.verified_at,
            link_expires_at: entry.link.as_ref().map(|link| link.expires_at),
            trouble: trouble_facts(entry),
            token_expires_at: entry.token_end.map(|end| end.at),
            expires_soon: entry.token_end.is_some_and(|end| end.is_soon(now)),
            rest_until: entry.rest_until.filter(|until| *until > now),
            app_paused_until: self.pauses.until(entry.provider, now),
            row_read_at: held.row_read_at(),
            viewed_at: held.viewed_at(),
            held_in,
        })
    }

    /// Refreshes now, whatever pauses of this avatar say, and tells what is held then. `None`: no such connection.
    pub async fn refresh_now(self: &Arc<Self>, id: &AvatarId) -> Option<Inspection> {
        let mut budget = self.parts.redis.budget();
        // From whichever store: against nothing no change could be seen.
        let held = self.held(id, self.parts.clock.now(), &mut budget).await;
        self.parts.directory.forget(id);
        if let Some(flight) = self.begin(id, held, Urgency::Forced, budget) {
            flight.ended(self.parts.request_timeout).await;
        }
        self.inspect(id).await
    }
}

fn picture_facts(picture: &Picture) -> PictureFacts {
    PictureFacts {
        content_type: picture.header.kind.content_type(),
        width: picture.header.width,
        height: picture.header.height,
        bytes: picture.bytes.len(),
        etag: picture.etag.as_str().to_owned(),
    }
}

fn trouble_facts(entry: &Entry) -> Option<TroubleFacts> {
    entry.failure().map(|trouble| TroubleFacts {
        class: trouble.class.as_str(),
        reason: trouble.reason.clone(),
        at: trouble.at,
        retry_at: trouble.retry_at,
        failures: trouble.failures,
    })
}
