//! [`Served`]: what a request is answered with, made of what is held.

use std::sync::Arc;

use super::filling::Filling;
use super::service::Service;
use crate::model::{AvatarState, CacheStatus, Content, Timestamp, state};
use crate::store::Held;

/// The answer to a request.
#[derive(Debug)]
pub enum Served {
    /// A whole picture.
    Picture(Arc<Held>, AvatarState, CacheStatus),
    /// A picture that is still coming in; nothing is held yet.
    Streaming(Arc<Filling>),
    /// A generated picture, with what it is made from.
    Placeholder(Option<Arc<Held>>, CacheStatus),
    /// No such connection.
    Unknown,
}

impl Service {
    /// The answer after a refresh that failed or is not over in time: last good bytes, or a placeholder.
    pub(super) fn fall_back(&self, held: Option<Arc<Held>>) -> Served {
        let now = self.parts.clock.now();
        let windows = &self.parts.config.windows;
        match held {
            Some(held) if held.entry.shows_last_good(now, windows) => {
                let state = match state(&held.entry, now, windows) {
                    AvatarState::Stale => AvatarState::LastGood,
                    other => other,
                };
                Served::Picture(held, state, CacheStatus::LastGood)
            }
            held => Served::Placeholder(held, CacheStatus::Unavailable),
        }
    }

    /// The answer made of what is held, without a wait.
    pub(super) fn present(&self, held: Arc<Held>, now: Timestamp, status: CacheStatus) -> Served {
        match held.entry.content {
            Content::NoPicture => Served::Placeholder(Some(held), CacheStatus::NoPicture),
            Content::Nothing => Served::Placeholder(Some(held), CacheStatus::Unavailable),
            Content::Picture(_) => {
                let state = match state(&held.entry, now, &self.parts.config.windows) {
                    AvatarState::Stale if self.pauses.until(held.entry.provider, now).is_some() => {
                        AvatarState::LastGood
                    }
                    state => state,
                };
                let status = match (status, state) {
                    (CacheStatus::Hit, AvatarState::Stale) => CacheStatus::Stale,
                    (CacheStatus::Hit, AvatarState::LastGood) => CacheStatus::LastGood,
                    (status, _) => status,
                };
                Served::Picture(held, state, status)
            }
        }
    }
}
