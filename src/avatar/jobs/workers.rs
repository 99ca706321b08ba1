//! The workers: each takes jobs from the queue until none is left.

use std::sync::Arc;
use std::time::Duration;

use super::Jobs;
use super::queue::Job;
use crate::avatar::refresh::{Outcome, Urgency};
use crate::directory::{DirectoryError, Lookup};
use crate::model::{Decision, Timestamp, decide};
use crate::store::Held;

/// Before the second, third and last try of a job whose refresh did not take place: the directory cannot be asked, or too
/// many refreshes wait. The avatar's next view tries again after that.
const RETRY_PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(5)];
/// For one flight: longer than the deadlines of all its steps, unless the queue before it is long.
const FLIGHT_TIMEOUT: Duration = Duration::from_secs(300);

/// Whether a job is over.
enum Tried {
    Done,
    /// The refresh did not take place.
    Again,
}

impl Jobs {
    /// Starts workers whenever jobs are added, until the queue is closed.
    pub(super) fn run_workers(self: &Arc<Self>) {
        let (jobs, queue) = (Arc::downgrade(self), self.queue.clone());
        self.parts.background.spawn(async move {
            while queue.added().await {
                let Some(jobs) = jobs.upgrade() else { return };
                jobs.spawn_workers();
            }
        });
    }

    /// Starts as many workers as are free and find a job.
    fn spawn_workers(self: &Arc<Self>) {
        for worker in self.queue.workers() {
            let jobs = self.clone();
            self.parts.background.spawn(async move {
                while let Some(job) = jobs.queue.next() {
                    jobs.run_job(&job).await;
                }
                drop(worker);
                // A job may have come between the last look and the drop.
                jobs.spawn_workers();
            });
        }
    }

    async fn run_job(self: &Arc<Self>, job: &Job<'_>) {
        for pause in RETRY_PAUSES.into_iter().map(Some).chain([None]) {
            let is_called_off = self.parts.tiers.deleted_since(&job.id, job.generation);
            if is_called_off || matches!(self.try_job(job).await, Tried::Done) || self.queue.is_closed() {
                return;
            }
            match pause {
                Some(pause) if tokio::time::timeout(pause, self.queue.closed()).await.is_ok() => return,
                Some(_) => {}
                None => {
                    job.fail();
                    tracing::warn!(connection = %job.id, "hook accepted but not refreshed; the next view will retry");
                }
            }
        }
    }

    async fn try_job(self: &Arc<Self>, job: &Job<'_>) -> Tried {
        let (id, now) = (&job.id, self.parts.clock.now());
        // A view may have put back the row that it had read before.
        self.parts.directory.forget(id);
        let held = self.parts.purger.lookup(id, now, &mut self.parts.tiers.unhurried()).await;
        let urgency = match (&held, job.urgency) {
            (Some(held), Urgency::View) => match self.due(held, now).await {
                Ok(Some(urgency)) => urgency,
                Ok(None) => return Tried::Done,
                Err(error) => {
                    tracing::debug!(connection = %id, %error, "the row cannot be read");
                    return Tried::Again;
                }
            },
            (_, urgency) => urgency,
        };
        let budget = self.parts.tiers.unhurried();
        let Some(flight) = self.parts.refresher.begin(id, held, urgency, budget, now) else {
            return Tried::Again;
        };
        match flight.ended(FLIGHT_TIMEOUT).await {
            Some(Outcome::Unavailable(_)) => Tried::Again,
            Some(Outcome::Unknown) => {
                // The row may come in a moment: its view must not find it remembered as unknown.
                self.parts.directory.forget(id);
                Tried::Done
            }
            Some(Outcome::Held(held)) if held.entry.trouble.is_none() => Tried::Done,
            Some(Outcome::Held(_)) | None => {
                job.fail();
                Tried::Done
            }
        }
    }

    /// How urgently the entry of a created connection must be refreshed, if at all.
    async fn due(&self, held: &Held, now: Timestamp) -> Result<Option<Urgency>, DirectoryError> {
        Ok(match self.parts.directory.read(&held.id, now).await? {
            Lookup::Found(row) if row.fingerprint != held.entry.fingerprint => Some(Urgency::Forced),
            Lookup::Found(_) => {
                let is_fresh = decide(Some(&held.entry), now, &self.parts.windows) == Decision::Hit;
                (!is_fresh && self.parts.refresher.may_refresh(held, now)).then_some(Urgency::View)
            }
            Lookup::Unknown => Some(Urgency::View),
        })
    }
}
