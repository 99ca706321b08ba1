//! [`Tiers`]: memory, disk and Redis behind one noun. Nothing else in the service holds a store.
//!
//! What each verb does to an entry, tier by tier and in this order:
//!
//! | verb | memory | disk | Redis |
//! |---|---|---|---|
//! | `commit` of a refresh | put | put with its events, awaited | `publish`, after the waiters have their answer |
//! | `commit` of a row change | replaced, unless a refresh came first | put with its events, awaited | `publish`, at once |
//! | `adopt`: another instance's entry | put | put with its events, behind the view | |
//! | `promote`: read from disk | put | | |
//! | `backfill`: Redis has lost it | | | put, behind the view |
//! | `mark_outdated`: Redis has a newer picture without its bytes | replaced | | |
//! | `invalidate`: a soft purge | put | put | its tombstone says so |
//! | `remove`: a hard purge | removed, before and after | removed, awaited | its tombstone says so |
//!
//! Events reach the disk in the transaction of their entry, and before Redis hears of it: an instance that already has
//! the entry sees no change and emits nothing.
//!
//! Reading order: the lookups here, `holding` (their answer), `coalesce` (one lookup for all requests of an avatar),
//! `reconcile` and `choice` (which of several copies is right), `correction` (times that a wrong clock wrote), `commit` and
//! `event` (writes an entry and what has changed), `purge`, `sharing` (leases and messages), `cooldown` (pauses of apps),
//! `peek` (reads and changes nothing), `scan` (all that this instance holds).

mod choice;
mod coalesce;
mod commit;
mod cooldown;
mod correction;
mod event;
mod holding;
mod peek;
mod purge;
mod reconcile;
mod scan;
mod sharing;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::snapshot::Snapshot;
use crate::clock::Clock;
use crate::model::{AvatarId, Provider, Timestamp, Windows};
use crate::store::{Budget, Disk, Held, Lease, Memory, PurgeLog, Redis};
use crate::task_pool::TaskPool;
use crate::webhook::Events;
use coalesce::LookupCoalescer;
use cooldown::AppCooldowns;

pub(super) use choice::is_later;
pub(super) use holding::{Forgotten, Holding, Peek};

/// The stores, and what they need to agree.
pub struct TiersParts {
    /// Entries in this process.
    pub memory: Memory,
    /// Last good bytes.
    pub disk: Disk,
    /// What all instances share.
    pub redis: Redis,
    /// Guards the stores against refreshes that began before a purge.
    pub purge_log: Arc<PurgeLog>,
    /// Whether the dashboard receives events.
    pub events: Events,
    /// The ages at which an entry changes.
    pub windows: Windows,
    /// Time.
    pub clock: Clock,
    /// Where work runs that no view waits for.
    pub background: TaskPool,
}

/// The only holder of the stores.
pub(super) struct Tiers {
    parts: TiersParts,
    lookups: LookupCoalescer,
    cooldowns: AppCooldowns,
    backfills: Arc<Semaphore>,
    /// Configuration changes only between processes, so an older misconfiguration may be over.
    started_at: Timestamp,
}

/// Why an entry is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A refresh has ended.
    Refresh,
    /// The row behind the avatar says something new.
    RowChange,
}

/// Which instance refreshes an avatar.
pub(super) enum Slot {
    /// This one; without a lease where Redis is away, slow or not configured.
    Ours(Option<Lease>),
    /// Another one; its lease ends after this time.
    Theirs(Duration),
}

/// Entries put into Redis behind views at one time; a later view does the others.
const BACKFILLS: usize = 64;

impl Tiers {
    /// Takes the stores, and takes over the cooldowns of these providers that an earlier process recorded.
    pub(super) async fn start(parts: TiersParts, providers: impl IntoIterator<Item = Provider>) -> Arc<Self> {
        let cooldowns = AppCooldowns::new(providers);
        for (provider, until) in parts.disk.pauses().await {
            cooldowns.set(provider, until, parts.clock.now());
        }
        Arc::new(Self {
            lookups: LookupCoalescer::default(),
            cooldowns,
            backfills: Arc::new(Semaphore::new(BACKFILLS)),
            started_at: parts.clock.now(),
            parts,
        })
    }

    /// The entry in memory, if it can be served without asking Redis. The hit path: one lookup and two loads.
    pub(super) fn trusted(&self, id: &str) -> Option<Arc<Held>> {
        self.parts.memory.get(id).filter(|held| self.parts.redis.trusts(held))
    }

    /// The entry of an avatar: from memory alone where it can be trusted, else from Redis, then from the disk. Deletes nothing.
    pub(super) async fn lookup(&self, id: &AvatarId, now: Timestamp, budget: &mut Budget) -> Holding {
        let holding = match self.in_memory(id, now) {
            Some(held) if self.parts.redis.trusts(&held) => Holding::Held(held),
            Some(held) => self.reconcile(id, Some(held), now, budget).await,
            None => self.lookup_below_memory(id, now, budget).await,
        };
        match holding {
            Holding::Held(held) if self.is_expired(&held, now) => Holding::Forgotten(Forgotten::Expired),
            holding => holding,
        }
    }

    /// What Redis or the disk holds. All who ask for the same avatar share one lookup.
    async fn lookup_below_memory(&self, id: &AvatarId, now: Timestamp, budget: &mut Budget) -> Holding {
        let mut whole = *budget;
        let look = async {
            let holding = self.reconcile(id, None, now, &mut whole).await;
            (holding, whole)
        };
        let holding;
        (holding, *budget) = self.lookups.share(id, look).await;
        match holding {
            // The lookup may have begun before a purge that this request comes after.
            Holding::Held(held) if !self.accepts(&held) => Holding::Nothing,
            holding => holding,
        }
    }

    fn is_expired(&self, held: &Held, now: Timestamp) -> bool {
        held.entry.picture().is_some()
            && held.entry.age(now, &self.parts.windows) >= self.parts.windows.forget
    }

    /// What one request may spend on Redis.
    pub(super) fn budget(&self) -> Budget {
        self.parts.redis.budget()
    }

    /// Whether there are other instances to share with.
    pub(super) fn are_shared(&self) -> bool {
        self.parts.redis.is_on()
    }

    /// What background work may spend on Redis.
    pub(super) fn unhurried(&self) -> Budget {
        self.parts.redis.unhurried()
    }

    /// How the stores are, beside what the refresher counts.
    pub(super) fn snapshot(
        &self,
        now: Timestamp,
        flights: usize,
        refreshes: usize,
        waiting: usize,
    ) -> Snapshot {
        let TiersParts { memory, disk, redis, events, .. } = &self.parts;
        let (entries, bytes) = memory.weight();
        Snapshot {
            disk: disk.health(),
            redis: redis.health(),
            webhooks: events.health(now),
            redis_status: redis.status(),
            webhook_status: events.status(),
            entries,
            bytes,
            flights,
            refreshes,
            waiting,
        }
    }

    /// Closes the shared tier, then the disk when everything is written.
    pub(super) async fn close(&self) {
        self.parts.redis.close().await;
        self.parts.disk.close().await;
    }
}
