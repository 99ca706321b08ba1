//! [`Sender`]: the one task that tells the dashboard, oldest first. Nobody waits for it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aes_gcm::aead::Generate;
use tokio_util::sync::CancellationToken;

use super::backoff::{Verdict, verdict};
use super::config::EventsConfig;
use super::message::Message;
use super::sequence::{least, sequence};
use super::status::{Events, Shared};
use crate::clock::Clock;
use crate::model::Timestamp;
use crate::origin::Origin;
use crate::store::{Outbox, Redis, Waiting};

/// An event is sent again until it happened so long ago. Each process tries it once at least.
const A_DAY: Duration = Duration::from_secs(24 * 3600);
/// So many that are older may be tried and dropped without a pause: a receiver that fails is not to be stormed.
const AT_ONCE: u32 = 100;
/// How often a pause looks at the clock: the wall clock may be set, and a test moves it by hand.
const TICK: Duration = Duration::from_millis(250);
/// Before the disk store is asked again after it failed.
const DISK_AGAIN: Duration = Duration::from_secs(5);

/// Sends what the outbox holds.
pub struct Sender {
    config: EventsConfig,
    shared: Arc<Shared>,
    outbox: Outbox,
    redis: Redis,
    origin: Arc<Origin>,
    clock: Clock,
}

/// What the sender remembers from one attempt to the next.
#[derive(Default)]
struct Memory {
    /// Attempts that failed in a row.
    failures: u32,
    /// Events that were dropped since the start.
    dropped: u32,
    /// The receiver said 410.
    gone: bool,
    /// Was delivered, and the disk store could not forget it yet: it is not sent once more.
    delivered: Option<i64>,
}

/// What the sender does next.
enum Next {
    /// Wait for news: nothing is to be sent, or the receiver wants nothing.
    News,
    /// Send the oldest again, so long after that time.
    After(Timestamp, Duration),
    /// The disk store fails: ask it again in a moment, or when there is news.
    Soon,
    /// Go on at once.
    Now,
}

impl Sender {
    /// A sender of what waits; `None` where nobody is told, or the disk store could not be opened.
    pub fn new(
        config: EventsConfig,
        events: &Events,
        outbox: Option<Outbox>,
        redis: Redis,
        origin: Arc<Origin>,
        clock: Clock,
    ) -> Option<Self> {
        let (shared, outbox) = (events.shared()?.clone(), outbox?);
        Some(Self { config, shared, outbox, redis, origin, clock })
    }

    /// Sends until `stop`, then ends at once: what is not delivered stays on disk.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.send_all() => {}
        }
    }

    async fn send_all(&self) {
        let (mut next, mut memory) = (Next::Now, Memory::default());
        loop {
            next = match next {
                Next::Now => {
                    self.number_all().await;
                    if memory.gone { Next::News } else { self.send_oldest(&mut memory).await }
                }
                Next::After(from, pause) => match left(from, pause, self.clock.now()) {
                    Some(left) => {
                        if tokio::time::timeout(left.min(TICK), self.outbox.changed()).await.is_ok() {
                            self.number_all().await;
                        }
                        Next::After(from, pause)
                    }
                    None => Next::Now,
                },
                Next::Soon => {
                    let _ = tokio::time::timeout(DISK_AGAIN, self.outbox.changed()).await;
                    Next::Now
                }
                Next::News => {
                    self.outbox.changed().await;
                    Next::Now
                }
            };
        }
    }

    /// A number is given when a thing is seen, and not when the receiver takes it: instances that saw the same must not have
    /// numbered something later in between.
    async fn number_all(&self) {
        while let Some(waiting) = self.outbox.unnumbered().await {
            let now = self.clock.now();
            let told = self.outbox.last_sequences(&waiting.happened.id, now).await;
            let number = match self.redis.sequence(&waiting.happened, least(&told)).await {
                Ok(number) => number,
                Err(_) => sequence(&told, &waiting.happened, now),
            };
            if !self.outbox.set_sequence(waiting, number, now).await {
                return;
            }
        }
    }

    /// Does something, and numbers what comes meanwhile: a receiver that hangs would keep that for long.
    async fn numbering<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = self.outbox.changed() => self.number_all().await,
            }
        }
    }

    async fn send_oldest(&self, memory: &mut Memory) -> Next {
        let Some(Waiting { number, happened, sequence: Some(sequence) }) = self.outbox.oldest().await else {
            return if self.outbox.waiting() == 0 { Next::News } else { Next::Soon };
        };
        if memory.delivered == Some(number) {
            return self.forget(number).await;
        }
        let message = Message::of(&happened, sequence);
        let letter = message.letter(&self.config.key, self.clock.now());
        let answer = self.numbering(self.origin.post(&self.config.url, letter)).await;
        let now = self.clock.now();
        match verdict(&answer, memory.failures + 1, random(), now) {
            Verdict::Delivered => {
                (memory.failures, memory.delivered) = (0, Some(number));
                self.shared.delivered();
                tracing::debug!(event = message.id(), "told");
                self.forget(number).await
            }
            Verdict::Gone => {
                memory.gone = true;
                self.shared.gone();
                Next::News
            }
            Verdict::Again { pause, asked, why } => {
                memory.failures = memory.failures.saturating_add(1);
                tracing::debug!(event = message.id(), why, ?pause, "not told yet");
                self.shared.failed(now, &why);
                // Where a wrong clock says when it happened, the day counts from the first attempt that failed.
                let is_old = match happened.at.age(now) {
                    Some(age) => age >= A_DAY,
                    None => self.shared.failing_for(now) >= A_DAY,
                };
                if is_old && self.drop(number, message.id(), memory).await && !asked {
                    return Next::Now;
                }
                Next::After(now, pause)
            }
        }
    }

    /// Drops an event that was tried in vain; those behind it were not tried yet, whatever their age. Returns whether the
    /// next of them may be tried at once.
    async fn drop(&self, number: i64, id: &str, memory: &mut Memory) -> bool {
        if !self.outbox.drop_old(number).await {
            return false;
        }
        tracing::error!(event = id, "events: dropped, since it could not be delivered within a day");
        memory.failures = 0;
        memory.dropped = memory.dropped.wrapping_add(1);
        !memory.dropped.is_multiple_of(AT_ONCE)
    }

    /// What was delivered need not be kept.
    async fn forget(&self, number: i64) -> Next {
        if self.outbox.delivered(number).await { Next::Now } else { Next::Soon }
    }
}

/// What is left of a pause; `None` = nothing. Nor is there of one that lies ahead: the clock was set back, and nobody knows
/// by how much.
fn left(from: Timestamp, pause: Duration, now: Timestamp) -> Option<Duration> {
    let at = from + pause;
    (from..at).contains(&now).then(|| at.since(now))
}

/// Spreads instances whose receiver failed at one time.
fn random() -> u8 {
    <[u8; 1]>::try_generate().map_or(0, |[byte]| byte)
}
