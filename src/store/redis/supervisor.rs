//! [`Supervisor`]: keeps one connection for commands, and keeps a Redis that is away from costing anybody time.
//!
//! It is the circuit breaker, too: while there is no connection a call fails at once. A broken connection, or a few calls
//! in a row that were not answered in time, close it; from then on only this task's own probes wait for Redis.
//!
//! A cluster may lose some of its slots and serve the others. No call closes its connection: those that fail have this
//! task ask whether any shard does its work, and whether the primaries are the same.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::{RedisError, RedisResult};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::connect::Server;
pub(super) use super::connect::connection::said;
use super::connect::connection::{Connection, Meaning};
use super::connect::error::ConnectError;
use super::time_budget::Budget;
use crate::clock::{Stopwatch, monotonic};
use crate::model::Backoff;
use crate::store::health::{Health, State};

/// A probe: to connect, log in and be answered.
const PROBE: Duration = Duration::from_secs(2);
/// Before each probe.
const PROBE_BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
/// A connection that stood so long was worth its making. Before the next one of a shorter life there is a pause.
const STOOD: Duration = Duration::from_secs(1);
/// Between two looks at who the primary is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many calls in a row without an answer close the connection.
const TIMEOUTS_TO_TRIP: u32 = 3;
/// Any shard of a cluster in doubt answers within so long. The crate may be busy with a node that hangs: it connects
/// to it in vain for a quarter of [`PROBE`], while all others wait.
const ANY_SHARD: Duration = Duration::from_secs(1);
/// Between two such questions.
const DOUBT_EVERY: Duration = Duration::from_millis(100);

/// So long a refusal to keep an entry tells how Redis is. Where nothing is to be kept afterwards, nobody can say.
const REFUSAL_TELLS: Duration = Duration::from_secs(60);

/// Redis is off or away, too slow for the budget, or refuses: the caller always goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Redis is away, slow or refuses")]
pub struct Unavailable;

/// What a call is about. A Redis that is full, or whose ACL is too tight, may refuse to keep entries and do all else:
/// heartbeats, releases and purges that pass prove nothing, and so do entries that are not kept for another reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// To keep an entry; whether it was kept is told by [`Supervisor::kept`].
    Put,
    Any,
}

/// The connection for commands.
pub(super) struct Supervisor {
    server: Server,
    /// `redis.timeout`: a Redis that is slower is of no use.
    timeout: Duration,
    // A plain mutex: held to clone a handle, never across an await; a hit in memory does not come here.
    current: Mutex<Option<Connection>>,
    /// Rises with each connection; 0 = there is none.
    connection_id: watch::Sender<u64>,
    timeouts: AtomicU32,
    /// Of a cluster: too many calls were timeouts.
    doubted: Notify,
    connected: State,
    writes: State,
    /// When an entry was last refused.
    refused: Mutex<Option<Instant>>,
    calls: AtomicU64,
    failures: AtomicU64,
}

impl Supervisor {
    pub(super) fn new(server: Server, timeout: Duration) -> Self {
        Self {
            server,
            timeout,
            current: Mutex::default(),
            connection_id: watch::Sender::new(0),
            timeouts: AtomicU32::new(0),
            doubted: Notify::new(),
            connected: State::new(
                "Redis is there again",
                "Redis is away: this instance goes on from memory and disk",
            ),
            writes: State::new("Redis takes what is stored again", "Redis refuses what is stored"),
            refused: Mutex::default(),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
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
                () = self.watch_over(connection_id, &connection) => {}
            }
            self.set(0, None);
            if watch.elapsed() < STOOD {
                backoff.fail();
            } else {
                backoff.reset();
            }
        }
    }

    /// A connection on which an answer comes in time. One that is open but slow would be closed by the next calls.
    async fn probe(&self) -> Result<Connection, String> {
        let connection = self.server.connect(PROBE).await.map_err(|error| error.to_string())?;
        match self.server.answers(&connection, self.timeout).await {
            Ok(()) => Ok(connection),
            Err(ConnectError::TimedOut(timeout)) => {
                Err(format!("it answers more slowly than redis.timeout = {timeout:?}"))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Returns when a call has given this connection up.
    async fn tripped(&self, connection_id: u64) {
        let mut lines = self.connection_id.subscribe();
        let _ = lines.wait_for(|now| *now != connection_id).await;
    }

    /// Returns when the connection is of no more use, though no call has found it so.
    async fn watch_over(&self, connection_id: u64, connection: &Connection) {
        let is_cluster = self.server.is_cluster();
        let mut seen = self.failures.load(Ordering::Relaxed);
        loop {
            tokio::select! {
                () = self.doubted.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let failures = self.failures.load(Ordering::Relaxed);
            if is_cluster && failures == seen {
                continue;
            }
            seen = failures;
            if is_cluster {
                if let Err(why) = self.server.answers(connection, ANY_SHARD).await {
                    return self.trip(connection_id, &why.to_string());
                }
                self.timeouts.store(0, Ordering::Relaxed);
            }
            // A Sentinel's connection stays open to a primary that is none any more.
            if !self.server.is_current(connection, PROBE).await {
                tracing::info!("Redis: another node is the primary now");
                return;
            }
            tokio::time::sleep(DOUBT_EVERY).await;
        }
    }

    /// Both at once, so that nobody sees one without the other.
    fn set(&self, connection_id: u64, connection: Option<Connection>) {
        let mut current = self.current.lock();
        *current = connection;
        self.connection_id.send_replace(connection_id);
    }

    /// The connection, if there is one.
    pub(super) fn connection(&self) -> Result<Connection, Unavailable> {
        self.current.lock().clone().ok_or(Unavailable)
    }

    /// Which connection it is, for those who hold one beside it; 0 = none.
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
        self.calls.fetch_add(1, Ordering::Relaxed);
        let answer = tokio::time::timeout(left, call).await;
        budget.spend(watch.elapsed());
        if let Ok(Ok(value)) = answer {
            self.timeouts.store(0, Ordering::Relaxed);
            return Ok(value);
        }
        self.failures.fetch_add(1, Ordering::Relaxed);
        // What went by an earlier connection says nothing of this one.
        if connection_id == *self.connection_id.borrow() {
            match answer {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => self.failed(connection_id, &error, access),
                // Whoever had hardly any time left cannot say that nothing would have come.
                Err(_) if left * 2 < self.timeout => {}
                Err(_) => self.timed_out(connection_id),
            }
        }
        Err(Unavailable)
    }

    /// Redis has kept an entry.
    pub(super) fn kept(&self) {
        self.writes.note(Ok::<(), &str>(()));
    }

    fn timed_out(&self, connection_id: u64) {
        if self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 < TIMEOUTS_TO_TRIP {
            return;
        }
        if self.server.is_cluster() {
            self.doubted.notify_one();
        } else {
            self.trip(connection_id, &format!("{TIMEOUTS_TO_TRIP} calls in a row were not answered in time"));
        }
    }

    fn failed(&self, connection_id: u64, error: &RedisError, access: Access) {
        match Meaning::of(error, self.server.is_cluster()) {
            Meaning::Useless => self.trip(connection_id, &said(error)),
            Meaning::Silent => self.timed_out(connection_id),
            Meaning::Refused => {
                self.timeouts.store(0, Ordering::Relaxed);
                match access {
                    Access::Put => {
                        *self.refused.lock() = Some(monotonic());
                        self.writes.note(Err::<(), _>(said(error)));
                    }
                    Access::Any => tracing::debug!(error = said(error), "Redis refuses to answer"),
                }
            }
            Meaning::Well => {
                tracing::debug!(error = said(error), "Redis answers, but not what was asked for")
            }
        }
    }

    /// Gives this connection up; the task makes another.
    fn trip(&self, connection_id: u64, why: &str) {
        let mut current = self.current.lock();
        if *self.connection_id.borrow() == connection_id && current.take().is_some() {
            // Before the task hears of it: the next probe's success must come after.
            self.connected.note(Err::<(), _>(why));
            self.connection_id.send_replace(0);
        }
    }

    /// How Redis is: away, refusing, or well.
    pub(super) fn health(&self) -> Health {
        let refused = *self.refused.lock();
        match self.connected.health() {
            Health::Well if refused.is_some_and(|at| at.elapsed() < REFUSAL_TELLS) => self.writes.health(),
            health @ (Health::Well | Health::Degraded(_)) => health,
        }
    }

    /// Calls that were made, and how many of them failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.calls.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
