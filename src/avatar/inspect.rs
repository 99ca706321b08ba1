//! [`Inspection`]: what operators see of one avatar who ask "why do I see this?".

use super::tiers::Peek;
use crate::model::{Content, Entry, Picture, Representation, Timestamp, Windows, state};

/// Everything that is known of one avatar, without secrets and addresses.
#[derive(Debug, serde::Serialize)]
pub struct Inspection {
    /// The id.
    pub id: String,
    /// Whose picture.
    pub provider: String,
    /// `fresh`, `stale`, `last-good` or `placeholder`: the answer to a view now.
    pub state: &'static str,
    /// `picture`, `no_picture`, or `nothing` where neither is known.
    pub content: &'static str,
    /// The picture, if there is one.
    pub picture: Option<PictureFacts>,
    /// When the provider last confirmed it, in milliseconds since the epoch.
    pub verified_at: Timestamp,
    /// When the picture's address ends; `None` = no address is held.
    pub link_expires_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub trouble: Option<TroubleFacts>,
    /// When the token ends, where the row or the provider says so.
    pub token_expires_at: Option<Timestamp>,
    /// Whether that is within seven days, or over.
    pub expires_soon: bool,
    /// Until when the account is not asked about, because its quota is nearly used up.
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

/// The picture's properties.
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
    /// When the next attempt may start; `None` = not until the row changes.
    pub retry_at: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
}

impl Inspection {
    /// Describes what a view would find.
    pub(super) fn new(
        peek: &Peek,
        app_paused_until: Option<Timestamp>,
        now: Timestamp,
        windows: &Windows,
    ) -> Self {
        let held = &peek.held;
        let entry = &held.entry;
        Self {
            id: held.id.to_string(),
            provider: entry.provider.to_string(),
            state: state(entry, now, windows).as_str(),
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
            rest_until: entry.rests_until(now),
            app_paused_until,
            row_read_at: held.row_read_at(),
            viewed_at: held.viewed_at(),
            held_in: peek.held_in.clone(),
        }
    }
}

fn picture_facts(picture: &Picture) -> PictureFacts {
    let Representation { bytes, etag, content_type, width, height, .. } = picture.original();
    PictureFacts { content_type, width, height, bytes: bytes.len(), etag: etag.as_str().to_owned() }
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
