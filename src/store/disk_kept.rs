//! What the disk store tells of itself without any bytes: [`Kept`] and [`KeptPurge`].

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::Held;
use super::disk_row::read_json;
use super::generations::Subject;
use crate::model::{AvatarId, Entry, Generation, Provider, Timestamp, TokenEnd};

/// What a walk over all that is kept is told of an avatar.
#[derive(Debug, Clone)]
pub struct Kept {
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

/// A purge that outlives the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPurge {
    /// Of what.
    pub subject: Subject,
    /// Deleted, or only made stale.
    pub hard: bool,
    /// What began before it is concerned.
    pub generation: Generation,
    /// Whether every instance can learn of it from Redis.
    pub told: bool,
}

impl Kept {
    /// Of what is in memory.
    pub fn of(held: &Held) -> Self {
        let Entry { provider, verified_at, generation, soft_purged_at, token_end, .. } = held.entry;
        Self { id: held.id.clone(), provider, verified_at, generation, soft_purged_at, token_end }
    }

    pub(super) fn read(row: &SqliteRow) -> Option<Self> {
        let generation = |column| Some(Generation(row.try_get::<i64, _>(column).ok()?.cast_unsigned()));
        Some(Self {
            id: AvatarId::parse(row.try_get("id").ok()?).ok()?,
            provider: Provider::from_name(row.try_get("provider").ok()?)?,
            verified_at: Timestamp::from_millis(row.try_get("verified_at").ok()?),
            generation: generation("generation")?,
            soft_purged_at: generation("obeyed")?,
            token_end: read_json(row, "token_end").ok()?,
        })
    }
}
