//! Purges: raised in Redis, carried out there, published to every instance, and acknowledged by each.

mod repair;
pub(super) mod tombstone;
pub(super) mod unpublished;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::data::scripts;
use super::pubsub::message::{Message, PurgeCommand, Reach, Recipient};
use super::supervisor::Access;
use super::{Open, Redis, Unavailable, millis};
use crate::clock::monotonic;
use crate::model::{AvatarId, Generation, Provider};
use crate::store::purge_log::{LastPurges, Subject};
use tombstone::Which;

/// How long the other instances have for the avatars that an order names ...
const PATIENCE: Duration = Duration::from_secs(2);
/// ... and for a whole provider, whose every avatar each of them looks at.
const LONG_PATIENCE: Duration = Duration::from_secs(10);
/// Calls to Redis that are under way at one time where many avatars are concerned.
pub(crate) const AT_ONCE: usize = 32;
/// Instances that are waited for; more are none of ours.
const MOST_INSTANCES: usize = 1000;

/// Who has carried an order out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acks {
    /// There is no shared tier: this instance is all.
    Alone,
    /// These have, and those have not answered; they will when they are back.
    By {
        /// By name, this one included.
        done: Vec<String>,
        /// By name.
        missing: Vec<String>,
    },
    /// Redis is away: nobody else knows yet. The order is repeated when it is back.
    Unavailable,
}

impl Redis {
    /// The next generation of all instances, at least `local`; without a shared tier `local` itself. From it on,
    /// everything that began before is refused by every instance that has heard of the order.
    ///
    /// # Errors
    /// Redis is away, too slow for the budget, or refuses.
    pub async fn next_generation(&self, local: Generation) -> Result<Generation, Unavailable> {
        let Some(open) = &self.open else { return Ok(local) };
        let mut script = scripts::NEXT.prepare_invoke();
        script.key(open.keys.generation()).arg(local.0).arg(millis(open.keep_bytes_for));
        let next = Generation(open.script(&script, Access::Any, &mut self.unhurried()).await?);
        open.purge_log.learn(next);
        Ok(next)
    }

    /// An order with a number of its own.
    pub fn command(&self, reach: Reach, hard: bool, generation: Generation) -> PurgeCommand {
        let number = self.open.as_ref().map_or(0, |open| open.purges.fetch_add(1, Ordering::Relaxed));
        PurgeCommand { number, reach, hard, generation: generation.0, gone: false }
    }

    /// Has Redis refuse what began before an order, and deletes there what the order names. Returns the avatars of which
    /// something was held.
    ///
    /// # Errors
    /// As [`Redis::next_generation`].
    pub async fn purge(&self, order: &PurgeCommand) -> Result<Vec<AvatarId>, Unavailable> {
        let Some(open) = &self.open else { return Ok(Vec::new()) };
        for subject in order.reach.subjects() {
            match subject {
                Subject::All => open.note(None, order.hard, order.generation()).await?,
                Subject::Provider(provider) => {
                    open.note(Some(provider), order.hard, order.generation()).await?
                }
                Subject::Avatar(_) => continue,
            };
        }
        let found = order.reach.ids().into_iter().map(|id| async move {
            let purged = open.purge_avatar(&id, order.hard, order.generation(), Which::All).await?;
            Ok(purged.was_held.then_some(id))
        });
        let found: Vec<_> = stream::iter(found).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Leaves nothing of an avatar in Redis. Tells whether anything was held.
    ///
    /// # Errors
    /// As [`Redis::next_generation`].
    pub async fn remove(&self, id: &AvatarId, generation: Generation) -> Result<bool, Unavailable> {
        let open = self.open.as_ref().ok_or(Unavailable)?;
        Ok(open.purge_avatar(id, true, generation, Which::All).await?.was_held)
    }

    /// The purges of these avatars that Redis remembers, in the order of the ids.
    ///
    /// # Errors
    /// As [`Redis::next_generation`].
    pub async fn purged(&self, ids: &[AvatarId]) -> Result<Vec<LastPurges>, Unavailable> {
        let open = self.open.as_ref().ok_or(Unavailable)?;
        let purged = ids.iter().cloned().map(|id| async move { open.purged(&id).await });
        stream::iter(purged).buffered(AT_ONCE).try_collect().await
    }

    /// The purges of a whole provider that Redis remembers.
    ///
    /// # Errors
    /// As [`Redis::next_generation`].
    pub async fn purged_of(&self, provider: Provider) -> Result<LastPurges, Unavailable> {
        self.open.as_ref().ok_or(Unavailable)?.purged_of(Some(provider)).await
    }

    /// Has an order made again when Redis is back, since not everybody could be told.
    pub fn repeat(&self, reach: Reach, hard: bool) {
        if let Some(open) = &self.open {
            open.pending.add(reach, hard);
        }
    }

    /// Returns when this instance may have missed purges: its subscription has begun to stand, it could not take all news
    /// at once, or others have put back what Redis had forgotten. For one caller; never without a shared tier.
    pub async fn next_gap(&self) {
        match &self.open {
            Some(open) => open.invalidations.missed().await,
            None => std::future::pending().await,
        }
    }

    /// Message could not be acted upon: nothing is trusted, and [`Redis::next_gap`] returns.
    pub fn note_gap(&self) {
        if let Some(open) = &self.open {
            open.invalidations.gap();
        }
    }

    /// Whether it is this instance's turn to walk over all that lies in Redis; one of them has it in each period.
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

    /// Tells every instance and waits, a bounded time, until each has carried the order out.
    pub async fn broadcast(&self, order: &PurgeCommand) -> Acks {
        let Some(open) = &self.open else { return Acks::Alone };
        match open.collect(order).await {
            Ok((done, missing)) => Acks::By { done, missing },
            Err(Unavailable) => Acks::Unavailable,
        }
    }

    /// Tells the sender of an order that it is carried out here.
    pub async fn acknowledge(&self, from: &str, order: &PurgeCommand) {
        if let Some(open) = &self.open {
            let news = Message::Done { number: order.number };
            let _ = open.tell(Recipient::One(from), news, &mut self.unhurried()).await;
        }
    }
}

impl Open {
    async fn collect(&self, order: &PurgeCommand) -> Result<(Vec<String>, Vec<String>), Unavailable> {
        let mut missing = self.instances().await?;
        missing.remove(&self.instance);
        let mut answers = self.invalidations.expect_answers(order.number, MOST_INSTANCES);
        self.tell(Recipient::All, Message::Purge(order.clone()), &mut self.unhurried()).await?;
        let patience = if order.reach.is_wide() { LONG_PATIENCE } else { PATIENCE };
        let began = monotonic();
        let mut done = vec![self.instance.clone()];
        // Told twice: a subscription may just stand again.
        for until in [began + patience / 2, began + patience] {
            while !missing.is_empty() {
                let Ok(Some(name)) = tokio::time::timeout_at(until, answers.recv()).await else { break };
                if missing.remove(&name) {
                    done.push(name);
                }
            }
            for name in missing.iter().filter(|_| monotonic() < began + patience) {
                let _ = self
                    .tell(Recipient::One(name), Message::Purge(order.clone()), &mut self.unhurried())
                    .await;
            }
        }
        Ok((done, missing.into_iter().collect()))
    }

    /// The instances that have shown a sign of life of late.
    async fn instances(&self) -> Result<BTreeSet<String>, Unavailable> {
        let mut pipe = redis::pipe();
        pipe.cmd("TIME")
            .cmd("ZRANGE")
            .arg(self.keys.instances())
            .arg(0)
            .arg(MOST_INSTANCES)
            .arg("WITHSCORES");
        let ((seconds, micros), instances): ((i64, i64), Vec<(String, i64)>) =
            self.pipe(&pipe, Access::Any, &mut self.unhurried()).await?;
        let now = seconds * 1000 + micros / 1000;
        Ok(instances.into_iter().filter(|(_, until)| *until > now).map(|(name, _)| name).collect())
    }
}
