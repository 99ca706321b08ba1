//! [`Entry`]: all that is held of one avatar.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Fingerprint, LONGEST_PAUSE, Link, Picture, Provider, Timestamp, TokenEnd, Trouble, TroubleClass, Windows,
};

/// How often an avatar has been purged or deleted. A store refuses an entry of an older generation, so that a refresh
/// under way cannot bring deleted bytes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// Reads one that somebody else wrote.
    ///
    /// SECURITY: one beyond what a counter of milliseconds can reach would purge everything for ever, so it is none.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|generation| *generation < 1 << 53).map(Self)
    }
}

/// What is known of the account's picture.
#[derive(Debug, Clone)]
pub enum Content {
    /// There is one, and these are its bytes.
    Picture(Arc<Picture>),
    /// The provider says that the account has none.
    NoPicture,
    /// Nothing yet: only trouble has been met.
    Nothing,
}

/// What is held of one avatar: a value, replaced as a whole.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The picture, or that there is none.
    pub content: Content,
    /// When the provider last confirmed the content; ages count from here.
    pub verified_at: Timestamp,
    /// Where the bytes can be fetched again.
    pub link: Option<Link>,
    /// Why the last refresh failed; `None` after a success.
    pub trouble: Option<Trouble>,
    /// Replies in a row that had the account but not its picture's field, with the time of the first.
    pub field_missing: Option<(u32, Timestamp)>,
    /// Until when the account is left alone, since its own quota is nearly used up.
    pub rest_until: Option<Timestamp>,
    /// When the token ends, where row or provider say.
    pub token_end: Option<TokenEnd>,
    /// Whose picture.
    pub provider: Provider,
    /// The row's name, for initials.
    pub name: Option<Arc<str>>,
    /// Of the row that it was made from.
    pub fingerprint: Fingerprint,
    /// The avatar's generation when it was made.
    pub generation: Generation,
    /// The last soft purge that has made it stale; 0 = none.
    pub soft_purged_at: Generation,
}

impl Entry {
    /// The picture, if one is held.
    pub fn picture(&self) -> Option<&Arc<Picture>> {
        match &self.content {
            Content::Picture(picture) => Some(picture),
            Content::NoPicture | Content::Nothing => None,
        }
    }

    /// The time since the provider confirmed the content. What was confirmed in the future by a wrong clock counts as old:
    /// a picture is shown while a refresh runs, and "there is none" is asked for again.
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

    /// Until when the account is left alone, while that lies ahead.
    pub fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.rest_until.filter(|until| until.is_ahead(LONGEST_PAUSE, now))
    }

    /// Why the last refresh failed, unless that was forgiven since.
    pub fn failure(&self) -> Option<&Trouble> {
        self.trouble.as_ref().filter(|trouble| !trouble.is_cleared())
    }

    /// Whether the content is older than the last soft purge.
    pub fn is_soft_purged(&self) -> bool {
        self.generation < self.soft_purged_at
    }

    /// Whether last good bytes are shown after a refresh failed: until they are forgotten, but without the person's
    /// consent only until S3.
    pub fn shows_last_good(&self, now: Timestamp, windows: &Windows) -> bool {
        let age = self.age(now, windows);
        let consent = self.trouble.as_ref().is_none_or(|trouble| trouble.class != TroubleClass::NoConsent);
        self.picture().is_some() && age < windows.forget && (consent || age < windows.stale_if_error_until)
    }
}
