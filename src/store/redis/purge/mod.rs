//! Purges: numbered by Redis, carried out there, broadcast to every instance, and acknowledged by each.

mod repair;
pub(super) mod repair_backlog;
mod tombstone;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::pubsub::message::{Message, PurgeCommand, Recipient};
use super::scan::RedisScan;
use super::supervisor::Access;
use super::{Open, Redis, Unavailable, millis};
use crate::clock::monotonic;
use crate::model::{AvatarId, Generation, Provider, PurgeKind, PurgeScope};
use crate::store::LastPurges;
use tombstone::Which;

/// How long the other instances have for a purge of avatars by name ...
const ACK_TIMEOUT: Duration = Duration::from_secs(2);
/// ... and for a wide one, for which each of them looks at every entry.
const WIDE_ACK_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls to Redis that are under way at one time for one purge.
const AT_ONCE: usize = 32;
/// Instances that a purge waits for. More are none of ours.
const MAX_INSTANCES: usize = 1000;

/// Which instances have carried a purge out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acks {
    /// There is no shared tier: this instance is all.
    Alone,
    /// Some have, and some have not answered in time. Those will when they are back.
    By {
        /// The names of those that have, this one included.
        done: Vec<String>,
        /// The names of the others.
        missing: Vec<String>,
    },
    /// No other instance knows yet: Redis is unavailable. The purge is published when it is back.
    Unavailable,
}

impl Redis {
    /// The next generation of all instances, at least `local`; without a shared tier `local` itself. From it on, every
    /// instance that knows of the purge refuses what began before.
    ///
    /// # Errors
    /// Redis is away, too slow for the budget, or refuses.
    pub async fn next_generation(&self, local: Generation) -> Result<Generation, Unavailable> {
        match &self.open {
            Some(open) => open.next_generation(local).await,
            None => Ok(local),
        }
    }

    /// A purge with a number of its own.
    pub fn command(&self, scope: PurgeScope, kind: PurgeKind, generation: Generation) -> PurgeCommand {
        let number = self.open.as_ref().map_or(0, |open| open.purges.fetch_add(1, Ordering::Relaxed));
        PurgeCommand { number, scope, kind, generation }
    }

    /// Has Redis refuse what began before a purge, and deletes there the avatars that it names. Returns those of which an
    /// entry was there.
    ///
    /// # Errors
    /// As [`Redis::next_generation`].
    pub async fn purge(&self, command: &PurgeCommand) -> Result<Vec<AvatarId>, Unavailable> {
        let Some(open) = &self.open else { return Ok(Vec::new()) };
        let PurgeCommand { scope, kind, generation, .. } = command;
        open.put_wide_tombstone(scope, *kind, *generation).await?;
        let found = scope.avatars().iter().cloned().map(|id| async move {
            let found = open.put_tombstone(&id, *kind, *generation, Which::All).await?;
            Ok(found.entry.then_some(id))
        });
        let found: Vec<_> = stream::iter(found).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Deletes from Redis every entry that a wide deletion covers. Returns their ids. A soft purge deletes nothing: every
    /// instance judges what it finds in Redis by the tombstone.
    ///
    /// To be called after [`Redis::broadcast`]: an instance that does not know of the purge yet could store an entry behind
    /// the scan.
    ///
    /// # Errors
    /// As [`Redis::next_generation`].
    pub async fn delete_covered(&self, command: &PurgeCommand) -> Result<Vec<AvatarId>, Unavailable> {
        match &self.open {
            Some(open) if command.kind.deletes() && command.scope.is_wide() => {
                open.delete_covered(&command.scope, command.generation, Which::All).await
            }
            Some(_) | None => Ok(Vec::new()),
        }
    }

    /// Leaves nothing of an avatar in Redis. Tells whether an entry was there.
    ///
    /// # Errors
    /// As [`Redis::next_generation`].
    pub async fn remove(&self, id: &AvatarId, generation: Generation) -> Result<bool, Unavailable> {
        let open = self.open.as_ref().ok_or(Unavailable)?;
        Ok(open.put_tombstone(id, PurgeKind::Hard, generation, Which::All).await?.entry)
    }

    /// The purges of these avatars that Redis remembers, in the order of the ids.
    ///
    /// # Errors
    /// As [`Redis::next_generation`].
    pub async fn purged(&self, ids: &[AvatarId]) -> Result<Vec<LastPurges>, Unavailable> {
        let open = self.open.as_ref().ok_or(Unavailable)?;
        let purges = ids.iter().cloned().map(|id| async move { open.purges_of(&id).await });
        stream::iter(purges).buffered(AT_ONCE).try_collect().await
    }

    /// The purges of a whole provider that Redis remembers.
    ///
    /// # Errors
    /// As [`Redis::next_generation`].
    pub async fn purged_of(&self, provider: Provider) -> Result<LastPurges, Unavailable> {
        self.open.as_ref().ok_or(Unavailable)?.wide_purges(Some(provider)).await
    }

    /// Has a purge published when Redis is back. [`RedisEvent::Published`](super::RedisEvent::Published) tells when it was.
    pub fn publish_later(&self, scope: PurgeScope, kind: PurgeKind) {
        if let Some(open) = &self.open {
            open.backlog.unpublished(scope, kind);
        }
    }

    /// Returns when this instance may have missed purges: its subscription has begun, messages came faster than it could
    /// take them, or a repair gave Redis purges. For one caller; never without a shared tier.
    pub async fn next_gap(&self) {
        match &self.open {
            Some(open) => open.invalidations.next_gap().await,
            None => std::future::pending().await,
        }
    }

    /// A message could not be acted upon: nothing is trusted, and [`Redis::next_gap`] returns.
    pub fn note_gap(&self) {
        if let Some(open) = &self.open {
            open.invalidations.gap();
        }
    }

    /// Whether it is this instance's turn to scan all of Redis; one of them has it in each period.
    ///
    /// # Errors
    /// As [`Redis::remove`].
    pub async fn may_sweep(&self, period: Duration) -> Result<bool, Unavailable> {
        let Some(open) = &self.open else { return Ok(false) };
        let mut pipe = redis::pipe();
        let key = open.keys.sweep();
        pipe.cmd("SET").arg(key).arg(&open.instance).arg("NX").arg("PX").arg(millis(period / 2));
        let (taken,): (Option<String>,) = open.pipe(&pipe, Access::Any, &mut open.unhurried()).await?;
        Ok(taken.is_some())
    }

    /// Sends a purge to every instance and waits, a bounded time, until each has carried it out.
    pub async fn broadcast(&self, command: &PurgeCommand) -> Acks {
        let Some(open) = &self.open else { return Acks::Alone };
        match open.collect_acks(command).await {
            Ok((done, missing)) => Acks::By { done, missing },
            Err(Unavailable) => Acks::Unavailable,
        }
    }

    /// Tells the sender of a purge that it is carried out here.
    pub async fn acknowledge(&self, from: &str, command: &PurgeCommand) {
        if let Some(open) = &self.open {
            let done = Message::Done { number: command.number };
            let _ = open.send(Recipient::One(from), done, &mut self.unhurried()).await;
        }
    }
}

impl Open {
    async fn collect_acks(&self, command: &PurgeCommand) -> Result<(Vec<String>, Vec<String>), Unavailable> {
        let mut missing = self.instances().await?;
        missing.remove(&self.instance);
        let mut acks = self.invalidations.expect_acks(command.number, MAX_INSTANCES);
        let purge = || Message::Purge(command.clone());
        self.send(Recipient::All, purge(), &mut self.unhurried()).await?;
        let timeout = if command.scope.is_wide() { WIDE_ACK_TIMEOUT } else { ACK_TIMEOUT };
        let began = monotonic();
        let mut done = vec![self.instance.clone()];
        // Sent twice: the subscription of an instance may just have begun.
        for until in [began + timeout / 2, began + timeout] {
            while !missing.is_empty() {
                let Ok(Some(name)) = tokio::time::timeout_at(until, acks.recv()).await else { break };
                if missing.remove(&name) {
                    done.push(name);
                }
            }
            for name in missing.iter().filter(|_| monotonic() < began + timeout) {
                let _ = self.send(Recipient::One(name), purge(), &mut self.unhurried()).await;
            }
        }
        Ok((done, missing.into_iter().collect()))
    }

    /// The instances whose registration has not run out.
    async fn instances(&self) -> Result<BTreeSet<String>, Unavailable> {
        let mut pipe = redis::pipe();
        pipe.cmd("TIME").cmd("ZRANGE").arg(self.keys.instances()).arg(0).arg(MAX_INSTANCES).arg("WITHSCORES");
        let ((seconds, micros), instances): ((i64, i64), Vec<(String, i64)>) =
            self.pipe(&pipe, Access::Any, &mut self.unhurried()).await?;
        let now = seconds * 1000 + micros / 1000;
        Ok(instances.into_iter().filter(|(_, until)| *until > now).map(|(name, _)| name).collect())
    }

    async fn delete_covered(
        self: &Arc<Self>,
        scope: &PurgeScope,
        generation: Generation,
        which: Which,
    ) -> Result<Vec<AvatarId>, Unavailable> {
        let (mut scan, mut found) = (RedisScan::new(Some(self.clone())), Vec::new());
        while let Some(page) = scan.page().await? {
            for id in page {
                let provider = self.provider(&id, &mut self.unhurried()).await?;
                // An entry that does not open is no instance's any more.
                if provider.is_none_or(|provider| scope.covers(provider))
                    && self.put_tombstone(&id, PurgeKind::Hard, generation, which).await?.entry
                {
                    found.push(id);
                }
            }
        }
        Ok(found)
    }
}
