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
    pub s1: Duration,
    /// S2 = S1 + `stale_while_revalidate`.
    pub s2: Duration,
    /// S3 = S2 + `stale_if_error`.
    pub s3: Duration,
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
        let s2 = fresh_for.saturating_add(stale_while_revalidate);
        let s3 = s2.saturating_add(stale_if_error);
        if s3 > forget_after {
            return Err(Invalid::new(
                "forget_after",
                super::units::show_duration(forget_after),
                format!(
                    "at least fresh_for + stale_while_revalidate + stale_if_error = {}",
                    super::units::show_duration(s3)
                ),
            ));
        }
        Ok(Self {
            ahead: fresh_for.mul_f64(refresh_ahead),
            s1: fresh_for,
            s2,
            s3,
            forget: forget_after,
            no_picture,
        })
    }
}

/// What to do with a request, each row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Answer with what is held.
    Serve,
    /// Answer with what is held and refresh in the background.
    ServeAndRefresh,
    /// Refresh, wait at most `avatar.wait`, then answer with last good bytes.
    RefreshWithin,
    /// Refresh, wait at most `server.request_timeout`, then answer with last good bytes or a placeholder.
    RefreshFully,
}

/// Decides by what is held and its age. `held` is `None` on a miss.
pub fn decide(held: Option<&Entry>, now: Timestamp, windows: &Windows) -> Decision {
    let Some(entry) = held else { return Decision::RefreshFully };
    let age = age(entry, now, windows);
    match &entry.content {
        Content::Picture(_) if age < windows.ahead => Decision::Serve,
        Content::Picture(_) if age < windows.s2 => Decision::ServeAndRefresh,
        Content::Picture(_) if age < windows.s3 => Decision::RefreshWithin,
        Content::Picture(_) => Decision::RefreshFully,
        Content::NoPicture if age < windows.no_picture && !entry.is_soft_purged() => Decision::Serve,
        Content::NoPicture | Content::Nothing => Decision::RefreshFully,
    }
}

/// The state of a held picture that is served: `last-good` where the last attempt failed and the age is past S1.
pub fn state(entry: &Entry, now: Timestamp, windows: &Windows) -> AvatarState {
    match &entry.content {
        Content::NoPicture | Content::Nothing => AvatarState::Placeholder,
        Content::Picture(_) if age(entry, now, windows) < windows.s1 => AvatarState::Fresh,
        Content::Picture(_) if entry.failure().is_some() => AvatarState::LastGood,
        Content::Picture(_) => AvatarState::Stale,
    }
}

/// At least S1 after a soft purge. A purge also moves `verified_at` back, but by the clock of its own moment: a view that
/// took its time earlier, or a clock that is set back afterwards, would find the entry younger.
fn age(entry: &Entry, now: Timestamp, windows: &Windows) -> Duration {
    let age = now.since(entry.verified_at);
    if entry.is_soft_purged() { age.max(windows.s1) } else { age }
}
