//! [`EntryMeta`]: what a store tells of an entry without its bytes.

use super::Held;
use crate::model::{AvatarId, Entry, Generation, Provider, Timestamp, TokenEnd};

/// What a walk over all that is kept is told of an avatar.
#[derive(Debug, Clone)]
pub struct EntryMeta {
    /// Whose.
    pub id: AvatarId,
    /// Whose picture.
    pub provider: Provider,
    /// When it was last verified.
    pub verified_at: Timestamp,
    /// When it was begun.
    pub generation: Generation,
    /// The last soft purge that has made it stale.
    pub soft_purged_at: Generation,
    /// When its token ends.
    pub token_end: Option<TokenEnd>,
}

impl EntryMeta {
    /// Of what is in memory.
    pub fn of(held: &Held) -> Self {
        let Entry { provider, verified_at, generation, soft_purged_at, token_end, .. } = held.entry;
        Self { id: held.id.clone(), provider, verified_at, generation, soft_purged_at, token_end }
    }
}
