//! The records of purges in Redis: the generation in clear for the scripts, and sealed for everybody else. Whoever may write to the
//! Redis could purge everything for ever otherwise.

use super::keeper::Access;
use super::keys::AvatarKeys;
use super::{Away, Open, millis, scripts};
use crate::model::{AvatarId, Generation, Provider};
use crate::store::disk_events::GONE_REMEMBERED;
use crate::store::generations::Purged;

/// No record is longer, in bytes.
pub(super) const MAX_RECORD: u64 = 256;

/// Which of an avatar's keys a purge deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Whatever is there: a live order of somebody who wants it gone.
    All,
    /// What began before: the order is an old one.
    Older,
}

/// What was there before a purge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    /// An entry.
    pub(super) was_held: bool,
    /// No record of this purge or a later one.
    pub(super) is_news: bool,
}

impl Open {
    /// Purges one avatar in Redis.
    pub(super) async fn purge(
        &self,
        id: &AvatarId,
        hard: bool,
        generation: Generation,
        which: Which,
    ) -> Result<Before, Away> {
        let keys = self.keys.of(id);
        let record = if hard { &keys.hard } else { &keys.soft };
        let mut script = scripts::PURGE.prepare_invoke();
        script.key(record).key(&keys.entry).key(&keys.picture).key(&keys.link).key(&keys.trouble);
        script.key(&keys.soft).key(&keys.event);
        script.arg(generation.0).arg(self.record(record, generation).ok_or(Away)?);
        script.arg(millis(self.keep_bytes_for)).arg(if hard { "hard" } else { "soft" });
        script.arg(if which == Which::All { "all" } else { "older" }).arg(millis(GONE_REMEMBERED));
        let (held, news) = self.script::<(i64, i64)>(&script, Access::Any, &mut self.unhurried()).await?;
        Ok(Before { was_held: held > 0, is_news: news > 0 })
    }

    /// Notes the purge of a whole provider in Redis, or of all. Tells whether that was news.
    pub(super) async fn note(
        &self,
        provider: Option<Provider>,
        hard: bool,
        generation: Generation,
    ) -> Result<bool, Away> {
        let key = self.keys.purged(provider, hard);
        let mut script = scripts::NOTE.prepare_invoke();
        script.key(&key).arg(generation.0).arg(self.record(&key, generation).ok_or(Away)?);
        script.arg(millis(self.keep_bytes_for));
        self.script::<i64>(&script, Access::Any, &mut self.unhurried()).await.map(|news| news > 0)
    }

    /// The purges of an avatar that Redis remembers.
    pub(super) async fn purged(&self, id: &AvatarId) -> Result<Purged, Away> {
        let AvatarKeys { hard, soft, .. } = self.keys.of(id);
        self.records(&hard, &soft).await
    }

    /// The purges of a whole provider that Redis remembers, or those of all.
    pub(super) async fn purged_of(&self, provider: Option<Provider>) -> Result<Purged, Away> {
        self.records(&self.keys.purged(provider, true), &self.keys.purged(provider, false)).await
    }

    async fn records(&self, hard: &str, soft: &str) -> Result<Purged, Away> {
        let mut pipe = redis::pipe();
        for key in [hard, soft] {
            pipe.cmd("GETRANGE").arg(key).arg(0).arg(MAX_RECORD);
        }
        let records: (Vec<u8>, Vec<u8>) = self.pipe(&pipe, Access::Any, &mut self.unhurried()).await?;
        Ok(Purged { hard: self.read_record(hard, records.0), soft: self.read_record(soft, records.1) })
    }

    /// `None`: the system gave no random bytes.
    pub(super) fn record(&self, key: &str, generation: Generation) -> Option<Vec<u8>> {
        let text = generation.0.to_string();
        let sealed = self.sealer.seal(key, text.as_bytes())?;
        Some([format!("{text}:").as_bytes(), &sealed].concat())
    }

    /// 0 where there is none, and where somebody else wrote it.
    pub(super) fn read_record(&self, key: &str, record: Vec<u8>) -> Generation {
        if record.is_empty() {
            return Generation::default();
        }
        let generation = behind_head(record, 1).and_then(|sealed| {
            let plain = self.opened(key, sealed)?;
            Generation::parse(std::str::from_utf8(&plain).ok()?)
        });
        generation.unwrap_or_default()
    }
}

/// What comes behind so many colons.
pub(super) fn behind_head(mut value: Vec<u8>, colons: usize) -> Option<Vec<u8>> {
    let mut ends = value.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
    let end = ends.nth(colons - 1)?;
    value.drain(..=end);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_may_hold_colons_and_what_has_no_head_is_nothing() {
        assert_eq!(behind_head(b"7:a:b".to_vec(), 1), Some(b"a:b".to_vec()));
        assert_eq!(behind_head(b"7:8:ff:a:b".to_vec(), 3), Some(b"a:b".to_vec()));
        assert_eq!(behind_head(b"7:8".to_vec(), 3), None);
    }
}
