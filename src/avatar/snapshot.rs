//! [`Snapshot`]: how the service is at one moment, for readiness and operators.

use crate::store::{Health, Status as RedisStatus};
use crate::webhook::WebhookStatus;

/// How the service is.
#[derive(Debug)]
pub struct Snapshot {
    /// The disk store.
    pub disk: Health,
    /// The tier that instances share.
    pub redis: Health,
    /// The delivery of webhooks.
    pub webhooks: Health,
    /// What an operator sees of Redis; `None` = not configured.
    pub redis_status: Option<RedisStatus>,
    /// What an operator sees of webhooks; `None` = not configured.
    pub webhook_status: Option<WebhookStatus>,
    /// Entries in memory.
    pub entries: u64,
    /// Their weight, in bytes.
    pub bytes: u64,
    /// Flights under way: refreshes, those that wait, and lookups of rows before them.
    pub flights: usize,
    /// Refreshes that run.
    pub refreshes: usize,
    /// Refreshes that wait for a permit.
    pub waiting: usize,
}

impl Snapshot {
    /// Flights under way, refreshes that run, and refreshes that wait.
    pub fn depth(&self) -> (usize, usize, usize) {
        (self.flights, self.refreshes, self.waiting)
    }

    /// Entries in memory, and their weight in bytes.
    pub fn weight(&self) -> (u64, u64) {
        (self.entries, self.bytes)
    }
}
