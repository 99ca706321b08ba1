//! [`EntryMeta`]: an entry without its bytes.

use super::Held;
use crate::model::{AvatarId, Entry, Generation, Provider, Timestamp, TokenEnd};

/// What a scan of a store returns for each entry.
#[derive(Debug, Clone)]
pub struct EntryMeta {
    /// The avatar.
    pub id: AvatarId,
    /// Its provider.
    pub provider: Provider,
    /// When the provider last confirmed it.
    pub verified_at: Timestamp,
    /// When its refresh began.
    pub generation: Generation,
    /// The last soft purge that made it stale.
    pub soft_purged_at: Generation,
    /// When its token ends.
    pub token_end: Option<TokenEnd>,
}

impl EntryMeta {
    /// Of an entry in memory.
    pub fn of(held: &Held) -> Self {
        let Entry { provider, verified_at, generation, soft_purged_at, token_end, .. } = held.entry;
        Self { id: held.id.clone(), provider, verified_at, generation, soft_purged_at, token_end }
    }
}
