//! What a purge does and which avatars it is of: [`PurgeKind`] and [`PurgeScope`].

use super::{AvatarId, Provider};

/// What a purge does to the avatars in its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgeKind {
    /// They are stale from now on, and still shown until the refresh that the next view starts.
    Soft,
    /// Every byte of them is deleted.
    Hard,
    /// Every byte of them is deleted because their connections no longer exist: an instance that has anything of them also
    /// emits an event.
    Disconnect,
}

/// The avatars that a purge is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PurgeScope {
    /// These.
    Avatars(Vec<AvatarId>),
    /// All of a provider, whether it is configured or not.
    Provider(Provider),
    /// All.
    All,
}

impl PurgeKind {
    /// Whether bytes are deleted.
    pub fn deletes(self) -> bool {
        match self {
            Self::Soft => false,
            Self::Hard | Self::Disconnect => true,
        }
    }
}

impl PurgeScope {
    /// One avatar.
    pub fn one(id: &AvatarId) -> Self {
        Self::Avatars(vec![id.clone()])
    }

    /// The avatars that it names.
    pub fn avatars(&self) -> &[AvatarId] {
        match self {
            Self::Avatars(ids) => ids,
            Self::Provider(_) | Self::All => &[],
        }
    }

    /// Whether it also reaches avatars that it does not name, so that every stored entry has to be looked at.
    pub fn is_wide(&self) -> bool {
        match self {
            Self::Avatars(_) => false,
            Self::Provider(_) | Self::All => true,
        }
    }

    /// Whether it reaches all avatars of a provider.
    pub fn covers(&self, provider: Provider) -> bool {
        match self {
            Self::Avatars(_) => false,
            Self::Provider(purged) => *purged == provider,
            Self::All => true,
        }
    }
}
