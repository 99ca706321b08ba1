//! [`Waiting`], an event that waits, and [`Counters`] of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::model::AvatarEvent;
use crate::telemetry::Metrics;

/// An event that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Rises with each event of this instance: the order in which they are sent.
    pub number: i64,
    /// The event.
    pub event: AvatarEvent,
    /// By which a receiver orders an avatar's events; `None` = not given yet.
    pub sequence: Option<u64>,
}

/// How many events wait now, beside what is counted over the whole time.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) waiting: AtomicU64,
    pub(crate) unwritten: AtomicU64,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) news: Notify,
}

impl Counters {
    /// No event waits.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { waiting: AtomicU64::new(0), unwritten: AtomicU64::new(0), metrics, news: Notify::new() }
    }

    pub(crate) fn set_unwritten(&self, unwritten: u64) {
        self.unwritten.store(unwritten, Ordering::Relaxed);
    }

    pub(crate) fn lose(&self, events: u64) {
        if events > 0 {
            self.metrics.webhooks.lost.add(events);
            tracing::error!(events, "the disk store failed: the dashboard never learns of these events");
        }
    }
}
