//! [`Waiting`], an event that waits, and [`Counters`] of them.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::model::AvatarEvent;

/// An event that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Rises with each event of this instance: the order in which they are sent.
    pub number: i64,
    /// The event.
    pub happened: AvatarEvent,
    /// By which a receiver orders an avatar's events; `None` = not given yet.
    pub sequence: Option<u64>,
}

/// How many events wait, and how many were lost.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) waiting: AtomicU64,
    pub(crate) dropped_full: AtomicU64,
    pub(crate) dropped_old: AtomicU64,
    pub(crate) unwritten: AtomicU64,
    lost: AtomicU64,
    pub(crate) news: Notify,
}

impl Counters {
    pub(crate) fn set_unwritten(&self, unwritten: u64) {
        self.unwritten.store(unwritten, Ordering::Relaxed);
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(crate) fn lose(&self, events: u64) {
        if events > 0 {
            self.lost.fetch_add(events, Ordering::Relaxed);
            tracing::error!(events, "the disk store failed: the dashboard never learns of these events");
        }
    }
}
