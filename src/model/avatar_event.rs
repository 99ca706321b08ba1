//! [`AvatarEvent`]: a change that the dashboard learns of, because its user may have to act.

use super::{AvatarId, Provider, Timestamp, TroubleClass};

/// What can happen to an avatar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The avatar has another picture.
    Changed,
    /// The picture was removed at the provider.
    NoPicture,
    /// The token is dead; the provider is not asked until the row has another.
    NeedsReauth,
    /// A problem that needed action is solved: the provider has confirmed the picture again.
    Recovered,
    /// The connection was deleted, and every byte of its picture with it.
    Deleted,
    /// The configuration of this server or the row is at fault.
    Misconfigured,
    /// The token ends soon.
    ExpiresSoon,
}

/// The subject of an event. Of each subject only the last event counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// Which picture the avatar has.
    Picture,
    /// Whether anything needs action.
    Trouble,
    /// How long the token lives.
    Expiry,
    /// Whether the connection exists.
    Existence,
}

/// Something that happened to an avatar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvatarEvent {
    /// The avatar.
    pub id: AvatarId,
    /// The provider of its picture.
    pub provider: Provider,
    /// What happened.
    pub kind: EventKind,
    /// When it happened. All instances derive the same time from a shared entry.
    pub at: Timestamp,
    /// Distinguishes it from other events of its kind: the new ETag, the row's fingerprint, or the end of the token in
    /// milliseconds. Two instances that see the same change write the same text here.
    pub discriminator: String,
    /// The class of the failure, or of the one that is over.
    pub reason: Option<TroubleClass>,
    /// The ETag of the current picture, with its quotes.
    pub etag: Option<String>,
}

impl EventKind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::Changed,
        Self::NoPicture,
        Self::NeedsReauth,
        Self::Recovered,
        Self::Deleted,
        Self::Misconfigured,
        Self::ExpiresSoon,
    ];

    /// The name in ids and stored forms; with `avatar.` before it the event's type.
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

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The subject of events of this kind.
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
    /// When the token ends, for an event that says so.
    pub fn token_expires_at(&self) -> Option<Timestamp> {
        let names_end = self.kind == EventKind::ExpiresSoon;
        names_end.then(|| self.discriminator.parse().ok().map(Timestamp::from_millis)).flatten()
    }

    /// Kind and discriminator in one text: two events of an avatar with the same key are the same event.
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
    fn no_kinds_name_ends_in_anothers_so_an_id_made_of_them_is_unambiguous() {
        for kind in EventKind::ALL {
            for other in EventKind::ALL.into_iter().filter(|other| *other != kind) {
                assert!(!kind.as_str().ends_with(&format!("_{}", other.as_str())), "{kind:?} {other:?}");
            }
        }
    }
}
