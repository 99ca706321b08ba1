//! Repair: Redis gets the purges that it lacks, and every instance looks for them.
//!
//! Redis may lack a purge for two reasons. It lost it: it was flushed, restarted empty, failed over to a replica that
//! lagged, or evicted it. Or it never had it: the purge was made while Redis was away. Without its tombstone an instance
//! that comes back would bring deleted bytes back, so every instance puts back what its [`PurgeLog`](crate::store::PurgeLog)
//! holds, and publishes what it could not publish. Then all instances compare what they store with Redis.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::AT_ONCE;
use super::tombstone::Which;
use crate::model::{Generation, PurgeKind, PurgeScope};
use crate::store::redis::data::scripts;
use crate::store::redis::pubsub::RedisEvent;
use crate::store::redis::pubsub::message::{Message, Recipient};
use crate::store::redis::supervisor::Access;
use crate::store::redis::{Open, Unavailable, millis};
use crate::store::{LastPurges, StoredPurge};

impl Open {
    /// Repairs Redis each time that is due. Ends when its task is dropped.
    pub(in crate::store::redis) async fn keep_repaired(self: &Arc<Self>) {
        loop {
            self.backlog.due().await;
            if let Some(since) = self.backlog.take_lost()
                && self.put_back(since).await.is_err()
            {
                // The next heartbeat that Redis answers tries again.
                self.backlog.postpone(since);
                continue;
            }
            // Afterwards: the numbers that these take would hide from the others that Redis has lost its memory.
            let unpublished = self.backlog.take_unpublished();
            if !unpublished.is_empty() && self.publish_purges(&unpublished).await.is_err() {
                unpublished.into_iter().for_each(|(scope, kind)| self.backlog.unpublished(scope, kind));
            }
        }
    }

    /// Compares Redis's counter of generations with the highest that it is known to have given. A lower one means that
    /// Redis has lost its memory, and the tombstones with it.
    pub(in crate::store::redis) async fn look_for_loss(&self) -> Result<(), Unavailable> {
        let (mut pipe, key) = (redis::pipe(), self.keys.generation());
        pipe.cmd("GETRANGE").arg(&key).arg(0).arg(31);
        // It lives as long as an instance asks for it.
        pipe.cmd("PEXPIRE").arg(&key).arg(millis(self.keep_bytes_for)).ignore();
        let (count,): (Vec<u8>,) = self.pipe(&pipe, Access::Any, &mut self.unhurried()).await?;
        let count = std::str::from_utf8(&count).ok().and_then(Generation::parse).unwrap_or_default();
        if count < self.purge_log.shared() {
            tracing::warn!("Redis has lost the purges: every instance puts back those that it knows");
            self.send(Recipient::All, Message::TombstonesMissing { since: 0 }, &mut self.unhurried()).await?;
            self.backlog.lost_since(Generation::default());
        } else if count == Generation::default() {
            // From here on every entry has a generation, so that an instance which comes back can say what it knows.
            self.raise_counter().await?;
        }
        self.purge_log.learn(count);
        Ok(())
    }

    /// Has Redis's counter continue behind what is known.
    async fn raise_counter(&self) -> Result<Generation, Unavailable> {
        self.next_generation(self.purge_log.shared()).await
    }

    /// The next generation of all instances, at least `least`.
    pub(super) async fn next_generation(&self, least: Generation) -> Result<Generation, Unavailable> {
        let mut script = scripts::NEXT.prepare_invoke();
        script.key(self.keys.generation()).arg(least.0).arg(millis(self.keep_bytes_for));
        let next = Generation(self.script(&script, Access::Any, &mut self.unhurried()).await?);
        self.purge_log.learn(next);
        Ok(next)
    }

    /// Puts the purges back that are later than `since`.
    async fn put_back(self: &Arc<Self>, since: Generation) -> Result<(), Unavailable> {
        let known = self.purge_log.known().into_iter().filter(|(_, purges)| purges.last() > since);
        let restored = self.bury_all(known.collect()).await?;
        if since == Generation::default() {
            // Last of all: as long as the counter is low, every instance knows that something is missing.
            self.raise_counter().await?;
        }
        if restored > 0 {
            tracing::info!(restored, "purges that Redis had lost are put back");
        }
        Ok(())
    }

    /// Publishes purges that were made without Redis, under a generation of now: other instances may have begun something
    /// since, and Redis gave their generations. They are mere deletions: a connection may have been made again.
    async fn publish_purges(
        self: &Arc<Self>,
        unpublished: &[(PurgeScope, PurgeKind)],
    ) -> Result<(), Unavailable> {
        let generation = self.next_generation(self.purge_log.next()).await?;
        let purges: Vec<StoredPurge> = unpublished
            .iter()
            .map(|(scope, kind)| StoredPurge {
                scope: scope.clone(),
                kind: *kind,
                generation,
                published: true,
            })
            .collect();
        let mut buried = Vec::new();
        for StoredPurge { scope, kind, .. } in &purges {
            self.purge_log.record(scope, LastPurges::new(*kind, generation));
            let each = match scope {
                PurgeScope::Avatars(ids) => ids.iter().map(PurgeScope::one).collect(),
                wide @ (PurgeScope::Provider(_) | PurgeScope::All) => vec![wide.clone()],
            };
            buried.extend(each.into_iter().map(|scope| (scope, LastPurges::new(*kind, generation))));
        }
        self.bury_all(buried).await?;
        // Here, too, views may have fetched what is purged under the new generation.
        self.invalidations.gap();
        tracing::info!(purges = purges.len(), "purges of the time without Redis are published");
        self.invalidations.send_blocking(RedisEvent::Published(purges)).await;
        Ok(())
    }

    /// Gives Redis tombstones, deletes there what they are of, and has every instance look for them. Returns how many Redis
    /// did not have.
    async fn bury_all(self: &Arc<Self>, purges: Vec<(PurgeScope, LastPurges)>) -> Result<usize, Unavailable> {
        let buried = purges.into_iter().map(|(scope, purges)| self.bury(scope, purges));
        let buried = stream::iter(buried).buffer_unordered(AT_ONCE);
        let news = buried.try_fold(0, async |sum, news: usize| Ok(sum + news)).await?;
        if news > 0 {
            self.send(Recipient::All, Message::TombstonesRestored, &mut self.unhurried()).await?;
        }
        Ok(news)
    }

    async fn bury(self: &Arc<Self>, scope: PurgeScope, purges: LastPurges) -> Result<usize, Unavailable> {
        let mut news = 0;
        // A soft purge before a hard one says nothing more, and its tombstone went with that one.
        let soft = if purges.soft > purges.hard { purges.soft } else { Generation::default() };
        for (kind, generation) in [(PurgeKind::Hard, purges.hard), (PurgeKind::Soft, soft)] {
            if generation > Generation::default() {
                news += self.bury_one(&scope, kind, generation).await?;
            }
        }
        Ok(news)
    }

    async fn bury_one(
        self: &Arc<Self>,
        scope: &PurgeScope,
        kind: PurgeKind,
        generation: Generation,
    ) -> Result<usize, Unavailable> {
        let mut news = 0;
        for id in scope.avatars() {
            news += usize::from(self.put_tombstone(id, kind, generation, Which::Older).await?.is_news);
        }
        if scope.is_wide() && self.put_wide_tombstone(scope, kind, generation).await? {
            news += 1;
            if kind.deletes() {
                self.delete_covered(scope, generation, Which::Older).await?;
            }
        }
        Ok(news)
    }
}
