//! [`apply`]: folds the result of an attempt into the entry that was held. A pure function.

use std::sync::Arc;
use std::time::Duration;

use super::failure::Failure;
use crate::avatar::config::AvatarConfig;
use crate::directory::Row;
use crate::model::{
    AvatarId, Content, Entry, Generation, Link, Picture, Provider, Timestamp, TokenEnd, TroubleClass,
};

/// What an attempt found.
#[derive(Debug)]
pub(super) enum Finding {
    /// A picture, confirmed by the provider at that time.
    Picture(Picture, Timestamp),
    /// The held picture, under a new signature.
    Same,
    /// The provider says that there is none.
    NoPicture,
    /// The account, but not its picture's field.
    FieldMissing,
    /// Nothing to show.
    Nothing,
}

/// How an attempt ended. It can bring a picture and have failed nevertheless (step 4 of the ladder).
#[derive(Debug)]
pub(super) struct AttemptResult {
    pub(super) finding: Finding,
    /// The link to use from now on.
    pub(super) link: Option<Link>,
    pub(super) failure: Option<Failure>,
    /// Whether the provider was asked and answered: what its answer leaves out does not hold any more.
    pub(super) answered: bool,
    /// The account's name at the provider.
    pub(super) name: Option<Arc<str>>,
    /// How long the provider asks to leave the account alone.
    pub(super) rest: Option<Duration>,
    /// When the token ends, if the provider says so.
    pub(super) token_expires_at: Option<Timestamp>,
}

/// Replies without the picture's field that make "no picture" ...
const MISSING_REPLIES: u32 = 3;
/// ... when they span this long. Instagram leaves the field out for a while now and then.
const MISSING_SPAN: Duration = Duration::from_secs(24 * 3600);

/// The entry after an attempt.
pub(super) fn apply(
    result: AttemptResult,
    id: &AvatarId,
    old: Option<&Entry>,
    row: &Row,
    generation: Generation,
    now: Timestamp,
    config: &AvatarConfig,
) -> Entry {
    let AttemptResult { finding, link, mut failure, answered, name, rest, token_expires_at } = result;
    let is_json = matches!(row.connection.provider, Provider::Json(_));
    // What a JSON provider said of this account and this token stands until its next answer.
    let before = || old.filter(|old| is_json && !answered && old.fingerprint == row.fingerprint);
    let provider_name = name.or_else(|| before()?.name.clone());
    let ends = token_expires_at.or_else(|| before()?.token_end?.named_by_provider());
    let token_end = old.and_then(|old| old.token_end);
    let token_end = TokenEnd::observe(row.connection.token_expires_at, ends, token_end, now);
    let mut field_missing = None;
    // Old content keeps its generation: a deletion that this instance has not heard of yet must still reach it.
    let unchanged = || (content_of(old), verified_at_of(old), old.map_or(generation, |old| old.generation));
    let soft_purged_at = old.map_or(Generation::default(), |old| old.soft_purged_at);
    let (content, verified_at, generation) = match finding {
        Finding::Picture(picture, verified_at) => {
            (Content::Picture(keep_if_equal(old, picture)), verified_at, generation)
        }
        Finding::Same => (content_of(old), now, generation),
        Finding::NoPicture => (Content::NoPicture, now, generation),
        Finding::Nothing => unchanged(),
        Finding::FieldMissing => {
            let (count, since) = old.and_then(|old| old.field_missing).unwrap_or((0, now));
            field_missing = Some((count + 1, since));
            if count + 1 >= MISSING_REPLIES && now.since(since) >= MISSING_SPAN {
                (Content::NoPicture, now, generation)
            } else {
                failure = Some(Failure {
                    retry_after: Some(config.windows.no_picture),
                    ..Failure::new(TroubleClass::Transient, "the reply has no picture field")
                });
                unchanged()
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
        // An attempt that made no call ends no rest.
        rest_until: rest.map(|rest| now + rest).or_else(|| old?.rests_until(now)),
        token_end,
        provider: row.connection.provider,
        name: row.connection.name.clone().or(provider_name),
        fingerprint: row.fingerprint,
        generation,
        soft_purged_at,
    }
}

fn content_of(old: Option<&Entry>) -> Content {
    old.map_or(Content::Nothing, |old| old.content.clone())
}

/// The epoch where nothing is held, so that any entry is newer.
fn verified_at_of(old: Option<&Entry>) -> Timestamp {
    old.map_or(Timestamp::EPOCH, |old| old.verified_at)
}

/// The held picture where the bytes are the same, so that `Last-Modified` stays.
fn keep_if_equal(old: Option<&Entry>, picture: Picture) -> Arc<Picture> {
    match old.and_then(Entry::picture) {
        Some(held) if held.etag == picture.etag => {
            Arc::new(Picture { identity: picture.identity, ..Picture::clone(held) })
        }
        _ => Arc::new(picture),
    }
}
