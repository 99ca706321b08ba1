//! [`Service`]: answers the one question of this server: which picture is shown for this id, now?

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::backlog::Backlog;
use super::config::AvatarConfig;
use super::flight::{Boarding, Flight, Flights, Outcome, Progress};
use super::looks::Looks;
use super::pauses::Pauses;
use super::queue::{Bounds, Queue};
use super::seldom::Seldom;
use super::served::Served;
use crate::background::Background;
use crate::clock::{Clock, Stopwatch};
use crate::directory::Directory;
use crate::event::Events;
use crate::model::token::Keyring;
use crate::model::{AvatarId, CacheStatus, Content, Decision, Generation, Provider, Timestamp, decide};
use crate::provider::Providers;
use crate::store::{Budget, Disk, Held, Memory, PurgeLog, Redis, Validity};

/// What the service is made of.
pub struct Parts {
    /// Section `[avatar]`.
    pub config: AvatarConfig,
    /// The longest any answer may take to begin.
    pub request_timeout: Duration,
    /// A row is looked at again when it was read longer ago.
    pub row_fresh_for: Duration,
    /// Fresh addresses are saved in the row.
    pub write_back: bool,
    /// Pictures of more pixels are refused.
    pub max_pixels: u64,
    /// Time.
    pub clock: Clock,
    /// Who is behind an id.
    pub directory: Directory,
    /// Opens sealed tokens.
    pub keyring: Keyring,
    /// Where pictures come from.
    pub providers: Providers,
    /// Entries in this process.
    pub memory: Memory,
    /// Last good bytes.
    pub disk: Disk,
    /// What all instances share.
    pub redis: Redis,
    /// Whether the dashboard is told what happens.
    pub events: Events,
    /// Guards the stores against refreshes that began before a purge.
    pub purge_log: Arc<PurgeLog>,
    /// Where refreshes and errands run.
    pub background: Background,
}

/// Serves avatars. Cheap to share behind an [`Arc`].
pub struct Service {
    pub(super) parts: Parts,
    pub(super) flights: Arc<Flights>,
    pub(super) looks: Looks,
    pub(super) queue: Arc<Queue>,
    pub(super) no_room: Seldom,
    pub(super) pauses: Pauses,
    pub(super) errands: Arc<Semaphore>,
    pub(super) backlog: Backlog,
    /// Configuration changes only between processes, so troubles with it that are older may be over.
    pub(super) started_at: Timestamp,
}

/// Looks at rows and write-backs in the background at one time; more are left to later views.
const ERRANDS: usize = 64;

/// What was told of is refreshed by one place in so many, the others are for views.
const BACKLOG_SHARE: usize = 4;

/// Why a refresh is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// By a view: pauses hold.
    View,
    /// The row has changed, or an operator wants it: pauses of this avatar are over.
    Forced,
}

impl Service {
    /// Puts the service together and takes over the pauses that were kept.
    pub async fn start(parts: Parts) -> Arc<Self> {
        let pauses = Pauses::new(parts.providers.names());
        for (provider, until) in parts.disk.pauses().await {
            pauses.set(provider, until, parts.clock.now());
        }
        let bounds = Bounds {
            places: parts.config.max_refreshes,
            waiting: parts.config.queue,
            of_provider: parts.providers.at_once(),
        };
        Arc::new(Self {
            // Every refresh that runs or waits is a flight, and so is every lookup of a row before it: those need room of
            // their own, since only who arrives at the queue makes the least recently viewed fall out of it.
            flights: Flights::new(
                (parts.config.max_refreshes + parts.config.queue / 20) * 2 + parts.config.queue,
            ),
            looks: Looks::default(),
            queue: Queue::new(bounds, parts.clock.clone(), parts.background.clone()),
            no_room: Seldom::default(),
            pauses,
            errands: Arc::new(Semaphore::new(ERRANDS)),
            backlog: Backlog::new((parts.config.max_refreshes / BACKLOG_SHARE).max(1)),
            started_at: parts.clock.now(),
            parts,
        })
    }

    /// Answers from memory where that needs no thought: no lock but the cache's own, no allocation, no wait.
    pub fn hit(self: &Arc<Self>, id: &str) -> Option<Served> {
        let held = self.parts.memory.get(id).filter(|held| self.parts.redis.trusts(held))?;
        let now = self.parts.clock.now();
        if decide(Some(&held.entry), now, &self.parts.config.windows) != Decision::Serve {
            return None;
        }
        self.viewed(&held, now);
        Some(self.present(held, now, CacheStatus::Hit))
    }

    /// Answers a request that [`Service::hit`] could not.
    pub async fn serve(self: &Arc<Self>, id: &AvatarId) -> Served {
        let (now, watch) = (self.parts.clock.now(), Stopwatch::start());
        let mut budget = self.parts.redis.budget();
        // A disk that hangs must not keep an answer back: then nothing is held, and nobody is asked for it either.
        let held = self.held(id, now, &mut budget);
        let Ok(held) = tokio::time::timeout(self.parts.request_timeout, held).await else {
            tracing::warn!(connection = %id, "the disk store did not answer within server.request_timeout");
            return Served::Placeholder(None, CacheStatus::Unavailable);
        };
        if let Some(held) = &held {
            self.viewed(held, now);
        }
        let left = self.parts.request_timeout.saturating_sub(watch.elapsed());
        let patience = match decide(held.as_ref().map(|held| &held.entry), now, &self.parts.config.windows) {
            Decision::Serve => None,
            Decision::ServeAndRefresh => {
                self.begin(id, held.clone(), Urgency::View, budget);
                None
            }
            Decision::RefreshWithin => Some(self.parts.config.wait.min(left)),
            Decision::RefreshFully => Some(left),
        };
        match (held, patience) {
            (Some(held), None) => self.present(held, now, CacheStatus::Hit),
            (held, patience) => self.await_refresh(id, held, patience.unwrap_or_default(), budget).await,
        }
    }

    /// Notes a view, and has the row looked at again where that is due.
    fn viewed(self: &Arc<Self>, held: &Arc<Held>, now: Timestamp) {
        held.view(now);
        let seen = held.row_read_at();
        if now.since(seen) >= self.parts.row_fresh_for && held.claim_row_look(seen, now) {
            self.look_at_row(held.clone());
        }
    }

    /// Waits for a refresh as long as is due, then answers with what there is.
    async fn await_refresh(
        self: &Arc<Self>,
        id: &AvatarId,
        held: Option<Arc<Held>>,
        patience: Duration,
        budget: Budget,
    ) -> Served {
        // A provider near its limit is asked more and more slowly: who can be shown something does not wait for it.
        let is_slow = held.as_ref().is_some_and(|held| {
            !matches!(held.entry.content, Content::Nothing)
                && self.queue.next_turn(held.entry.provider).is_some()
        });
        let Some(flight) = self.begin(id, held.clone(), Urgency::View, budget).filter(|_| !is_slow) else {
            return self.fall_back(held);
        };
        let showable = held.as_ref().is_some_and(|held| held.entry.picture().is_some());
        // Whoever holds last good bytes is given whole pictures only; a stream could still break.
        let progress = match showable {
            true => flight.ended(patience).await.map(Progress::Done),
            false => {
                let turn = |provider| self.queue.next_turn(provider);
                let is_too_late = |at: Timestamp| at.since(self.parts.clock.now()) > patience;
                flight.wait(patience, |provider| turn(provider).is_some_and(is_too_late)).await
            }
        };
        let now = self.parts.clock.now();
        match progress {
            // SECURITY: the flight began before a deletion that this request may come after: deleted bytes never come back.
            Some(Progress::Streaming(filling)) if self.is_gone(id, filling.provider, filling.generation) => {
                self.fall_back(held)
            }
            Some(Progress::Streaming(filling)) => Served::Streaming(filling),
            Some(Progress::Done(Outcome::Unknown)) => Served::Unknown,
            Some(Progress::Done(Outcome::Held(new)))
                if self.is_gone(id, new.entry.provider, new.entry.generation) =>
            {
                self.fall_back(held)
            }
            Some(Progress::Done(Outcome::Held(new))) if new.entry.failure().is_some() => {
                self.fall_back(Some(new))
            }
            Some(Progress::Done(Outcome::Held(new))) => {
                let status = if showable { CacheStatus::Refreshed } else { CacheStatus::Miss };
                self.present(new, now, status)
            }
            Some(Progress::Done(Outcome::Unavailable) | Progress::Pending | Progress::Queued(_)) | None => {
                self.fall_back(held)
            }
        }
    }

    /// Begins a refresh or joins the one under way. `None`: it may not start, which counts as failed.
    pub(super) fn begin(
        self: &Arc<Self>,
        id: &AvatarId,
        held: Option<Arc<Held>>,
        urgency: Urgency,
        budget: Budget,
    ) -> Option<Arc<Flight>> {
        let now = self.parts.clock.now();
        if urgency == Urgency::View && held.as_ref().is_some_and(|held| !self.may_refresh(held, now)) {
            return None;
        }
        match self.flights.board(id, urgency == Urgency::Forced) {
            Boarding::Waiter(flight) => {
                self.queue.viewed(id, now);
                Some(flight)
            }
            Boarding::Full => {
                self.tell_no_room(id);
                None
            }
            Boarding::Leader(lead) => {
                let flight = lead.flight().clone();
                let service = self.clone();
                // The leader runs in a task of its own: a client that leaves aborts nothing.
                self.parts.background.spawn(async move { service.lead(lead, held, urgency, budget).await });
                Some(flight)
            }
        }
    }

    /// In a storm of stale avatars this would be a line for nearly every view.
    pub(super) fn tell_no_room(&self, id: &AvatarId) {
        if let Some(others) = self.no_room.due(self.parts.clock.now()) {
            tracing::warn!(connection = %id, others, "no refresh: avatar.queue is full of avatars that were viewed later");
        }
    }

    /// Whether pauses allow an attempt for what is held.
    pub(super) fn may_refresh(&self, held: &Held, now: Timestamp) -> bool {
        held.entry.trouble.as_ref().is_none_or(|trouble| trouble.allows(now))
            && held.entry.rest_until.is_none_or(|until| until <= now)
            && self.pauses.until(held.entry.provider, now).is_none()
    }

    /// Whether what is held has not been purged since it was begun.
    pub(super) fn accepts(&self, held: &Held) -> bool {
        self.parts.purge_log.accepts(&held.id, &held.entry)
    }

    /// Whether what began at `generation` has been deleted since.
    fn is_gone(&self, id: &AvatarId, provider: Provider, generation: Generation) -> bool {
        self.parts.purge_log.validity(id, provider, generation, generation) == Validity::Deleted
    }

    /// Sends away the refreshes that wait for a place: the process ends.
    pub fn send_away(&self) {
        self.queue.close();
    }

    /// How many flights are under way, how many refreshes run, and how many wait for a place.
    pub fn depth(&self) -> (usize, usize, usize) {
        let (running, waiting) = self.queue.depth();
        (self.flights.count(), running, waiting)
    }

    /// The tier that all instances share.
    pub fn redis(&self) -> &Redis {
        &self.parts.redis
    }

    /// How telling the dashboard goes.
    pub fn events(&self) -> &Events {
        &self.parts.events
    }

    /// Now, by the service's clock.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// What this process holds ready.
    pub fn memory(&self) -> &Memory {
        &self.parts.memory
    }

    /// How the disk store is.
    pub fn disk(&self) -> &Disk {
        &self.parts.disk
    }
}
