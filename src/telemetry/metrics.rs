//! [`Metrics`]: what the server counts since its start. The works count, the statuses of the admin API read.

use std::sync::atomic::{AtomicU64, Ordering};

/// Everything that is counted. One for each server, made before its works.
#[derive(Debug, Default)]
pub struct Metrics {
    /// The tier that instances share.
    pub redis: RedisMetrics,
    /// The events for the dashboard.
    pub webhooks: WebhookMetrics,
}

/// Counts of the shared tier.
#[derive(Debug, Default)]
pub struct RedisMetrics {
    /// Calls, heartbeats included.
    pub calls: Counter,
    /// Calls that failed or took too long.
    pub failures: Counter,
    /// Lookups that found an entry.
    pub hits: Counter,
    /// Lookups that found none.
    pub misses: Counter,
    /// Values that did not open, or were of an unknown version.
    pub rejected: Counter,
    /// Entries that were stored.
    pub stored: Counter,
}

/// Counts of events and their deliveries.
#[derive(Debug, Default)]
pub struct WebhookMetrics {
    /// Events that the receiver took.
    pub delivered: Counter,
    /// Attempts that failed.
    pub retried: Counter,
    /// Events that could not be delivered within a day.
    pub dropped_old: Counter,
    /// Events that were dropped because too many waited.
    pub dropped_full: Counter,
    /// Events that neither disk nor memory could keep.
    pub lost: Counter,
}

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Raises it.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
