//! Tombstones: the purges in Redis, each with its generation in clear for the scripts and sealed for the instances.
//! Anybody who may write to the Redis could purge everything for ever otherwise.

use crate::model::{AvatarId, Generation, Provider, PurgeKind, PurgeScope};
use crate::store::LastPurges;
use crate::store::event_retention::DELETION_REMEMBERED;
use crate::store::redis::data::clear_head::MAX_TOMBSTONE;
use crate::store::redis::data::keys::AvatarKeys;
use crate::store::redis::data::scripts;
use crate::store::redis::supervisor::Access;
use crate::store::redis::{Open, Unavailable, millis};

/// Which of an avatar's keys a purge deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// All: a live purge, whose caller wants them deleted whatever their age.
    All,
    /// Those that began before it: a repair publishes a purge of earlier.
    Older,
}

/// What a purge found in Redis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// An entry.
    pub(super) entry: bool,
    /// No tombstone of this purge or a later one.
    pub(super) is_news: bool,
}

impl Open {
    /// Purges one avatar in Redis.
    pub(super) async fn put_tombstone(
        &self,
        id: &AvatarId,
        kind: PurgeKind,
        generation: Generation,
        which: Which,
    ) -> Result<Found, Unavailable> {
        let keys = self.keys.of(id);
        let key = if kind.deletes() { &keys.hard } else { &keys.soft };
        let mut script = scripts::PURGE.prepare_invoke();
        script.key(key).key(&keys.entry).key(&keys.picture).key(&keys.link).key(&keys.trouble);
        script.key(&keys.soft).key(&keys.event);
        script.arg(generation.0).arg(self.tombstone(key, generation).ok_or(Unavailable)?);
        script.arg(millis(self.keep_bytes_for)).arg(if kind.deletes() { "hard" } else { "soft" });
        script.arg(if which == Which::All { "all" } else { "older" }).arg(millis(DELETION_REMEMBERED));
        let (entry, news) = self.script::<(i64, i64)>(&script, Access::Any, &mut self.unhurried()).await?;
        Ok(Found { entry: entry > 0, is_news: news > 0 })
    }

    /// Has Redis remember the purge of a whole provider, or of all. Tells whether it did not know it.
    pub(super) async fn put_wide_tombstone(
        &self,
        scope: &PurgeScope,
        kind: PurgeKind,
        generation: Generation,
    ) -> Result<bool, Unavailable> {
        let provider = match scope {
            PurgeScope::Avatars(_) => return Ok(false),
            PurgeScope::Provider(provider) => Some(*provider),
            PurgeScope::All => None,
        };
        let key = self.keys.purged(provider, kind.deletes());
        let mut script = scripts::NOTE.prepare_invoke();
        script.key(&key).arg(generation.0).arg(self.tombstone(&key, generation).ok_or(Unavailable)?);
        script.arg(millis(self.keep_bytes_for));
        self.script::<i64>(&script, Access::Any, &mut self.unhurried()).await.map(|news| news > 0)
    }

    /// The purges of an avatar that Redis remembers.
    pub(super) async fn purges_of(&self, id: &AvatarId) -> Result<LastPurges, Unavailable> {
        let AvatarKeys { hard, soft, .. } = self.keys.of(id);
        self.read_purges(&hard, &soft).await
    }

    /// The purges of a whole provider that Redis remembers, or (`None`) those of all.
    pub(in crate::store::redis) async fn wide_purges(
        &self,
        provider: Option<Provider>,
    ) -> Result<LastPurges, Unavailable> {
        self.read_purges(&self.keys.purged(provider, true), &self.keys.purged(provider, false)).await
    }

    async fn read_purges(&self, hard: &str, soft: &str) -> Result<LastPurges, Unavailable> {
        let mut pipe = redis::pipe();
        for key in [hard, soft] {
            pipe.cmd("GETRANGE").arg(key).arg(0).arg(MAX_TOMBSTONE);
        }
        let sealed: (Vec<u8>, Vec<u8>) = self.pipe(&pipe, Access::Any, &mut self.unhurried()).await?;
        Ok(LastPurges {
            hard: self.read_tombstone(hard, sealed.0),
            soft: self.read_tombstone(soft, sealed.1),
        })
    }
}
