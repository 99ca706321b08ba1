//! [`Reply`]: what a request is answered with, made of the entry that is held.

use std::sync::Arc;

use super::refresh::StreamBuffer;
use crate::model::{
    AvatarState, CacheStatus, Content, FlightFailure, Representation, Timestamp, Windows, state,
};
use crate::store::Held;

/// The answer to a request.
#[derive(Debug)]
pub enum Reply {
    /// A whole picture, of the entry that it belongs to.
    Picture(Arc<Held>, Representation, AvatarState, CacheStatus),
    /// A picture that is still being downloaded; no tier holds it yet.
    Streaming(Arc<StreamBuffer>),
    /// A generated picture, and the entry that it is made from.
    Placeholder(Option<Arc<Held>>, CacheStatus),
    /// The directory has no such connection.
    Unknown,
}

impl Reply {
    /// The answer from an entry, without a wait. `is_paused`: its provider's whole app rests.
    pub(super) fn present(
        held: Arc<Held>,
        status: CacheStatus,
        is_paused: bool,
        now: Timestamp,
        windows: &Windows,
    ) -> Self {
        match held.entry.content {
            Content::NoPicture => Self::Placeholder(Some(held), CacheStatus::NoPicture),
            Content::Nothing => Self::Placeholder(Some(held), CacheStatus::Unavailable(None)),
            Content::Picture(ref picture) => {
                let representation = picture.original();
                let state = match state(&held.entry, now, windows) {
                    AvatarState::Stale if is_paused => AvatarState::LastGood,
                    state => state,
                };
                let status = match (status, state) {
                    (CacheStatus::Hit, AvatarState::Stale) => CacheStatus::Stale,
                    (CacheStatus::Hit, AvatarState::LastGood) => CacheStatus::LastGood,
                    (status, _) => status,
                };
                Self::Picture(held, representation, state, status)
            }
        }
    }

    /// The answer after a refresh that failed or did not end in time: last good bytes, or a placeholder.
    pub(super) fn fall_back(
        held: Option<Arc<Held>>,
        why: Option<FlightFailure>,
        now: Timestamp,
        windows: &Windows,
    ) -> Self {
        let last_good = held.as_ref().filter(|held| held.entry.shows_last_good(now, windows));
        let representation =
            last_good.and_then(|held| held.entry.picture()).map(|picture| picture.original());
        match (held, representation) {
            (Some(held), Some(representation)) => {
                let state = match state(&held.entry, now, windows) {
                    AvatarState::Stale => AvatarState::LastGood,
                    other => other,
                };
                Self::Picture(held, representation, state, CacheStatus::LastGood)
            }
            (held, _) => Self::Placeholder(held, CacheStatus::Unavailable(why)),
        }
    }
}
