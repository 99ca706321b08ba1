//! [`Events`]: whether events are sent, and how the receiver is.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::model::Timestamp;
use crate::store::{Destination, Disk, Health, Outbox};
use crate::telemetry::{Metrics, WebhookMetrics};

/// A receiver that has failed this long degrades `/readyz`.
const DEGRADED_AFTER: Duration = Duration::from_secs(300);
const NO_OUTBOX: &str = "the disk store could not be opened: events are neither kept nor sent";

/// The state of the deliveries, if events are sent. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events(Option<Arc<DeliveryState>>);

/// How the receiver is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ReceiverState {
    /// The last attempt was delivered, or there was none.
    Well,
    /// Every attempt since this time has failed, the last one for this reason.
    Failing(Timestamp, String),
    /// It answered 410: nothing is sent until the next start.
    Gone,
}

/// What the sender records.
#[derive(Debug)]
pub(super) struct DeliveryState {
    disk: Disk,
    metrics: Arc<Metrics>,
    // Locked to read or to replace, never across an await.
    receiver: Mutex<ReceiverState>,
}

/// The deliveries, for the admin API.
#[derive(Debug, serde::Serialize)]
pub struct WebhookStatus {
    /// `delivering`, `failing` or `gone`.
    pub state: &'static str,
    /// Why the last attempt failed, or why there can be none.
    pub reason: Option<String>,
    /// Since when every attempt has failed, in milliseconds since the epoch.
    pub failing_since: Option<Timestamp>,
    /// Events that wait for delivery.
    pub waiting: u64,
    /// Events that were delivered since the start.
    pub delivered: u64,
    /// Attempts that failed since the start.
    pub retried: u64,
    /// Events dropped because they could not be delivered within a day.
    pub dropped_old: u64,
    /// Events dropped because too many waited.
    pub dropped_full: u64,
    /// Events that are only in memory until the disk store works again.
    pub unwritten: u64,
    /// Events that neither disk nor memory could keep.
    pub lost: u64,
}

impl Events {
    /// No events are sent.
    pub fn off() -> Self {
        Self(None)
    }

    /// Events are sent from this disk's outbox.
    pub fn on(disk: Disk, metrics: Arc<Metrics>) -> Self {
        Self(Some(Arc::new(DeliveryState { disk, metrics, receiver: Mutex::new(ReceiverState::Well) })))
    }

    /// Whether events are sent.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn state(&self) -> Option<&Arc<DeliveryState>> {
        self.0.as_ref()
    }

    /// The receiver's health, for `/readyz`.
    pub fn health(&self, now: Timestamp) -> Health {
        match self.0.as_ref().map(|state| state.receiver()) {
            Some(ReceiverState::Gone) => Health::Degraded(
                "the receiver answered 410 Gone; nothing is sent until the next start".to_owned(),
            ),
            Some(ReceiverState::Failing(since, why)) if since.is_older_than(DEGRADED_AFTER, now) => {
                Health::Degraded(why)
            }
            Some(ReceiverState::Failing(..) | ReceiverState::Well) | None => Health::Well,
        }
    }

    /// The status for the admin API; `None` where no events are sent.
    pub fn status(&self) -> Option<WebhookStatus> {
        let deliveries = self.0.as_ref()?;
        let outbox = deliveries.disk.outbox(Destination::Webhook);
        let (state, failing_since, reason) = match deliveries.receiver() {
            _ if outbox.is_none() => ("failing", None, Some(NO_OUTBOX.to_owned())),
            ReceiverState::Well => ("delivering", None, None),
            ReceiverState::Failing(since, reason) => ("failing", Some(since), Some(reason)),
            ReceiverState::Gone => ("gone", None, None),
        };
        let WebhookMetrics { delivered, retried, dropped_old, dropped_full, lost } =
            &deliveries.metrics.webhooks;
        let of_outbox = |count: fn(&Outbox) -> u64| outbox.as_ref().map_or(0, count);
        Some(WebhookStatus {
            state,
            reason,
            failing_since,
            waiting: of_outbox(Outbox::waiting),
            delivered: delivered.get(),
            retried: retried.get(),
            dropped_old: dropped_old.get(),
            dropped_full: dropped_full.get(),
            unwritten: of_outbox(Outbox::unwritten),
            lost: lost.get(),
        })
    }
}

impl DeliveryState {
    fn receiver(&self) -> ReceiverState {
        self.receiver.lock().clone()
    }

    fn set(&self, new: ReceiverState) -> ReceiverState {
        std::mem::replace(&mut *self.receiver.lock(), new)
    }

    /// Records a delivery.
    pub(super) fn delivered(&self) {
        self.metrics.webhooks.delivered.add(1);
        if self.set(ReceiverState::Well) != ReceiverState::Well {
            tracing::info!("webhooks: the receiver works again");
        }
    }

    /// Records a failed attempt. Only the first of a row is logged.
    pub(super) fn failed(&self, now: Timestamp, reason: &str) {
        self.metrics.webhooks.retried.add(1);
        match self.receiver() {
            // A clock that was set back must not extend the span.
            ReceiverState::Failing(since, _) => {
                self.set(ReceiverState::Failing(since.min(now), reason.to_owned()));
            }
            ReceiverState::Well | ReceiverState::Gone => {
                tracing::warn!(reason, "webhooks: the receiver fails; events wait and are retried for a day");
                self.set(ReceiverState::Failing(now, reason.to_owned()));
            }
        }
    }

    /// How long every attempt has failed; zero after a delivery.
    pub(super) fn failing_for(&self, now: Timestamp) -> Duration {
        match self.receiver() {
            ReceiverState::Failing(since, _) => now.since(since),
            ReceiverState::Well | ReceiverState::Gone => Duration::ZERO,
        }
    }

    /// Records that the receiver wants no more events.
    pub(super) fn gone(&self) {
        self.set(ReceiverState::Gone);
        tracing::error!(
            "webhooks: the receiver answered 410 Gone; nothing is sent until the next start. Fix the receiver or remove events.url"
        );
    }
}
