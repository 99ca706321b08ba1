//! [`Entry`]: everything that is cached of one avatar.

use std::sync::Arc;

use super::{Fingerprint, LONGEST_PAUSE, Link, Picture, Provider, Timestamp, TokenEnd, Trouble};

/// Counts purges and deletions. A store refuses an entry of an older generation, so that a running refresh cannot bring
/// deleted bytes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// Parses a generation from outside this process.
    ///
    /// SECURITY: one beyond the range of a counter of milliseconds would purge everything for ever, so it is refused.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|generation| *generation < 1 << 53).map(Self)
    }
}

/// What is known of the account's picture.
#[derive(Debug, Clone)]
pub enum Content {
    /// There is a picture, with these bytes.
    Picture(Arc<Picture>),
    /// The provider says that the account has no picture.
    NoPicture,
    /// Nothing is known yet: every attempt has failed.
    Nothing,
}

/// What is cached of one avatar: a value that is replaced as a whole.
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
    /// The number of replies in a row that knew the account but left the picture's field out, with the time of the first.
    pub field_missing: Option<(u32, Timestamp)>,
    /// Until when the account is left alone, because its own quota is nearly used up.
    pub rest_until: Option<Timestamp>,
    /// When the token ends, if row or provider say.
    pub token_end: Option<TokenEnd>,
    /// The provider of the picture.
    pub provider: Provider,
    /// The row's name, for initials.
    pub name: Option<Arc<str>>,
    /// The fingerprint of the row that the entry was made from.
    pub fingerprint: Fingerprint,
    /// The avatar's generation when the entry was made.
    pub generation: Generation,
    /// The generation of the last soft purge that made it stale; 0 for none.
    pub soft_purged_at: Generation,
}

impl Entry {
    /// The cached picture.
    pub fn picture(&self) -> Option<&Arc<Picture>> {
        match &self.content {
            Content::Picture(picture) => Some(picture),
            Content::NoPicture | Content::Nothing => None,
        }
    }

    /// Until when the account is left alone, while that time lies ahead.
    pub fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.rest_until.filter(|until| until.is_ahead(LONGEST_PAUSE, now))
    }

    /// Why the last refresh failed, unless a purge has cleared the failure.
    pub fn failure(&self) -> Option<&Trouble> {
        self.trouble.as_ref().filter(|trouble| !trouble.is_cleared())
    }

    /// Whether the content is older than the last soft purge.
    pub fn is_soft_purged(&self) -> bool {
        self.generation < self.soft_purged_at
    }
}
