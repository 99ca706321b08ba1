//! [`Redis`]: the tier that all instances share. What one resolves or downloads, all have; one instance refreshes an avatar;
//! a purge reaches all.
//!
//! Reading order, from the verbs down:
//!
//! - the handle here, and [`Budget`], the time that one request may spend on Redis (`time_budget`);
//! - `data`: get and put; below it `keys`, `seal`, `scripts`, and what stands in clear before a seal (`clear_head`);
//! - `lease`: one refresh of an avatar among all instances; `app_pause` and `event_sequence`: two small values they share;
//! - `purge`: purges and their tombstones, and the repair of a Redis that lacks some; `scan`: over all entries;
//! - `pubsub`: what may be served without asking Redis; its `subscriber` has the tasks, its `message` the wire form;
//! - `supervisor`: keeps the connection for commands and is the circuit breaker;
//! - `connect`: how a Redis is run (one node, Sentinel, a cluster, TLS); `check`: what `avatar-proxy check` tries.
//!
//! Every verb's failure is [`Unavailable`] and means one thing: go on without Redis.

mod app_pause;
mod check;
mod config;
mod connect;
mod data;
mod event_sequence;
mod lease;
mod pubsub;
mod purge;
mod scan;
mod supervisor;
#[cfg(test)]
pub(super) mod test_redis;
mod time_budget;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::health::{Health, State};
use super::{Held, LastPurges, PurgeLog, StoredPurge};
use crate::clock::Clock;
use crate::model::{AvatarId, ImagesConfig};
use crate::task_pool::TaskPool;
use crate::telemetry::{Metrics, RedisMetrics};
use data::keys::Keys;
use data::seal::Sealer;
use pubsub::Invalidations;
use pubsub::message::{Envelope, Recipient};
use purge::repair_backlog::RepairBacklog;
use supervisor::{Access, Supervisor};

pub use check::RedisCheck;
pub use config::{RedisConfig, RedisWritten};
pub use data::{Put, Shared};
pub use lease::{Lease, LeaseOutcome};
pub use pubsub::message::{Message, PurgeCommand};
pub use pubsub::{Position, RedisEvent, Watch};
pub use purge::Acks;
pub use supervisor::Unavailable;
pub use time_budget::Budget;

/// How long the start waits for Redis. It continues without one that does not answer.
const FIRST_CONNECTION: Duration = Duration::from_secs(1);
/// A call that no viewer waits for may take so many times `redis.timeout`.
const UNHURRIED: u32 = 10;

/// The shared tier, or none. Cheap to clone.
#[derive(Clone)]
pub struct Redis {
    open: Option<Arc<Open>>,
}

/// What all verbs work with.
pub(super) struct Open {
    instance: String,
    keys: Keys,
    sealer: Sealer,
    supervisor: Supervisor,
    invalidations: Invalidations,
    purge_log: Arc<PurgeLog>,
    clock: Clock,
    timeout: Duration,
    lease: Duration,
    keep_bytes_for: Duration,
    max_value: u64,
    images: ImagesConfig,
    metrics: Arc<Metrics>,
    purges: AtomicU64,
    backlog: RepairBacklog,
    subscribed: State,
    closed: CancellationToken,
    background: TaskPool,
}

/// What an operator sees of the shared tier.
#[derive(Debug, serde::Serialize)]
pub struct Status {
    /// This instance's name among the others.
    pub instance: String,
    /// Whether it receives the messages of the others. If not, it checks an entry in Redis at each view.
    pub subscribed: bool,
    /// Calls to Redis, heartbeats included.
    pub calls: u64,
    /// Calls that failed or took too long.
    pub failures: u64,
    /// Lookups that found an entry.
    pub hits: u64,
    /// Lookups that found none.
    pub misses: u64,
    /// Values that did not open, or were of an unknown version.
    pub rejected: u64,
    /// Entries that were stored.
    pub stored: u64,
}

impl Redis {
    /// No shared tier: this instance is alone.
    pub fn off() -> Self {
        Self { open: None }
    }

    /// Begins to connect and to subscribe, and waits a moment for Redis. Events arrive at the receiver. The tasks end with
    /// [`Redis::close`]. `purges` are those that an earlier process stored.
    pub async fn start(
        config: RedisConfig,
        purges: Vec<StoredPurge>,
        images: ImagesConfig,
        purge_log: Arc<PurgeLog>,
        clock: Clock,
        background: &TaskPool,
        metrics: Arc<Metrics>,
    ) -> (Self, mpsc::Receiver<RedisEvent>) {
        let (events, receiver) = mpsc::channel(pubsub::EVENTS);
        for StoredPurge { scope, kind, generation, published } in &purges {
            purge_log.record(scope, LastPurges::new(*kind, *generation));
            if *published {
                purge_log.learn(*generation);
            }
        }
        let open = Arc::new(Open {
            instance: instance_name(),
            keys: Keys::new(&config.prefix),
            sealer: config.sealer,
            supervisor: Supervisor::new(config.server, config.timeout, metrics.clone()),
            invalidations: Invalidations::new(events),
            purge_log,
            clock,
            timeout: config.timeout,
            lease: config.lease,
            keep_bytes_for: config.keep_bytes_for,
            max_value: config.max_value,
            images,
            metrics,
            purges: AtomicU64::new(1),
            backlog: RepairBacklog::new(purges),
            subscribed: State::new(
                "messages of the other instances arrive again",
                "no messages of the other instances arrive: entries are checked in Redis at each view",
            ),
            closed: CancellationToken::new(),
            background: background.clone(),
        });
        let listening = open.clone();
        background.spawn(listening.listen());
        let _ = tokio::time::timeout(FIRST_CONNECTION, open.invalidations.first_joined()).await;
        (Self { open: Some(open) }, receiver)
    }

    /// Whether there is a shared tier at all.
    pub fn is_on(&self) -> bool {
        self.open.is_some()
    }

    /// Whether an entry may be served without asking Redis. Two loads, since every hit calls this.
    pub fn trusts(&self, held: &Held) -> bool {
        self.open.as_ref().is_none_or(|open| {
            held.epoch() == open.invalidations.subscription_epoch().load(Ordering::Acquire)
        })
    }

    /// Whether this instance receives the messages of the others.
    pub fn is_subscribed(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.invalidations.is_subscribed())
    }

    /// How far the messages about an avatar are before a read, for [`Redis::trust`].
    pub fn position(&self, id: &AvatarId) -> Option<Position> {
        self.open.as_ref().map(|open| open.invalidations.position(id))
    }

    /// Trusts what was read from Redis, or put there, after `position`, unless a message about it has arrived since.
    pub fn trust(&self, held: &Held, position: Option<Position>) {
        if let Some((open, position)) = self.open.as_ref().zip(position)
            && let Some(epoch) = open.invalidations.since(&held.id, position)
        {
            held.trust(epoch);
        }
    }

    /// The time that one request may spend on Redis.
    pub fn budget(&self) -> Budget {
        Budget::new(self.open.as_ref().map_or(Duration::ZERO, |open| open.timeout))
    }

    /// The time for calls that no viewer waits for.
    pub fn unhurried(&self) -> Budget {
        Budget::new(self.open.as_ref().map_or(Duration::ZERO, |open| open.timeout * UNHURRIED))
    }

    /// How Redis is.
    pub fn health(&self) -> Health {
        let Some(open) = &self.open else { return Health::Well };
        match open.supervisor.health() {
            Health::Well => open.subscribed.health(),
            degraded @ Health::Degraded(_) => degraded,
        }
    }

    /// What an operator wants to know; `None` without Redis.
    pub fn status(&self) -> Option<Status> {
        let open = self.open.as_ref()?;
        let RedisMetrics { calls, failures, hits, misses, rejected, stored } = &open.metrics.redis;
        Some(Status {
            instance: open.instance.clone(),
            subscribed: open.invalidations.is_subscribed(),
            calls: calls.get(),
            failures: failures.get(),
            hits: hits.get(),
            misses: misses.get(),
            rejected: rejected.get(),
            stored: stored.get(),
        })
    }

    /// Takes this instance out of the register and ends its tasks.
    pub async fn close(&self) {
        if let Some(open) = &self.open {
            open.leave().await;
        }
    }
}

impl Open {
    async fn pipe<T: redis::FromRedisValue>(
        &self,
        pipe: &redis::Pipeline,
        access: Access,
        budget: &mut Budget,
    ) -> Result<T, Unavailable> {
        let mut connection = self.supervisor.connection()?;
        self.supervisor.ask(budget, access, pipe.query_async(&mut connection)).await
    }

    async fn script<T: redis::FromRedisValue>(
        &self,
        script: &redis::ScriptInvocation<'_>,
        access: Access,
        budget: &mut Budget,
    ) -> Result<T, Unavailable> {
        let mut connection = self.supervisor.connection()?;
        self.supervisor.ask(budget, access, script.invoke_async(&mut connection)).await
    }

    /// Publishes a message.
    async fn send(
        &self,
        to: Recipient<'_>,
        message: Message,
        budget: &mut Budget,
    ) -> Result<(), Unavailable> {
        let channel = to.channel(&self.keys);
        let envelope = Envelope { from: self.instance.clone(), message };
        let sealed = envelope.sealed(&self.sealer, &channel).ok_or(Unavailable)?;
        let mut pipe = redis::pipe();
        pipe.cmd("PUBLISH").arg(&channel).arg(sealed).ignore();
        self.pipe(&pipe, Access::Any, budget).await
    }

    fn count_rejected(&self) {
        self.metrics.redis.rejected.add(1);
    }

    fn unhurried(&self) -> Budget {
        Budget::new(self.timeout * UNHURRIED)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() { "Redis" } else { "no Redis" })
    }
}

fn millis(span: Duration) -> u64 {
    // Redis refuses a time to live of 0 ms.
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// The host's name, by which an operator knows the instance, and something random: a restart is another instance.
fn instance_name() -> String {
    use aes_gcm::aead::Generate;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String =
        host.trim().chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    let random: [u8; 4] = <[u8; 4]>::try_generate().unwrap_or_else(|_| std::process::id().to_be_bytes());
    format!("{}-{}", if host.is_empty() { "instance" } else { &host }, hex::encode(random))
}
