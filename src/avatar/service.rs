//! [`Service`]: answers the one question of this server: which picture is shown for this id, now?

use std::sync::Arc;
use std::time::Duration;

use super::config::AvatarConfig;
use super::inspect::Inspection;
use super::jobs::{Jobs, JobsParts};
use super::purge::Purger;
use super::refresh::{Flight, Outcome, Progress, Refresher, RefresherParts, Urgency};
use super::reply::Reply;
use super::snapshot::Snapshot;
use super::tiers::{Tiers, TiersParts};
use crate::clock::{Clock, Stopwatch};
use crate::directory::Directory;
use crate::model::token::Keyring;
use crate::model::{
    AvatarId, CacheStatus, Content, Decision, ImagesConfig, Provider, Timestamp, Windows, decide,
};
use crate::provider::Providers;
use crate::store::{Budget, Held};

/// What the service is made of.
pub struct Parts {
    /// Section `[avatar]`.
    pub config: AvatarConfig,
    /// The longest any answer may take to begin.
    pub request_timeout: Duration,
    /// A viewed avatar's row is read again when it was last read longer ago.
    pub row_fresh_for: Duration,
    /// Fresh addresses are saved in the row.
    pub write_back: bool,
    /// Pictures of more pixels are refused.
    pub images: ImagesConfig,
    /// From an id to its connection.
    pub directory: Directory,
    /// Opens sealed tokens.
    pub keyring: Keyring,
    /// Where pictures come from.
    pub providers: Providers,
    /// The stores.
    pub tiers: TiersParts,
}

/// Serves avatars. Cheap to share behind an [`Arc`].
pub struct Service {
    windows: Windows,
    wait: Duration,
    request_timeout: Duration,
    row_fresh_for: Duration,
    clock: Clock,
    directory: Arc<Directory>,
    tiers: Arc<Tiers>,
    purger: Arc<Purger>,
    refresher: Arc<Refresher>,
    jobs: Arc<Jobs>,
}

impl Service {
    /// Puts the service together and takes over what an earlier process recorded.
    pub async fn start(parts: Parts) -> Arc<Self> {
        let Parts { config, request_timeout, row_fresh_for, write_back, images, keyring, .. } = parts;
        let (clock, background) = (parts.tiers.clock.clone(), parts.tiers.background.clone());
        let directory = Arc::new(parts.directory);
        let tiers = Tiers::start(parts.tiers, parts.providers.names()).await;
        let purger = Purger::new(tiers.clone(), directory.clone(), clock.clone(), background.clone());
        let refresher = Refresher::new(RefresherParts {
            config: config.clone(),
            request_timeout,
            write_back,
            images,
            clock: clock.clone(),
            directory: directory.clone(),
            keyring,
            providers: parts.providers,
            tiers: tiers.clone(),
            purger: purger.clone(),
            background: background.clone(),
        });
        let jobs = Jobs::start(JobsParts {
            windows: config.windows,
            max_refreshes: config.max_refreshes,
            clock: clock.clone(),
            directory: directory.clone(),
            tiers: tiers.clone(),
            purger: purger.clone(),
            refresher: refresher.clone(),
            background,
        })
        .await;
        let (windows, wait) = (config.windows, config.wait);
        Arc::new(Self {
            windows,
            wait,
            request_timeout,
            row_fresh_for,
            clock,
            directory,
            tiers,
            purger,
            refresher,
            jobs,
        })
    }

    /// Answers from memory where that takes no decision: no lock but the cache's own, no allocation, no wait.
    pub fn hit(&self, id: &str, now: Timestamp) -> Option<Reply> {
        let held = self.tiers.trusted(id)?;
        if decide(Some(&held.entry), now, &self.windows) != Decision::Hit {
            return None;
        }
        self.note_view(&held, now);
        Some(self.present(held, CacheStatus::Hit, now))
    }

    /// Answers a request that [`Service::hit`] could not. `now` is the time of the request.
    pub async fn serve(&self, id: &AvatarId, now: Timestamp) -> Reply {
        let watch = Stopwatch::start();
        let mut budget = self.tiers.budget();
        let lookup = self.purger.lookup(id, now, &mut budget);
        // With a disk that hangs nothing is held, and no provider is asked for it either.
        let Ok(held) = tokio::time::timeout(self.request_timeout, lookup).await else {
            tracing::warn!(connection = %id, "the disk store did not answer within server.request_timeout");
            return Reply::Placeholder(None, CacheStatus::Unavailable(None));
        };
        if let Some(held) = &held {
            self.note_view(held, now);
        }
        let left = self.request_timeout.saturating_sub(watch.elapsed());
        let patience = match decide(held.as_ref().map(|held| &held.entry), now, &self.windows) {
            Decision::Hit => None,
            Decision::StaleWhileRevalidate => {
                self.refresher.begin(id, held.clone(), Urgency::View, budget, now);
                None
            }
            Decision::StaleIfError => Some(self.wait.min(left)),
            Decision::Miss => Some(left),
        };
        match (held, patience) {
            (Some(held), None) => self.present(held, CacheStatus::Hit, now),
            (held, patience) => self.await_refresh(id, held, patience.unwrap_or_default(), budget, now).await,
        }
    }

    /// Notes a view, and has the row read again where that is due.
    fn note_view(&self, held: &Arc<Held>, now: Timestamp) {
        held.view(now);
        let seen = held.row_read_at();
        if seen.is_older_than(self.row_fresh_for, now) && held.claim_row_look(seen, now) {
            self.jobs.check_row(held.clone(), now);
        }
    }

    /// Waits for a refresh as long as is due, then answers with what there is.
    async fn await_refresh(
        &self,
        id: &AvatarId,
        held: Option<Arc<Held>>,
        patience: Duration,
        budget: Budget,
        now: Timestamp,
    ) -> Reply {
        // A provider near its limit is asked more and more slowly: a viewer with a picture to see does not wait for it.
        let is_slow = held.as_ref().is_some_and(|held| {
            !matches!(held.entry.content, Content::Nothing)
                && self.refresher.next_permit(held.entry.provider).is_some()
        });
        let flight = self.refresher.begin(id, held.clone(), Urgency::View, budget, now);
        let Some(flight) = flight.filter(|_| !is_slow) else {
            return Reply::fall_back(held, None, now, &self.windows);
        };
        let can_show = held.as_ref().is_some_and(|held| held.entry.picture().is_some());
        // A viewer with last good bytes is given whole pictures only: a stream could still break.
        let progress = match can_show {
            true => flight.ended(patience).await.map(Progress::Done),
            false => self.first_progress(&flight, patience).await,
        };
        match progress {
            // SECURITY: the flight began before a deletion that this request may come after: deleted bytes never come back.
            Some(Progress::Streaming(buffer))
                if !self.tiers.is_deleted(id, buffer.provider, buffer.generation) =>
            {
                Reply::Streaming(buffer)
            }
            Some(Progress::Done(Outcome::Unknown)) => Reply::Unknown,
            Some(Progress::Done(Outcome::Held(new)))
                if !self.tiers.is_deleted(id, new.entry.provider, new.entry.generation) =>
            {
                if new.entry.failure().is_some() {
                    return Reply::fall_back(Some(new), None, now, &self.windows);
                }
                let status = if can_show { CacheStatus::Refreshed } else { CacheStatus::Miss };
                self.present(new, status, now)
            }
            Some(Progress::Done(Outcome::Unavailable(why))) => {
                Reply::fall_back(held, Some(why), now, &self.windows)
            }
            Some(
                Progress::Streaming(_)
                | Progress::Done(Outcome::Held(_))
                | Progress::Pending
                | Progress::Queued(_),
            )
            | None => Reply::fall_back(held, None, now, &self.windows),
        }
    }

    /// The first thing of a flight that can be shown, or that it waits for a permit that comes too late.
    async fn first_progress(&self, flight: &Flight, patience: Duration) -> Option<Progress> {
        let comes_too_late = |provider| {
            let next = self.refresher.next_permit(provider);
            next.is_some_and(|at| at.since(self.clock.now()) > patience)
        };
        flight.wait(patience, comes_too_late).await
    }

    fn present(&self, held: Arc<Held>, status: CacheStatus, now: Timestamp) -> Reply {
        let is_paused = self.tiers.cooldown(held.entry.provider, now).is_some();
        Reply::present(held, status, is_paused, now, &self.windows)
    }

    /// The entry that a view would find, without a refresh.
    pub async fn inspect(&self, id: &AvatarId) -> Option<Inspection> {
        let now = self.clock.now();
        let peek = self.tiers.peek(id, now).await?;
        let app_paused_until = self.tiers.cooldown(peek.held.entry.provider, now);
        Some(Inspection::new(&peek, app_paused_until, now, &self.windows))
    }

    /// Refreshes now, whatever pauses of this avatar say, and returns the entry after it. `None`: no such connection.
    pub async fn refresh_now(&self, id: &AvatarId) -> Option<Inspection> {
        let (now, mut budget) = (self.clock.now(), self.tiers.budget());
        // The attempt compares what it finds with the entry of whichever tier: without one it could see no change.
        let held = self.purger.lookup(id, now, &mut budget).await;
        self.directory.forget(id);
        if let Some(flight) = self.refresher.begin(id, held, Urgency::Forced, budget, now) {
            flight.ended(self.request_timeout).await;
        }
        self.inspect(id).await
    }

    /// Whether a provider's name means something: it is configured, or a tier still holds an avatar of it.
    pub async fn knows(&self, provider: Provider) -> bool {
        self.refresher.is_configured(provider) || self.tiers.holds_any_of(provider).await
    }

    /// Carries purges out.
    pub fn purger(&self) -> &Arc<Purger> {
        &self.purger
    }

    /// Runs hooks and sweeps.
    pub fn jobs(&self) -> &Arc<Jobs> {
        &self.jobs
    }

    /// How the stores, the webhooks and the refreshes are at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let (flights, refreshes, waiting) = self.refresher.depth();
        self.tiers.snapshot(self.clock.now(), flights, refreshes, waiting)
    }

    /// Now, by the service's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Begins no more refreshes and jobs, and ends those that wait: the process stops. Refreshes that run go on.
    pub fn stop(&self) {
        self.jobs.close();
        self.refresher.close();
    }

    /// Closes the stores, after the last answer and the last refresh.
    pub async fn close(&self) {
        self.tiers.close().await;
    }
}
