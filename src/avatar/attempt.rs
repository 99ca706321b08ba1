//! [`settle`]: from what was held and what an attempt brought to what is held now. A pure function.

use std::sync::Arc;
use std::time::Duration;

use super::config::AvatarConfig;
use super::outcome::Failure;
use crate::directory::Row;
use crate::model::{
    AvatarId, Content, Entry, Generation, Link, Picture, Provider, Timestamp, TokenEnd, TroubleClass,
};

/// What an attempt brought.
#[derive(Debug)]
pub(super) enum Found {
    /// Bytes, confirmed by the provider at that time.
    Picture(Picture, Timestamp),
    /// The picture that is held, under a new signature.
    Same,
    /// The provider says that there is none.
    NoPicture,
    /// The account, but not its picture's field.
    FieldMissing,
    /// Nothing that could be shown.
    Nothing,
}

/// How an attempt ended. It can bring a picture and have failed nevertheless (step 4 of the ladder).
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) found: Found,
    /// The link that is good from now on.
    pub(super) link: Option<Link>,
    pub(super) failure: Option<Failure>,
    /// Whether the provider was asked and answered, so that what it does not say any more is over.
    pub(super) heard: bool,
    /// The account's name at the provider.
    pub(super) name: Option<Arc<str>>,
    /// For how long the account is to be left alone, by the provider's word.
    pub(super) rest: Option<Duration>,
    /// When the token ends, by the provider's word.
    pub(super) token_expires_at: Option<Timestamp>,
}

/// An Instagram reply without the field is "no picture" only when it was seen so often ...
const MISSING_REPLIES: u32 = 3;
/// ... over so long.
const MISSING_SPAN: Duration = Duration::from_secs(24 * 3600);

/// What is held after an attempt.
pub(super) fn settle(
    id: &AvatarId,
    old: Option<&Entry>,
    attempt: Attempt,
    row: &Row,
    generation: Generation,
    now: Timestamp,
    config: &AvatarConfig,
) -> Entry {
    let Attempt { found, link, mut failure, heard, name, rest, token_expires_at } = attempt;
    let is_json = matches!(row.connection.provider, Provider::Json(_));
    // What it said of this account and this token stands until it is heard again.
    let before = || old.filter(|old| is_json && !heard && old.fingerprint == row.fingerprint);
    let told = name.or_else(|| before()?.name.clone());
    let ends = token_expires_at.or_else(|| before()?.token_end?.named_by_provider());
    let token_end = old.and_then(|old| old.token_end);
    let token_end = TokenEnd::observe(row.connection.token_expires_at, ends, token_end, now);
    let mut field_missing = None;
    // What is kept began when it began: a deletion in between that was not heard of must still reach it.
    let kept = || (content_of(old), verified_at_of(old), old.map_or(generation, |old| old.generation));
    let soft_purged_at = old.map_or(Generation::default(), |old| old.soft_purged_at);
    let (content, verified_at, generation) = match found {
        Found::Picture(picture, verified_at) => {
            (Content::Picture(keep_equal(old, picture)), verified_at, generation)
        }
        Found::Same => (content_of(old), now, generation),
        Found::NoPicture => (Content::NoPicture, now, generation),
        Found::Nothing => kept(),
        Found::FieldMissing => {
            let (count, since) = old.and_then(|old| old.field_missing).unwrap_or((0, now));
            field_missing = Some((count + 1, since));
            if count + 1 >= MISSING_REPLIES && now.since(since) >= MISSING_SPAN {
                (Content::NoPicture, now, generation)
            } else {
                failure = Some(Failure {
                    retry_after: Some(config.windows.no_picture),
                    ..Failure::new(TroubleClass::Transient, "the reply has no picture field")
                });
                kept()
            }
        }
    };
    let before = old.and_then(|old| old.trouble.as_ref());
    Entry {
        content,
        verified_at,
        link,
        trouble: failure.map(|failure| failure.into_trouble(id, row.fingerprint, before, now, config)),
        field_missing,
        // An attempt that asked nobody ends no rest.
        rest_until: rest.map(|rest| now + rest).or_else(|| old?.rest_until.filter(|until| *until > now)),
        token_end,
        provider: row.connection.provider,
        name: row.connection.name.clone().or(told),
        fingerprint: row.fingerprint,
        generation,
        soft_purged_at,
    }
}

fn content_of(old: Option<&Entry>) -> Content {
    old.map_or(Content::Nothing, |old| old.content.clone())
}

/// The epoch for nothing, so that whatever comes is newer.
fn verified_at_of(old: Option<&Entry>) -> Timestamp {
    old.map_or(Timestamp::EPOCH, |old| old.verified_at)
}

/// The held picture where the bytes are the same, so that `Last-Modified` stays.
fn keep_equal(old: Option<&Entry>, picture: Picture) -> Arc<Picture> {
    match old.and_then(Entry::picture) {
        Some(held) if held.etag == picture.etag => {
            Arc::new(Picture { identity: picture.identity, ..Picture::clone(held) })
        }
        _ => Arc::new(picture),
    }
}
