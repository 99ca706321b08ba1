//! A Redis that has forgotten the purges (flushed, restarted empty, failed over to a replica that lagged) is told them
//! again by every instance that knows of them. Otherwise one that was away meanwhile would bring deleted bytes back.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::keeper::Access;
use super::news::{News, To};
use super::purge::{AT_ONCE, Which};
use super::{Away, Open, millis, scripts};
use crate::model::Generation;
use crate::store::generations::{Purged, Subject};

impl Open {
    /// Looks at Redis's counter of generations. One that is lower than it was known to be has been forgotten, and the
    /// purges with it.
    pub(super) async fn look_for_loss(&self) -> Result<(), Away> {
        let (mut pipe, key) = (redis::pipe(), self.keys.generation());
        pipe.cmd("GETRANGE").arg(&key).arg(0).arg(31);
        // It lives as long as there is an instance that asks for it.
        pipe.cmd("PEXPIRE").arg(&key).arg(millis(self.keep_bytes_for)).ignore();
        let (count,): (Vec<u8>,) = self.pipe(&pipe, Access::Any, &mut self.unhurried()).await?;
        let count = std::str::from_utf8(&count).ok().and_then(Generation::parse).unwrap_or_default();
        if count < self.generations.shared() {
            tracing::warn!("Redis has forgotten the purges: every instance puts back those that it knows");
            self.tell(To::Everybody, News::Forgotten, &mut self.unhurried()).await?;
            self.forgotten.notify_one();
        }
        Ok(())
    }

    /// Puts purges back each time Redis has forgotten them; ends when its task is dropped.
    pub(super) async fn restore(&self) {
        loop {
            self.forgotten.notified().await;
            // Where Redis is away in the middle of it, the counter is as low as before, and the next look begins again.
            if let Ok(restored) = self.put_back().await {
                tracing::info!(restored, "purges are put back into Redis");
            }
        }
    }

    /// Returns how many purges were put back.
    async fn put_back(&self) -> Result<usize, Away> {
        let known = self.generations.known();
        let restored = known.len();
        let put_back = known.into_iter().map(|(subject, purged)| self.put_one_back(subject, purged));
        stream::iter(put_back).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        if restored > 0 {
            self.tell(To::Everybody, News::Restored, &mut self.unhurried()).await?;
        }
        // Last of all: as long as the counter is low, everybody knows that something is missing.
        let mut next = scripts::NEXT.prepare_invoke();
        let least = self.generations.shared();
        next.key(self.keys.generation()).arg(least.0).arg(millis(self.keep_bytes_for));
        let next = self.script(&next, Access::Any, &mut self.unhurried()).await?;
        self.generations.learn(Generation(next));
        Ok(restored)
    }

    async fn put_one_back(&self, subject: Subject, purged: Purged) -> Result<(), Away> {
        for (hard, generation) in [(true, purged.hard), (false, purged.soft)] {
            if generation == Generation::default() {
                continue;
            }
            match &subject {
                Subject::Avatar(id) => _ = self.purge(id, hard, generation, Which::Older).await?,
                Subject::Provider(provider) => _ = self.note(*provider, hard, generation).await?,
            }
        }
        Ok(())
    }
}
