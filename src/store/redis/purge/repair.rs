//! A Redis that has forgotten the purges (flushed, restarted empty, failed over to a replica that lagged) is told them
//! again by every instance that knows of them, and so is one that may have evicted some while an instance was away.
//! Otherwise that one would bring deleted bytes back.

use std::sync::atomic::Ordering;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::AT_ONCE;
use super::tombstone::Which;
use crate::model::Generation;
use crate::store::purge_log::{LastPurges, Subject};
use crate::store::redis::data::scripts;
use crate::store::redis::pubsub::message::{Message, Recipient};
use crate::store::redis::supervisor::Access;
use crate::store::redis::{Open, Unavailable, millis};

impl Open {
    /// Looks at Redis's counter of generations. One that is lower than it was known to be has been forgotten, and the
    /// purges with it.
    pub(crate) async fn look_for_loss(&self) -> Result<(), Unavailable> {
        let (mut pipe, key) = (redis::pipe(), self.keys.generation());
        pipe.cmd("GETRANGE").arg(&key).arg(0).arg(31);
        // It lives as long as there is an instance that asks for it.
        pipe.cmd("PEXPIRE").arg(&key).arg(millis(self.keep_bytes_for)).ignore();
        let (count,): (Vec<u8>,) = self.pipe(&pipe, Access::Any, &mut self.unhurried()).await?;
        let count = std::str::from_utf8(&count).ok().and_then(Generation::parse).unwrap_or_default();
        if count < self.purge_log.shared() {
            tracing::warn!("Redis has forgotten the purges: every instance puts back those that it knows");
            self.tell(Recipient::All, Message::TombstonesMissing { since: 0 }, &mut self.unhurried()).await?;
            self.put_back_since(0);
        } else if count == Generation::default() {
            // From here on whatever is kept has a generation, so that who comes back with it can say what he knows.
            self.count_on().await?;
        }
        self.purge_log.learn(count);
        Ok(())
    }

    /// Has Redis's counter go on behind what is known.
    async fn count_on(&self) -> Result<(), Unavailable> {
        let mut next = scripts::NEXT.prepare_invoke();
        let least = self.purge_log.shared();
        next.key(self.keys.generation()).arg(least.0).arg(millis(self.keep_bytes_for));
        let next = self.script(&next, Access::Any, &mut self.unhurried()).await?;
        self.purge_log.learn(Generation(next));
        Ok(())
    }

    /// Has the purges put back that are later than this generation.
    pub(crate) fn put_back_since(&self, generation: u64) {
        self.missing_since.fetch_min(generation, Ordering::SeqCst);
        self.missing.notify_one();
    }

    /// Puts purges back each time Redis has forgotten them; ends when its task is dropped.
    pub(crate) async fn restore(&self) {
        loop {
            self.missing.notified().await;
            let since = Generation(self.missing_since.swap(u64::MAX, Ordering::SeqCst));
            if since == Generation(u64::MAX) {
                continue;
            }
            // Where Redis is away in the middle of it, this begins again when it is back.
            match self.put_back(since).await {
                Ok(0) => {}
                Ok(restored) => tracing::info!(restored, "purges that Redis did not know are put back"),
                Err(Unavailable) => _ = self.missing_since.fetch_min(since.0, Ordering::SeqCst),
            }
        }
    }

    /// Returns how many purges were put back.
    async fn put_back(&self, since: Generation) -> Result<usize, Unavailable> {
        let known = self.purge_log.known().into_iter().filter(|(_, purged)| purged.last() > since);
        let put_back = known.map(|(subject, purged)| self.put_one_back(subject, purged));
        let put_back = stream::iter(put_back).buffer_unordered(AT_ONCE);
        let restored = put_back.try_fold(0, async |sum, one: usize| Ok(sum + one)).await?;
        if restored > 0 {
            self.tell(Recipient::All, Message::TombstonesRestored, &mut self.unhurried()).await?;
        }
        if since == Generation::default() {
            // Last of all: as long as the counter is low, everybody knows that something is missing.
            self.count_on().await?;
        }
        Ok(restored)
    }

    async fn put_one_back(&self, subject: Subject, purged: LastPurges) -> Result<usize, Unavailable> {
        let mut news = 0;
        // A soft purge before a hard one says nothing more, and its record went with that one.
        let soft = if purged.soft > purged.hard { purged.soft } else { Generation::default() };
        for (hard, generation) in [(true, purged.hard), (false, soft)] {
            if generation == Generation::default() {
                continue;
            }
            news += usize::from(match &subject {
                Subject::Avatar(id) => self.purge_avatar(id, hard, generation, Which::Older).await?.is_news,
                Subject::Provider(provider) => self.note(Some(*provider), hard, generation).await?,
                Subject::All => self.note(None, hard, generation).await?,
            });
        }
        Ok(news)
    }
}
