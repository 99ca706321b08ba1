//! The records of purges in Redis: the generation in clear for the scripts, and sealed for everybody else. Whoever may write to the
//! Redis could purge everything for ever otherwise.

use crate::model::{AvatarId, Generation, Provider};
use crate::store::purge_log::LastPurges;
use crate::store::redis::data::clear_head::MAX_RECORD;
use crate::store::redis::data::keys::AvatarKeys;
use crate::store::redis::data::scripts;
use crate::store::redis::supervisor::Access;
use crate::store::redis::{Open, Unavailable, millis};
use crate::store::retention::GONE_REMEMBERED;

/// Which of an avatar's keys a purge deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Whatever is there: a live order of somebody who wants it gone.
    All,
    /// What began before: the order is an old one.
    Older,
}

/// What was there before a purge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    /// An entry.
    pub(crate) was_held: bool,
    /// No record of this purge or a later one.
    pub(crate) is_news: bool,
}

impl Open {
    /// Purges one avatar in Redis.
    pub(crate) async fn purge_avatar(
        &self,
        id: &AvatarId,
        hard: bool,
        generation: Generation,
        which: Which,
    ) -> Result<Before, Unavailable> {
        let keys = self.keys.of(id);
        let record = if hard { &keys.hard } else { &keys.soft };
        let mut script = scripts::PURGE.prepare_invoke();
        script.key(record).key(&keys.entry).key(&keys.picture).key(&keys.link).key(&keys.trouble);
        script.key(&keys.soft).key(&keys.event);
        script.arg(generation.0).arg(self.record(record, generation).ok_or(Unavailable)?);
        script.arg(millis(self.keep_bytes_for)).arg(if hard { "hard" } else { "soft" });
        script.arg(if which == Which::All { "all" } else { "older" }).arg(millis(GONE_REMEMBERED));
        let (held, news) = self.script::<(i64, i64)>(&script, Access::Any, &mut self.unhurried()).await?;
        Ok(Before { was_held: held > 0, is_news: news > 0 })
    }

    /// Notes the purge of a whole provider in Redis, or of all. Tells whether that was news.
    pub(crate) async fn note(
        &self,
        provider: Option<Provider>,
        hard: bool,
        generation: Generation,
    ) -> Result<bool, Unavailable> {
        let key = self.keys.purged(provider, hard);
        let mut script = scripts::NOTE.prepare_invoke();
        script.key(&key).arg(generation.0).arg(self.record(&key, generation).ok_or(Unavailable)?);
        script.arg(millis(self.keep_bytes_for));
        self.script::<i64>(&script, Access::Any, &mut self.unhurried()).await.map(|news| news > 0)
    }

    /// The purges of an avatar that Redis remembers.
    pub(crate) async fn purged(&self, id: &AvatarId) -> Result<LastPurges, Unavailable> {
        let AvatarKeys { hard, soft, .. } = self.keys.of(id);
        self.records(&hard, &soft).await
    }

    /// The purges of a whole provider that Redis remembers, or those of all.
    pub(crate) async fn purged_of(&self, provider: Option<Provider>) -> Result<LastPurges, Unavailable> {
        self.records(&self.keys.purged(provider, true), &self.keys.purged(provider, false)).await
    }

    async fn records(&self, hard: &str, soft: &str) -> Result<LastPurges, Unavailable> {
        let mut pipe = redis::pipe();
        for key in [hard, soft] {
            pipe.cmd("GETRANGE").arg(key).arg(0).arg(MAX_RECORD);
        }
        let records: (Vec<u8>, Vec<u8>) = self.pipe(&pipe, Access::Any, &mut self.unhurried()).await?;
        Ok(LastPurges { hard: self.read_record(hard, records.0), soft: self.read_record(soft, records.1) })
    }
}
