//! Purges: raised in Redis, carried out there, published to every instance, and acknowledged by each.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::keeper::Access;
use super::news::{News, Order, Reach, To, field};
use super::url::Place;
use super::{Away, Budget, Open, Redis, millis, scripts};
use crate::clock::monotonic;
use crate::model::{AvatarId, Generation};

/// How long the other instances have for the avatars that an order names ...
const PATIENCE: Duration = Duration::from_secs(2);
/// ... and for a whole provider, whose every avatar each of them looks at.
const LONG_PATIENCE: Duration = Duration::from_secs(10);
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

    pub(super) fn take(&self) -> Vec<(Reach, bool)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Redis {
    /// Numbers a purge. From its generation on, everything that began before is refused by every instance that has heard
    /// of it. Where Redis is away the order is for this instance alone, and repeated for the others later.
    pub async fn order(&self, reach: Reach, hard: bool, local: Generation) -> Order {
        let Some(open) = &self.open else {
            return Order { number: 0, reach, hard, generation: local.0 };
        };
        let number = open.purges.fetch_add(1, Ordering::Relaxed);
        let mut script = scripts::NEXT.prepare_invoke();
        script.key(open.keys.purges()).arg(local.0).arg(millis(open.keep_bytes_for));
        for provider in reach.providers() {
            script.arg(field(provider, hard));
        }
        let generation = match open.script::<u64>(&script, Access::Any, &mut self.unhurried()).await {
            Ok(generation) => generation,
            Err(Away) => {
                open.pending.add(reach.clone(), hard);
                return Order { number: 0, reach, hard, generation: local.0 };
            }
        };
        Order { number, reach, hard, generation }
    }

    /// Leaves nothing of an avatar in Redis, and has what began before refused there. Tells whether anything was held.
    ///
    /// # Errors
    /// Redis is away, too slow for the budget, or refuses.
    pub async fn remove(
        &self,
        id: &AvatarId,
        generation: Generation,
        budget: &mut Budget,
    ) -> Result<bool, Away> {
        let open = self.open.as_ref().ok_or(Away)?;
        let keys = open.keys.of(id);
        let mut script = scripts::PURGE.prepare_invoke();
        script.key(keys.entry).key(keys.picture).key(keys.link).key(keys.trouble).key(keys.purged);
        script.arg(generation.0).arg(millis(open.keep_bytes_for));
        open.script::<i64>(&script, Access::Any, budget).await.map(|removed| removed > 0)
    }

    /// Tells every instance and waits, a bounded time, until each has carried the order out.
    pub async fn announce(&self, order: &Order) -> Acknowledged {
        let Some(open) = &self.open else { return Acknowledged::Alone };
        // An order without a number was made while Redis was away.
        if order.number == 0 {
            return Acknowledged::Away;
        }
        match open.collect(order).await {
            Ok((done, missing)) => Acknowledged::By { done, missing },
            Err(Away) => {
                open.pending.add(order.reach.clone(), order.hard);
                Acknowledged::Away
            }
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

impl Open {
    async fn collect(&self, order: &Order) -> Result<(Vec<String>, Vec<String>), Away> {
        let mut missing = self.instances().await?;
        missing.remove(&self.instance);
        let mut answers = self.bus.expect_answers(order.number, missing.len());
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
        pipe.cmd("TIME").cmd("ZRANGE").arg(self.keys.instances()).arg(0).arg(-1).arg("WITHSCORES");
        let ((seconds, micros), instances): ((i64, i64), Vec<(String, i64)>) =
            self.pipe(&pipe, Access::Any, &mut self.unhurried()).await?;
        let now = seconds * 1000 + micros / 1000;
        Ok(instances.into_iter().filter(|(_, until)| *until > now).map(|(name, _)| name).collect())
    }
}
