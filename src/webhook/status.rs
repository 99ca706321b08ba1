//! [`Events`]: whether anybody is told, and how that goes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::model::Timestamp;
use crate::store::{Disk, Health, Outbox};

/// A receiver that fails for so long is worth an operator's look.
const PATIENCE: Duration = Duration::from_secs(300);
const NO_OUTBOX: &str = "the disk store could not be opened: nothing that happens is kept or told";

/// How telling the dashboard goes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events(Option<Arc<Shared>>);

/// How the receiver is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// The last attempt was delivered, or there was none.
    Well,
    /// Since then every attempt has failed, for that reason.
    Failing(Timestamp, String),
    /// It said 410: nothing is sent until the next start.
    Gone,
}

/// What the sender writes down.
#[derive(Debug)]
pub(super) struct Shared {
    disk: Disk,
    delivered: AtomicU64,
    retried: AtomicU64,
    // A plain mutex: it is held to look or to replace, never across an await.
    receiver: Mutex<Receiver>,
}

/// What an operator sees.
#[derive(Debug, serde::Serialize)]
pub struct Status {
    /// `delivering`, `failing` or `gone`.
    pub state: &'static str,
    /// Why the last attempt failed, or there can be none.
    pub reason: Option<String>,
    /// Since when every attempt has failed, in milliseconds since the epoch.
    pub failing_since: Option<Timestamp>,
    /// Events that wait.
    pub waiting: u64,
    /// Events that were delivered since the start.
    pub delivered: u64,
    /// Attempts that failed.
    pub retried: u64,
    /// Events that could not be delivered within a day.
    pub dropped_old: u64,
    /// Events that fell out because too many waited.
    pub dropped_full: u64,
    /// Events that are in memory alone until the disk store works again.
    pub unwritten: u64,
    /// Events that the disk store could not keep.
    pub lost: u64,
}

impl Events {
    /// Nobody is told.
    pub fn off() -> Self {
        Self(None)
    }

    /// Somebody is told of what waits on this disk.
    pub fn on(disk: Disk) -> Self {
        Self(Some(Arc::new(Shared {
            disk,
            delivered: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            receiver: Mutex::new(Receiver::Well),
        })))
    }

    /// Whether anybody is told.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn shared(&self) -> Option<&Arc<Shared>> {
        self.0.as_ref()
    }

    /// How it is, for `/readyz`.
    pub fn health(&self, now: Timestamp) -> Health {
        match self.0.as_ref().map(|shared| shared.receiver()) {
            Some(Receiver::Gone) => {
                Health::Degraded("the receiver said 410: nothing is sent until the next start".to_owned())
            }
            Some(Receiver::Failing(since, why)) if since.is_older_than(PATIENCE, now) => {
                Health::Degraded(why)
            }
            Some(Receiver::Failing(..) | Receiver::Well) | None => Health::Well,
        }
    }

    /// What an operator wants to know; `None` where nobody is told.
    pub fn status(&self) -> Option<Status> {
        let shared = self.0.as_ref()?;
        let outbox = shared.disk.outbox();
        let (state, failing_since, reason) = match shared.receiver() {
            _ if outbox.is_none() => ("failing", None, Some(NO_OUTBOX.to_owned())),
            Receiver::Well => ("delivering", None, None),
            Receiver::Failing(since, why) => ("failing", Some(since), Some(why)),
            Receiver::Gone => ("gone", None, None),
        };
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let of_outbox = |count: fn(&Outbox) -> u64| outbox.as_ref().map_or(0, count);
        Some(Status {
            state,
            reason,
            failing_since,
            waiting: of_outbox(Outbox::waiting),
            delivered: count(&shared.delivered),
            retried: count(&shared.retried),
            dropped_old: of_outbox(Outbox::dropped_old),
            dropped_full: of_outbox(Outbox::dropped_full),
            unwritten: of_outbox(Outbox::unwritten),
            lost: shared.disk.lost_events(),
        })
    }
}

impl Shared {
    fn receiver(&self) -> Receiver {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, new: Receiver) -> Receiver {
        std::mem::replace(&mut *self.receiver.lock().unwrap_or_else(PoisonError::into_inner), new)
    }

    /// An event was delivered.
    pub(super) fn delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
        if self.set(Receiver::Well) != Receiver::Well {
            tracing::info!("events: the receiver works again");
        }
    }

    /// An attempt failed. One line at the first of them.
    pub(super) fn failed(&self, now: Timestamp, why: &str) {
        self.retried.fetch_add(1, Ordering::Relaxed);
        match self.receiver() {
            // A clock that was set back must not prolong it.
            Receiver::Failing(since, _) => {
                self.set(Receiver::Failing(since.min(now), why.to_owned()));
            }
            Receiver::Well | Receiver::Gone => {
                tracing::warn!(why, "events: the receiver fails; they are kept and sent again for a day");
                self.set(Receiver::Failing(now, why.to_owned()));
            }
        }
    }

    /// For how long every attempt has failed; zero where the last was delivered.
    pub(super) fn failing_for(&self, now: Timestamp) -> Duration {
        match self.receiver() {
            Receiver::Failing(since, _) => now.since(since),
            Receiver::Well | Receiver::Gone => Duration::ZERO,
        }
    }

    /// The receiver wants no more.
    pub(super) fn gone(&self) {
        self.set(Receiver::Gone);
        tracing::error!(
            "events: the receiver said 410 Gone: nothing is sent until the next start; take events.url out, or mend it"
        );
    }
}
