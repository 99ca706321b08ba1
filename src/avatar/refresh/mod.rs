//! [`Refresher`]: one refresh of an avatar at a time, in this process and among all instances, and not too many at once.
//!
//! In reading order:
//!
//! | file | |
//! |---|---|
//! | here | `begin`: joins a refresh or starts one |
//! | `flight` | a refresh under way, and all who wait for it |
//! | `leader` | what one refresh does, from the row to the stores |
//! | `admission` | its permit and its lease |
//! | `queue`, `lane` | which avatar is next, and how many refreshes of a provider run |
//! | `attempt` | the attempt itself: the ladder, step by step |
//! | `stream_buffer` | a picture that is read while it arrives |
//! | `failure`, `settle` | what an error means; what an attempt makes of the entry |
//! | `write_back`, `report` | saves the address in the row; the log lines |

mod admission;
mod attempt;
mod failure;
mod flight;
mod lane;
mod leader;
mod queue;
#[cfg(test)]
mod queue_tests;
mod report;
mod settle;
mod stream_buffer;
mod write_back;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::Instrument;
use tracing::field::Empty;

use super::config::AvatarConfig;
use super::purge::Purger;
use super::tiers::Tiers;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::model::token::Keyring;
use crate::model::{AvatarId, ImagesConfig, Provider, Timestamp};
use crate::provider::Providers;
use crate::store::{Budget, Held};
use crate::task_pool::TaskPool;
use crate::telemetry::RateLimitedLog;
use flight::{Flights, Joined};
use queue::{Bounds, Queue};

pub(super) use flight::{Flight, Outcome, Progress};
pub(super) use report::report_token_end;
pub use stream_buffer::{StreamBroken, StreamBuffer};

/// What refreshes are made with.
pub(super) struct RefresherParts {
    pub(super) config: AvatarConfig,
    pub(super) request_timeout: Duration,
    pub(super) write_back: bool,
    pub(super) images: ImagesConfig,
    pub(super) clock: Clock,
    pub(super) directory: Arc<Directory>,
    pub(super) keyring: Keyring,
    pub(super) providers: Providers,
    pub(super) tiers: Arc<Tiers>,
    pub(super) purger: Arc<Purger>,
    pub(super) background: TaskPool,
}

/// Refreshes avatars.
pub(super) struct Refresher {
    parts: RefresherParts,
    flights: Arc<Flights>,
    queue: Arc<Queue>,
    queue_full: RateLimitedLog,
    write_backs: Arc<Semaphore>,
}

/// Why a refresh is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// By a view: pauses hold.
    View,
    /// The row has changed, or an operator wants it: pauses of this avatar end.
    Forced,
}

/// Write-backs at one time; a later refresh writes the others.
const WRITE_BACKS: usize = 64;

impl Refresher {
    /// Puts it together; nothing runs yet.
    pub(super) fn new(parts: RefresherParts) -> Arc<Self> {
        let AvatarConfig { max_refreshes, queue, .. } = parts.config;
        let bounds =
            Bounds { permits: max_refreshes, waiting: queue, of_provider: parts.providers.at_once() };
        Arc::new(Self {
            // Every refresh that runs or waits is a flight, and so is every lookup of a row before it. The lookups need
            // room of their own: only a refresh that arrives at the queue makes the least recently viewed one fall out.
            flights: Flights::new((max_refreshes + queue / 20) * 2 + queue),
            queue: Queue::new(bounds, parts.clock.clone(), parts.background.clone()),
            queue_full: RateLimitedLog::default(),
            write_backs: Arc::new(Semaphore::new(WRITE_BACKS)),
            parts,
        })
    }

    /// Begins a refresh or joins the one under way. `None`: it may not start, which counts as failed.
    pub(super) fn begin(
        self: &Arc<Self>,
        id: &AvatarId,
        held: Option<Arc<Held>>,
        urgency: Urgency,
        budget: Budget,
        now: Timestamp,
    ) -> Option<Arc<Flight>> {
        if urgency == Urgency::View && held.as_ref().is_some_and(|held| !self.may_refresh(held, now)) {
            return None;
        }
        match self.flights.join_or_lead(id, urgency == Urgency::Forced) {
            Joined::Waiter(flight) => {
                self.queue.viewed(id, now);
                Some(flight)
            }
            Joined::Full => {
                self.log_queue_full(id);
                None
            }
            Joined::Leader(leader) => {
                let flight = leader.flight().clone();
                // The level of an error, so that its lines have these fields whatever `log.level` is.
                let span = tracing::error_span!("refresh", connection = %id, provider = Empty);
                let refresh = self.clone().lead(leader, held, urgency, budget).instrument(span);
                // The leader runs in a task of its own: a client that leaves aborts nothing.
                self.parts.background.spawn(refresh);
                Some(flight)
            }
        }
    }

    /// Whether pauses allow an attempt for an entry.
    pub(super) fn may_refresh(&self, held: &Held, now: Timestamp) -> bool {
        held.entry.trouble.as_ref().is_none_or(|trouble| trouble.allows(now))
            && held.entry.rests_until(now).is_none()
            && self.parts.tiers.cooldown(held.entry.provider, now).is_none()
    }

    /// When the next refresh of a provider may begin, where its quota is nearly used up and that is not now.
    pub(super) fn next_permit(&self, provider: Provider) -> Option<Timestamp> {
        self.queue.next_permit(provider)
    }

    /// Whether a provider is configured.
    pub(super) fn is_configured(&self, provider: Provider) -> bool {
        self.parts.providers.names().contains(&provider)
    }

    /// Refuses the refreshes that wait for a permit: the process stops.
    pub(super) fn close(&self) {
        self.queue.close();
    }

    /// How many flights are under way, how many refreshes run, and how many wait for a permit.
    pub(super) fn depth(&self) -> (usize, usize, usize) {
        let (running, waiting) = self.queue.depth();
        (self.flights.count(), running, waiting)
    }

    /// In a storm of stale avatars this would be a line for nearly every view.
    fn log_queue_full(&self, id: &AvatarId) {
        if let Some(others) = self.queue_full.due(self.parts.clock.now().since(Timestamp::EPOCH)) {
            tracing::warn!(connection = %id, others, "no refresh: avatar.queue is full of avatars that were viewed later");
        }
    }
}
