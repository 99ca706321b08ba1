//! [`Supervisor`]: keeps one connection for commands, so that a Redis which is away costs no request any time.
//!
//! It is the circuit breaker, too: while there is no connection a call fails at once. A broken connection trips it, and so do
//! a few calls in a row that time out. From then on only this task's own probes wait for Redis.
//!
//! A cluster may lose some of its slots and serve the others, so no call trips the breaker for it. Calls that fail make this
//! task ask whether any shard still works, and whether the primaries are the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::{RedisError, RedisResult};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::Instrument;

use super::connect::Server;
pub(super) use super::connect::connection::text_of;
use super::connect::connection::{Meaning, RedisConnection};
use super::connect::error::ConnectError;
use super::time_budget::Budget;
use crate::clock::{Stopwatch, monotonic};
use crate::model::Backoff;
use crate::store::health::{Health, State};
use crate::telemetry::Metrics;

/// For a probe: to connect, log in and get an answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Before each probe.
const PROBE_BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
/// After a connection that lived this long the next probe comes at once; after a shorter one there is a pause.
const STABLE_AFTER: Duration = Duration::from_secs(1);
/// Between two questions who the primary is.
const PRIMARY_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// So many calls in a row that time out trip the breaker.
const TIMEOUTS_TO_TRIP: u32 = 3;
/// Some shard of a cluster in doubt must answer within this time. The crate may be busy with a node that hangs: it tries to
/// connect to it for a quarter of [`PROBE_TIMEOUT`], while all others wait.
const SHARD_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two such questions.
const DOUBT_INTERVAL: Duration = Duration::from_millis(100);

/// After Redis refused to store an entry it counts as degraded for this time. Without a later entry nothing shows more.
const REFUSAL_COUNTS_FOR: Duration = Duration::from_secs(60);

/// Redis is off or away, too slow for the budget, or refuses: the caller always goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Redis is away, slow or refuses")]
pub struct Unavailable;

/// What a call does. A Redis that is full, or whose ACL is too tight, may refuse to store entries and do all else:
/// heartbeats, releases and purges that succeed prove nothing, and nor do entries that are not stored for another reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It stores an entry. [`Supervisor::note_stored`] tells whether Redis took it.
    Put,
    /// It does anything else.
    Any,
}

/// The connection for commands.
pub(super) struct Supervisor {
    server: Server,
    /// `redis.timeout`: a Redis that is slower is of no use.
    timeout: Duration,
    // A mutex that blocks: held to clone a handle, never across an await; a hit in memory does not take it.
    current: Mutex<Option<RedisConnection>>,
    /// Rises with each connection; 0 = there is none.
    connection_id: watch::Sender<u64>,
    timeouts: AtomicU32,
    /// Of a cluster: too many calls timed out.
    doubted: Notify,
    connected: State,
    writes: State,
    /// When an entry was last refused.
    refused: Mutex<Option<Instant>>,
    metrics: Arc<Metrics>,
}

impl Supervisor {
    pub(super) fn new(server: Server, timeout: Duration, metrics: Arc<Metrics>) -> Self {
        Self {
            server,
            timeout,
            current: Mutex::default(),
            connection_id: watch::Sender::new(0),
            timeouts: AtomicU32::new(0),
            doubted: Notify::new(),
            connected: State::new(
                "Redis is back",
                "Redis is away: this instance goes on from memory and disk",
            ),
            writes: State::new("Redis stores entries again", "Redis refuses to store entries"),
            refused: Mutex::default(),
            metrics,
        }
    }

    /// Connects again and again; ends when its task is dropped.
    pub(super) async fn run(&self) {
        let mut backoff = PROBE_BACKOFF;
        for connection_id in 1.. {
            let connection = loop {
                tokio::time::sleep(backoff.pause(0)).await;
                match self.connected.note(self.probe().await) {
                    Some(connection) => break connection,
                    None => backoff.fail(),
                }
            };
            tracing::info!(redis = self.server.describe(), "connected to Redis");
            self.timeouts.store(0, Ordering::Relaxed);
            let watch = Stopwatch::start();
            self.set(connection_id, Some(connection.clone()));
            tokio::select! {
                () = self.tripped(connection_id) => {}
                () = self.watch(connection_id, &connection) => {}
            }
            self.set(0, None);
            if watch.elapsed() < STABLE_AFTER {
                backoff.fail();
            } else {
                backoff.reset();
            }
        }
    }

    /// A connection that answers in time. The next calls would trip the breaker of one that is open but slow.
    async fn probe(&self) -> Result<RedisConnection, String> {
        let connection = self.server.connect(PROBE_TIMEOUT).await.map_err(|error| error.to_string())?;
        match self.server.answers(&connection, self.timeout).await {
            Ok(()) => Ok(connection),
            Err(ConnectError::TimedOut(timeout)) => {
                Err(format!("it answers more slowly than redis.timeout = {timeout:?}"))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Returns when a call has tripped the breaker.
    async fn tripped(&self, connection_id: u64) {
        let mut lines = self.connection_id.subscribe();
        let _ = lines.wait_for(|now| *now != connection_id).await;
    }

    /// Returns when the connection is of no more use although no call found it so.
    async fn watch(&self, connection_id: u64, connection: &RedisConnection) {
        let is_cluster = self.server.is_cluster();
        let mut seen = self.metrics.redis.failures.get();
        loop {
            tokio::select! {
                () = self.doubted.notified() => {}
                () = tokio::time::sleep(PRIMARY_CHECK_INTERVAL) => {}
            }
            let failures = self.metrics.redis.failures.get();
            if is_cluster && failures == seen {
                continue;
            }
            seen = failures;
            if is_cluster {
                if let Err(why) = self.server.answers(connection, SHARD_TIMEOUT).await {
                    return self.trip(connection_id, &why.to_string());
                }
                self.timeouts.store(0, Ordering::Relaxed);
            }
            // With Sentinel the connection stays open to a server that is the primary no more.
            if !self.server.is_current(connection, PROBE_TIMEOUT).await {
                tracing::info!("Redis: another node is the primary now");
                return;
            }
            tokio::time::sleep(DOUBT_INTERVAL).await;
        }
    }

    /// Sets both at once, so that no call sees one without the other.
    fn set(&self, connection_id: u64, connection: Option<RedisConnection>) {
        let mut current = self.current.lock();
        *current = connection;
        self.connection_id.send_replace(connection_id);
    }

    /// The connection, if there is one.
    pub(super) fn connection(&self) -> Result<RedisConnection, Unavailable> {
        self.current.lock().clone().ok_or(Unavailable)
    }

    /// The id of the connection, for tasks that hold one beside it; 0 = none.
    pub(super) fn connection_id(&self) -> watch::Receiver<u64> {
        self.connection_id.subscribe()
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Waits for an answer as long as the budget allows, and judges the connection by it.
    pub(super) async fn ask<T>(
        &self,
        budget: &mut Budget,
        access: Access,
        call: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Unavailable> {
        let (left, connection_id, watch) = (budget.left(), *self.connection_id.borrow(), Stopwatch::start());
        if left.is_zero() {
            return Err(Unavailable);
        }
        self.metrics.redis.calls.add(1);
        let answer = tokio::time::timeout(left, call.instrument(tracing::debug_span!("redis"))).await;
        budget.spend(watch.elapsed());
        if let Ok(Ok(value)) = answer {
            self.timeouts.store(0, Ordering::Relaxed);
            return Ok(value);
        }
        self.metrics.redis.failures.add(1);
        // A call on an earlier connection says nothing about this one.
        if connection_id == *self.connection_id.borrow() {
            match answer {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => self.failed(connection_id, &error, access),
                // A call that started with under half its budget proves nothing when it times out.
                Err(_) if left * 2 < self.timeout => {}
                Err(_) => self.timed_out(connection_id),
            }
        }
        Err(Unavailable)
    }

    /// Redis has stored an entry.
    pub(super) fn note_stored(&self) {
        self.writes.note(Ok::<(), &str>(()));
    }

    fn timed_out(&self, connection_id: u64) {
        if self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 < TIMEOUTS_TO_TRIP {
            return;
        }
        if self.server.is_cluster() {
            self.doubted.notify_one();
        } else {
            self.trip(connection_id, &format!("{TIMEOUTS_TO_TRIP} calls in a row timed out"));
        }
    }

    fn failed(&self, connection_id: u64, error: &RedisError, access: Access) {
        match Meaning::of(error, self.server.is_cluster()) {
            Meaning::Useless => self.trip(connection_id, &text_of(error)),
            Meaning::TimedOut => self.timed_out(connection_id),
            Meaning::Refused => {
                self.timeouts.store(0, Ordering::Relaxed);
                match access {
                    Access::Put => {
                        *self.refused.lock() = Some(monotonic());
                        self.writes.note(Err::<(), _>(text_of(error)));
                    }
                    Access::Any => tracing::debug!(error = text_of(error), "Redis refuses to answer"),
                }
            }
            Meaning::Well => {
                tracing::debug!(error = text_of(error), "Redis gives an answer of another shape")
            }
        }
    }

    /// Trips the breaker: gives this connection up. The task makes another.
    fn trip(&self, connection_id: u64, why: &str) {
        let mut current = self.current.lock();
        if *self.connection_id.borrow() == connection_id && current.take().is_some() {
            // Before the task learns of it: the next probe's success must come after.
            self.connected.note(Err::<(), _>(why));
            self.connection_id.send_replace(0);
        }
    }

    /// How Redis is: away, refusing, or well.
    pub(super) fn health(&self) -> Health {
        let refused = *self.refused.lock();
        match self.connected.health() {
            Health::Well if refused.is_some_and(|at| at.elapsed() < REFUSAL_COUNTS_FOR) => {
                self.writes.health()
            }
            health @ (Health::Well | Health::Degraded(_)) => health,
        }
    }
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
