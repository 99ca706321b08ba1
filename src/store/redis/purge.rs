//! Purges: raised in Redis, carried out there, published to every instance, and acknowledged by each.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::keeper::Access;
use super::keys::AvatarKeys;
use super::news::{News, Order, Reach, To};
use super::record::MAX_RECORD;
use super::url::Place;
use super::{Away, Open, Redis, millis, scripts};
use crate::clock::monotonic;
use crate::model::{AvatarId, Generation, Provider};
use crate::store::KeptPurge;
use crate::store::generations::{Purged, Subject};

/// How long the other instances have for the avatars that an order names ...
const PATIENCE: Duration = Duration::from_secs(2);
/// ... and for a whole provider, whose every avatar each of them looks at.
const LONG_PATIENCE: Duration = Duration::from_secs(10);
/// Calls to Redis that are under way at one time where many avatars are concerned.
pub(super) const AT_ONCE: usize = 32;
/// Instances that are waited for; more are none of ours.
const MOST_INSTANCES: usize = 1000;
/// Avatars that one order names, at most.
const MOST_IDS: usize = 1000;
/// Orders that are kept for a Redis that is away.
const MOST_PENDING: usize = 1000;

/// Who has carried an order out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledged {
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
    Away,
}

/// Orders for a Redis that is away.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<Vec<(Reach, bool)>>);

impl Pending {
    fn add(&self, reach: Reach, hard: bool) {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if orders.len() < MOST_PENDING {
            orders.push((reach, hard));
        } else {
            tracing::error!(?reach, hard, "a purge that Redis will never hear of: too many wait for it");
        }
    }

    /// Orders that an earlier process has kept.
    pub(super) fn take_over(&self, purges: Vec<KeptPurge>) {
        let (mut hard, mut soft) = (Vec::new(), Vec::new());
        for purge in purges.into_iter().filter(|purge| !purge.told) {
            match purge.subject {
                Subject::Avatar(id) if purge.hard => hard.push(id.to_string()),
                Subject::Avatar(id) => soft.push(id.to_string()),
                Subject::Provider(provider) => self.add(Reach::Provider(provider.to_string()), purge.hard),
            }
        }
        for (ids, hard) in [(hard, true), (soft, false)] {
            ids.chunks(MOST_IDS).for_each(|ids| self.add(Reach::Ids(ids.to_vec()), hard));
        }
    }

    pub(super) fn take(&self) -> Vec<(Reach, bool)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Redis {
    /// The next generation of all instances, at least `local`; without a shared tier `local` itself. From it on,
    /// everything that began before is refused by every instance that has heard of the order.
    ///
    /// # Errors
    /// Redis is away, too slow for the budget, or refuses.
    pub async fn next_generation(&self, local: Generation) -> Result<Generation, Away> {
        let Some(open) = &self.open else { return Ok(local) };
        let mut script = scripts::NEXT.prepare_invoke();
        script.key(open.keys.generation()).arg(local.0).arg(millis(open.keep_bytes_for));
        let next = Generation(open.script(&script, Access::Any, &mut self.unhurried()).await?);
        open.generations.learn(next);
        Ok(next)
    }

    /// An order with a number of its own.
    pub fn order(&self, reach: Reach, hard: bool, generation: Generation) -> Order {
        let number = self.open.as_ref().map_or(0, |open| open.purges.fetch_add(1, Ordering::Relaxed));
        Order { number, reach, hard, generation: generation.0 }
    }

    /// Has Redis refuse what began before an order, and deletes there what the order names. Returns the avatars of which
    /// something was held.
    ///
    /// # Errors
    /// As [`Redis::next_generation`].
    pub async fn carry_out(&self, order: &Order) -> Result<Vec<AvatarId>, Away> {
        let Some(open) = &self.open else { return Ok(Vec::new()) };
        for provider in order.reach.providers() {
            open.note(provider, order.hard, order.generation()).await?;
        }
        let found = order.reach.ids().into_iter().map(|id| async move {
            let purged = open.purge(&id, order.hard, order.generation(), Which::All).await?;
            Ok(purged.was_held.then_some(id))
        });
        let found: Vec<_> = stream::iter(found).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Leaves nothing of an avatar in Redis. Tells whether anything was held.
    ///
    /// # Errors
    /// As [`Redis::next_generation`].
    pub async fn remove(&self, id: &AvatarId, generation: Generation) -> Result<bool, Away> {
        let open = self.open.as_ref().ok_or(Away)?;
        Ok(open.purge(id, true, generation, Which::All).await?.was_held)
    }

    /// The purges of these avatars that Redis remembers, in the order of the ids.
    ///
    /// # Errors
    /// As [`Redis::next_generation`].
    pub async fn purged(&self, ids: &[AvatarId]) -> Result<Vec<Purged>, Away> {
        let open = self.open.as_ref().ok_or(Away)?;
        let purged = ids.iter().cloned().map(|id| async move { open.purged(&id).await });
        stream::iter(purged).buffered(AT_ONCE).try_collect().await
    }

    /// Has an order made again when Redis is back, since not everybody could be told.
    pub fn repeat(&self, reach: Reach, hard: bool) {
        if let Some(open) = &self.open {
            open.pending.add(reach, hard);
        }
    }

    /// Returns when this instance may have missed purges: its subscription has begun to stand, it could not take all news
    /// at once, or others have put back what Redis had forgotten. For one caller; never without a shared tier.
    pub async fn may_have_missed(&self) {
        match &self.open {
            Some(open) => open.bus.missed().await,
            None => std::future::pending().await,
        }
    }

    /// News could not be acted upon: nothing is trusted, and [`Redis::may_have_missed`] returns.
    pub fn miss(&self) {
        if let Some(open) = &self.open {
            open.bus.miss();
        }
    }

    /// Whether it is this instance's turn to walk over all that lies in Redis; one of them has it in each period.
    ///
    /// # Errors
    /// As [`Redis::remove`].
    pub async fn may_sweep(&self, period: Duration) -> Result<bool, Away> {
        let Some(open) = &self.open else { return Ok(false) };
        let mut pipe = redis::pipe();
        let key = open.keys.sweep();
        pipe.cmd("SET").arg(key).arg(&open.instance).arg("NX").arg("PX").arg(millis(period / 2));
        let (taken,): (Option<String>,) = open.pipe(&pipe, Access::Any, &mut open.unhurried()).await?;
        Ok(taken.is_some())
    }

    /// Tells every instance and waits, a bounded time, until each has carried the order out.
    pub async fn announce(&self, order: &Order) -> Acknowledged {
        let Some(open) = &self.open else { return Acknowledged::Alone };
        match open.collect(order).await {
            Ok((done, missing)) => Acknowledged::By { done, missing },
            Err(Away) => Acknowledged::Away,
        }
    }

    /// Tells the sender of an order that it is carried out here.
    pub async fn acknowledge(&self, from: &str, order: &Order) {
        if let Some(open) = &self.open {
            let news = News::Done { number: order.number };
            let _ = open.tell(To::One(from), news, &mut self.unhurried()).await;
        }
    }

    /// A walk over all entries.
    pub fn walk(&self) -> Walk {
        Walk { open: self.open.clone(), nodes: None, cursor: 0 }
    }
}

/// Walks over the entries in Redis, node by node; each is seen at least once if it stays all the while.
pub struct Walk {
    open: Option<Arc<Open>>,
    /// The nodes that are left, the one it is at last; `None` = not begun.
    nodes: Option<Vec<Option<Place>>>,
    cursor: u64,
}

impl Walk {
    /// The next page of ids, which may be empty; `None` at the end.
    ///
    /// # Errors
    /// As [`Redis::remove`].
    pub async fn page(&mut self) -> Result<Option<Vec<AvatarId>>, Away> {
        let Some(open) = &self.open else { return Ok(None) };
        let connection = open.keeper.connection()?;
        let nodes = match &mut self.nodes {
            Some(nodes) => nodes,
            None => {
                let nodes =
                    open.keeper.ask(&mut open.unhurried(), Access::Any, connection.primaries()).await?;
                self.nodes.insert(nodes)
            }
        };
        let Some(node) = nodes.last() else { return Ok(None) };
        let pattern = open.keys.entries();
        let scan = connection.scan(node.as_ref(), self.cursor, &pattern);
        let (next, keys) = open.keeper.ask(&mut open.unhurried(), Access::Any, scan).await?;
        self.cursor = next;
        if next == 0 {
            nodes.pop();
        }
        Ok(Some(keys.iter().filter_map(|key| open.keys.avatar(key)).collect()))
    }
}

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
        script.arg(generation.0).arg(self.record(record, generation).ok_or(Away)?);
        script.arg(millis(self.keep_bytes_for)).arg(if hard { "hard" } else { "soft" });
        script.arg(if which == Which::All { "all" } else { "older" });
        let (held, news) = self.script::<(i64, i64)>(&script, Access::Any, &mut self.unhurried()).await?;
        Ok(Before { was_held: held > 0, is_news: news > 0 })
    }

    /// Notes the purge of a whole provider in Redis. Tells whether that was news.
    pub(super) async fn note(
        &self,
        provider: Provider,
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

    /// The purges of a whole provider that Redis remembers.
    pub(super) async fn purged_of(&self, provider: Provider) -> Result<Purged, Away> {
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

    async fn collect(&self, order: &Order) -> Result<(Vec<String>, Vec<String>), Away> {
        let mut missing = self.instances().await?;
        missing.remove(&self.instance);
        let mut answers = self.bus.expect_answers(order.number, MOST_INSTANCES);
        self.tell(To::Everybody, News::Purge(order.clone()), &mut self.unhurried()).await?;
        let patience = if order.reach.providers().is_empty() { PATIENCE } else { LONG_PATIENCE };
        let until = monotonic() + patience;
        let mut done = vec![self.instance.clone()];
        while !missing.is_empty() {
            let Ok(Some(name)) = tokio::time::timeout_at(until, answers.recv()).await else { break };
            if missing.remove(&name) {
                done.push(name);
            }
        }
        Ok((done, missing.into_iter().collect()))
    }

    /// The instances that have shown a sign of life of late.
    async fn instances(&self) -> Result<BTreeSet<String>, Away> {
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
