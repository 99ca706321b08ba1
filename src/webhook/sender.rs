//! [`Sender`]: the one task that delivers events, the oldest first. Nothing waits for it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aes_gcm::aead::Generate;
use tokio_util::sync::CancellationToken;

use super::config::EventsConfig;
use super::message::WebhookMessage;
use super::outcome::{BACKOFF, DeliveryOutcome, outcome};
use super::sequence::{least, sequence};
use super::status::{DeliveryState, Events};
use crate::clock::Clock;
use crate::model::{Backoff, Timestamp};
use crate::origin::Origin;
use crate::store::{Outbox, Redis, Waiting};

/// The age at which an event is dropped instead of retried. Each process tries it at least once.
const RETRY_FOR: Duration = Duration::from_secs(24 * 3600);
/// Events past that age that may be tried and dropped without a pause: a failing receiver must not face a storm.
const DROPS_WITHOUT_PAUSE: u32 = 100;
/// How often a pause looks at the wall clock, which may be set while it runs. A test moves it by hand.
const CLOCK_POLL: Duration = Duration::from_millis(250);
/// The pause after the disk store has failed.
const DISK_RETRY: Duration = Duration::from_secs(5);

/// Delivers the outbox.
pub struct Sender {
    config: EventsConfig,
    state: Arc<DeliveryState>,
    outbox: Outbox,
    redis: Redis,
    origin: Arc<Origin>,
    clock: Clock,
}

/// What the sender remembers from one attempt to the next.
struct Memory {
    backoff: Backoff,
    /// Events dropped since the start.
    dropped: u32,
    /// The receiver has answered 410.
    is_gone: bool,
    /// An event that was delivered while the disk store could not delete it: it is not sent again.
    delivered: Option<i64>,
}

/// What the sender does next.
enum Next {
    /// Wait for a new event: none is due, or the receiver wants none.
    NewEvent,
    /// Send the oldest event when this pause has passed since that time.
    After(Timestamp, Duration),
    /// Ask the failing disk store again after [`DISK_RETRY`], or when there is a new event.
    AfterDiskRetry,
    /// Send the oldest event at once.
    Now,
}

impl Sender {
    /// A sender for this outbox; `None` where no events are sent, or the disk store could not be opened.
    pub fn new(
        config: EventsConfig,
        events: &Events,
        outbox: Option<Outbox>,
        redis: Redis,
        origin: Arc<Origin>,
        clock: Clock,
    ) -> Option<Self> {
        let (state, outbox) = (events.state()?.clone(), outbox?);
        Some(Self { config, state, outbox, redis, origin, clock })
    }

    /// Sends until `stop`, then ends at once: undelivered events stay on disk.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.send_all() => {}
        }
    }

    async fn send_all(&self) {
        let mut memory = Memory { backoff: BACKOFF, dropped: 0, is_gone: false, delivered: None };
        let mut next = Next::Now;
        loop {
            next = match next {
                Next::Now => {
                    self.number_all().await;
                    if memory.is_gone { Next::NewEvent } else { self.send_oldest(&mut memory).await }
                }
                Next::After(from, pause) => match rest(from, pause, self.clock.now()) {
                    Some(rest) => {
                        if tokio::time::timeout(rest.min(CLOCK_POLL), self.outbox.changed()).await.is_ok() {
                            self.number_all().await;
                        }
                        Next::After(from, pause)
                    }
                    None => Next::Now,
                },
                Next::AfterDiskRetry => {
                    let _ = tokio::time::timeout(DISK_RETRY, self.outbox.changed()).await;
                    Next::Now
                }
                Next::NewEvent => {
                    self.outbox.changed().await;
                    Next::Now
                }
            };
        }
    }

    /// Numbers new events. An event gets its number when it is seen and not when it is delivered: otherwise an instance
    /// that saw the same event could have numbered a later one in between.
    async fn number_all(&self) {
        while let Some(waiting) = self.outbox.unnumbered().await {
            let now = self.clock.now();
            let last = self.outbox.last_sequences(&waiting.event.id, now).await;
            let number = match self.redis.sequence(&waiting.event, least(&last)).await {
                Ok(number) => number,
                Err(_) => sequence(&last, &waiting.event, now),
            };
            if !self.outbox.set_sequence(waiting, number, now).await {
                return;
            }
        }
    }

    /// Runs `work` and numbers new events meanwhile: a receiver that hangs would delay their numbers.
    async fn number_during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = self.outbox.changed() => self.number_all().await,
            }
        }
    }

    async fn send_oldest(&self, memory: &mut Memory) -> Next {
        let Some(Waiting { number, event, sequence: Some(sequence) }) = self.outbox.oldest().await else {
            return if self.outbox.waiting() == 0 { Next::NewEvent } else { Next::AfterDiskRetry };
        };
        if memory.delivered == Some(number) {
            return self.forget(number).await;
        }
        let message = WebhookMessage::of(&event, sequence);
        let request = message.request(&self.config.key, self.clock.now());
        let answer = self.number_during(self.origin.post(&self.config.url, request)).await;
        let now = self.clock.now();
        memory.backoff.fail();
        match outcome(&answer, memory.backoff.pause(random()), now) {
            DeliveryOutcome::Delivered => {
                memory.backoff.reset();
                memory.delivered = Some(number);
                self.state.delivered();
                tracing::debug!(event = message.id(), "webhook delivered");
                self.forget(number).await
            }
            DeliveryOutcome::ReceiverGone => {
                memory.is_gone = true;
                self.state.gone();
                Next::NewEvent
            }
            DeliveryOutcome::Retry { pause, is_requested, reason } => {
                tracing::debug!(
                    event = message.id(),
                    reason,
                    ?pause,
                    "webhook not delivered; it will be retried"
                );
                self.state.failed(now, &reason);
                let is_old = match event.at.age(now) {
                    Some(age) => age >= RETRY_FOR,
                    // A wrong clock dated the event into the future, so the day starts with the first failed attempt.
                    None => self.state.failing_for(now) >= RETRY_FOR,
                };
                if is_old && self.drop(number, message.id(), memory).await && !is_requested {
                    return Next::Now;
                }
                Next::After(now, pause)
            }
        }
    }

    /// Drops an event that could not be delivered in time. The events after it were not tried yet, whatever their age.
    /// Returns whether the next one may be tried at once.
    async fn drop(&self, number: i64, id: &str, memory: &mut Memory) -> bool {
        if !self.outbox.drop_old(number).await {
            return false;
        }
        tracing::error!(event = id, "webhooks: event dropped; it could not be delivered within a day");
        memory.backoff.reset();
        memory.dropped = memory.dropped.wrapping_add(1);
        !memory.dropped.is_multiple_of(DROPS_WITHOUT_PAUSE)
    }

    /// Deletes a delivered event.
    async fn forget(&self, number: i64) -> Next {
        if self.outbox.delivered(number).await { Next::Now } else { Next::AfterDiskRetry }
    }
}

/// The rest of a pause; `None` when it is over. A pause that starts in the future counts as over: the clock was set back, by
/// an unknown amount.
fn rest(from: Timestamp, pause: Duration, now: Timestamp) -> Option<Duration> {
    let at = from + pause;
    (from..at).contains(&now).then(|| at.since(now))
}

/// Jitter: instances whose receiver failed at the same time do not retry together.
fn random() -> u8 {
    <[u8; 1]>::try_generate().map_or(0, |[byte]| byte)
}
