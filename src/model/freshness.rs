//! What is served, decided by what is cached and how old it is, as pure functions in the terms of RFC 5861.

use std::time::Duration;

use super::{Content, Entry, Invalid, Timestamp, TroubleClass};

/// How current an answer is, for the `Avatar-State` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AvatarState {
    /// Younger than `fresh_for`.
    Fresh,
    /// Older, and the last attempt to refresh it did not fail.
    Stale,
    /// Older than `fresh_for`, and the last attempt to refresh it failed.
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

/// The ages, counted from `verified_at`, at which the answer changes. Each contains the one before: `fresh_until <=
/// stale_while_revalidate_until <= stale_if_error_until <= forget`.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// A hit older than this starts a refresh in the background: `refresh_ahead` times `fresh_for`.
    pub ahead: Duration,
    /// `fresh_for`.
    pub fresh_until: Duration,
    /// `fresh_until` and `stale_while_revalidate`.
    pub stale_while_revalidate_until: Duration,
    /// `stale_while_revalidate_until` and `stale_if_error`.
    pub stale_if_error_until: Duration,
    /// `forget_after`: the cached bytes are deleted.
    pub forget: Duration,
    /// How long "the account has no picture" is believed.
    pub no_picture: Duration,
}

impl Windows {
    /// Adds the configured spans up.
    ///
    /// # Errors
    /// Their sum passes `forget_after`.
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

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Answer from the cache.
    Hit,
    /// Answer from the cache and refresh in the background.
    StaleWhileRevalidate,
    /// Refresh and wait at most `avatar.wait`; if that fails, answer with the last good bytes.
    StaleIfError,
    /// Refresh and wait at most `server.request_timeout`; if that fails, answer with the last good bytes or a placeholder.
    Miss,
}

/// Decides by the cached entry and its age; `held` is `None` where nothing is cached.
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

/// The state of a cached picture that is served: `last-good` if the last attempt failed and the picture is older than
/// `fresh_for`.
pub fn state(entry: &Entry, now: Timestamp, windows: &Windows) -> AvatarState {
    match &entry.content {
        Content::NoPicture | Content::Nothing => AvatarState::Placeholder,
        Content::Picture(_) if entry.age(now, windows) < windows.fresh_until => AvatarState::Fresh,
        Content::Picture(_) if entry.failure().is_some() => AvatarState::LastGood,
        Content::Picture(_) => AvatarState::Stale,
    }
}

impl Entry {
    /// The time since the provider confirmed the content. A confirmation that a wrong clock dated into the future counts as
    /// old: a picture is served while a refresh runs, and "no picture" is asked for again.
    ///
    /// After a soft purge it is at least `fresh_for`. A purge also moves `verified_at` back, but by the clock of its own
    /// moment: a view that took its time earlier, or a clock that is set back afterwards, would find the entry younger.
    pub fn age(&self, now: Timestamp, windows: &Windows) -> Duration {
        let age = self.verified_at.age(now).unwrap_or(match self.content {
            Content::Picture(_) | Content::Nothing => windows.fresh_until,
            Content::NoPicture => windows.no_picture,
        });
        if self.is_soft_purged() { age.max(windows.fresh_until) } else { age }
    }

    /// Whether the last good bytes are served after a failed refresh: until `forget_after`, but without the person's consent
    /// only until `stale_if_error_until`.
    pub fn shows_last_good(&self, now: Timestamp, windows: &Windows) -> bool {
        let age = self.age(now, windows);
        let consent = self.trouble.as_ref().is_none_or(|trouble| trouble.class != TroubleClass::NoConsent);
        self.picture().is_some() && age < windows.forget && (consent || age < windows.stale_if_error_until)
    }
}
