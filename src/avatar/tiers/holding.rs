//! [`Holding`]: the answer of a lookup.

use std::sync::Arc;

use crate::store::Held;

/// What the tiers hold of one avatar.
#[derive(Debug, Clone)]
pub(in crate::avatar) enum Holding {
    /// This is shown, or refreshed from.
    Held(Arc<Held>),
    /// No tier holds anything.
    Nothing,
    /// A tier still holds what must not be shown any more: the caller has it deleted.
    Forgotten(Forgotten),
}

/// Why an entry must go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::avatar) enum Forgotten {
    /// The provider did not confirm it within `avatar.forget_after`.
    Expired,
    /// A purge that this instance had not carried out yet.
    Purged,
}

/// What a view would find, and the tiers that hold a copy.
#[derive(Debug)]
pub(in crate::avatar) struct Peek {
    /// The entry that a view would be answered from.
    pub(in crate::avatar) held: Arc<Held>,
    /// `memory`, `redis`, `disk`.
    pub(in crate::avatar) held_in: Vec<&'static str>,
}

impl Holding {
    /// The entry, if it may be shown.
    pub(in crate::avatar) fn held(self) -> Option<Arc<Held>> {
        match self {
            Self::Held(held) => Some(held),
            Self::Nothing | Self::Forgotten(_) => None,
        }
    }
}

impl From<Option<Arc<Held>>> for Holding {
    fn from(held: Option<Arc<Held>>) -> Self {
        held.map_or(Self::Nothing, Self::Held)
    }
}
