//! [`AvatarEvent`]: what the dashboard is told of, since somebody there may have to mend it.

use super::{AvatarId, Provider, Timestamp, TroubleClass};

/// What can happen to an avatar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Another picture is shown.
    Changed,
    /// The picture was removed at the provider.
    NoPicture,
    /// The token is dead; nobody asks until the row has another.
    NeedsReauth,
    /// What needed mending has been mended: the provider has confirmed the picture again.
    Recovered,
    /// The connection is gone, and every byte of its picture.
    Deleted,
    /// The proxy's configuration or the row is at fault.
    Misconfigured,
    /// The token ends soon.
    ExpiresSoon,
}

/// What an event is about: of one thing only the last event counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// Which picture it is.
    Picture,
    /// Whether anything has to be mended.
    Trouble,
    /// How long the token lives.
    Expiry,
    /// Whether the connection is there.
    Existence,
}

/// Something that has happened to an avatar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvatarEvent {
    /// To which.
    pub id: AvatarId,
    /// Whose picture it is.
    pub provider: Provider,
    /// What.
    pub kind: EventKind,
    /// When; of an entry that all instances share the same in each of them.
    pub at: Timestamp,
    /// What tells it from another of its kind: the new ETag, the row's fingerprint, the end of the token in milliseconds.
    /// Two that see one thing have one mark.
    pub discriminator: String,
    /// Why, or what is over.
    pub reason: Option<TroubleClass>,
    /// Of the picture that is shown now, with its quotes.
    pub etag: Option<String>,
}

impl EventKind {
    /// All of them, in the order in which they are documented.
    pub const ALL: [Self; 7] = [
        Self::Changed,
        Self::NoPicture,
        Self::NeedsReauth,
        Self::Recovered,
        Self::Deleted,
        Self::Misconfigured,
        Self::ExpiresSoon,
    ];

    /// The name in ids and stored forms; behind `avatar.` the event's type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::NoPicture => "no_picture",
            Self::NeedsReauth => "needs_reauth",
            Self::Recovered => "recovered",
            Self::Deleted => "deleted",
            Self::Misconfigured => "misconfigured",
            Self::ExpiresSoon => "expires_soon",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// What it is about.
    pub const fn dimension(self) -> Dimension {
        match self {
            Self::Changed | Self::NoPicture => Dimension::Picture,
            Self::NeedsReauth | Self::Recovered | Self::Misconfigured => Dimension::Trouble,
            Self::ExpiresSoon => Dimension::Expiry,
            Self::Deleted => Dimension::Existence,
        }
    }
}

impl Dimension {
    /// The name in stored forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Picture => "picture",
            Self::Trouble => "trouble",
            Self::Expiry => "expiry",
            Self::Existence => "existence",
        }
    }
}

impl AvatarEvent {
    /// When the token ends that ends soon.
    pub fn token_expires_at(&self) -> Option<Timestamp> {
        let is_about_it = self.kind == EventKind::ExpiresSoon;
        is_about_it.then(|| self.discriminator.parse().ok().map(Timestamp::from_millis)).flatten()
    }

    /// What it is, in one text: what has the same is the same thing.
    pub fn dedup_key(&self) -> String {
        format!("{} {}", self.kind.as_str(), self.discriminator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(EventKind::from_name("avatar.changed"), None);
    }

    #[test]
    fn no_kinds_name_ends_in_anothers_so_that_an_id_made_of_them_is_unambiguous() {
        for kind in EventKind::ALL {
            for other in EventKind::ALL.into_iter().filter(|other| *other != kind) {
                assert!(!kind.as_str().ends_with(&format!("_{}", other.as_str())), "{kind:?} {other:?}");
            }
        }
    }
}
