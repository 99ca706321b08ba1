//! What is served, by what is held and how old it is: the table of DESIGN 3 as one pure function.

use std::time::Duration;

use super::{Content, Entry, Invalid, Timestamp};

/// How an answer stands to the truth, for the `Avatar-State` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AvatarState {
    /// Younger than S1.
    Fresh,
    /// Older, and nothing has failed.
    Stale,
    /// Older than S1, and the last attempt to refresh it failed.
    LastGood,
    /// A generated picture.
    Placeholder,
}

impl AvatarState {
    /// The header's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::LastGood => "last-good",
            Self::Placeholder => "placeholder",
        }
    }
}

/// The ages, counted from `verified_at`, at which the answer changes. They add up: `s1 <= s2 <= s3 <= forget`.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// A hit older than this starts a refresh in the background: `refresh_ahead` times S1.
    pub ahead: Duration,
    /// S1: `fresh_for`.
    pub fresh_until: Duration,
    /// S2 = S1 + `stale_while_revalidate`.
    pub stale_while_revalidate_until: Duration,
    /// S3 = S2 + `stale_if_error`.
    pub stale_if_error_until: Duration,
    /// `forget_after`: held bytes are deleted.
    pub forget: Duration,
    /// "The account has no picture" is remembered for so long.
    pub no_picture: Duration,
}

impl Windows {
    /// Adds the configured spans up and checks that S3 does not reach beyond `forget_after`.
    pub fn new(
        fresh_for: Duration,
        refresh_ahead: f64,
        stale_while_revalidate: Duration,
        stale_if_error: Duration,
        forget_after: Duration,
        no_picture: Duration,
    ) -> Result<Self, Invalid> {
        let stale_while_revalidate_until = fresh_for.saturating_add(stale_while_revalidate);
        let stale_if_error_until = stale_while_revalidate_until.saturating_add(stale_if_error);
        if stale_if_error_until > forget_after {
            return Err(Invalid::new(
                "forget_after",
                super::units::show_duration(forget_after),
                format!(
                    "at least fresh_for + stale_while_revalidate + stale_if_error = {}",
                    super::units::show_duration(stale_if_error_until)
                ),
            ));
        }
        Ok(Self {
            ahead: fresh_for.mul_f64(refresh_ahead),
            fresh_until: fresh_for,
            stale_while_revalidate_until,
            stale_if_error_until,
            forget: forget_after,
            no_picture,
        })
    }
}

/// What to do with a request, each row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Answer with what is held.
    Hit,
    /// Answer with what is held and refresh in the background.
    StaleWhileRevalidate,
    /// Refresh, wait at most `avatar.wait`, then answer with last good bytes.
    StaleIfError,
    /// Refresh, wait at most `server.request_timeout`, then answer with last good bytes or a placeholder.
    Miss,
}

/// Decides by what is held and its age. `held` is `None` on a miss.
pub fn decide(held: Option<&Entry>, now: Timestamp, windows: &Windows) -> Decision {
    let Some(entry) = held else { return Decision::Miss };
    let age = entry.age(now, windows);
    match &entry.content {
        Content::Picture(_) if age < windows.ahead => Decision::Hit,
        Content::Picture(_) if age < windows.stale_while_revalidate_until => Decision::StaleWhileRevalidate,
        Content::Picture(_) if age < windows.stale_if_error_until => Decision::StaleIfError,
        Content::Picture(_) => Decision::Miss,
        Content::NoPicture if age < windows.no_picture && !entry.is_soft_purged() => Decision::Hit,
        Content::NoPicture | Content::Nothing => Decision::Miss,
    }
}

/// The state of a held picture that is served: `last-good` where the last attempt failed and the age is past S1.
pub fn state(entry: &Entry, now: Timestamp, windows: &Windows) -> AvatarState {
    match &entry.content {
        Content::NoPicture | Content::Nothing => AvatarState::Placeholder,
        Content::Picture(_) if entry.age(now, windows) < windows.fresh_until => AvatarState::Fresh,
        Content::Picture(_) if entry.failure().is_some() => AvatarState::LastGood,
        Content::Picture(_) => AvatarState::Stale,
    }
}
