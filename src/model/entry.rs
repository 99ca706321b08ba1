//! [`Entry`]: all that is held of one avatar.

use std::sync::Arc;

use super::{Fingerprint, Link, Picture, Provider, Timestamp, TokenEnd, Trouble, TroubleClass, Windows};

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

    /// Why the last refresh failed, unless that was forgiven since.
    pub fn failure(&self) -> Option<&Trouble> {
        self.trouble.as_ref().filter(|trouble| !trouble.is_forgiven())
    }

    /// Whether last good bytes are shown after a refresh failed: until they are forgotten, but without the person's
    /// consent only until S3.
    pub fn shows_last_good(&self, now: Timestamp, windows: &Windows) -> bool {
        let age = now.since(self.verified_at);
        let consent = self.trouble.as_ref().is_none_or(|trouble| trouble.class != TroubleClass::NoConsent);
        self.picture().is_some() && age < windows.forget && (consent || age < windows.s3)
    }
}
