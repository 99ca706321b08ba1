//! What the dashboard tells: a connection is new, has changed, is gone.
//!
//! New and changed ones are refreshed behind the answer: [`Backlog`](super::backlog) holds them, a few hands do them
//! through the same flights and the same queue as views. A deletion is answered when it is done.

use std::sync::Arc;
use std::time::Duration;

use super::backlog::{BacklogFull, Chore};
use super::flight::Outcome;
use super::purge::PurgeReport;
use super::service::{Service, Urgency};
use crate::directory::{DirectoryError, Lookup};
use crate::model::{AvatarId, Decision, PurgeKind, PurgeScope, Timestamp, decide};
use crate::store::{Acks, Held};

/// Before the second, third and last try of a chore that did not take place: the directory cannot be asked, or there were
/// too many refreshes. After it the avatar's next view does it.
const AGAIN: [Duration; 3] = [Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(5)];
/// For one flight: longer than all deadlines of its steps together, unless the queue before it is long.
const PATIENCE: Duration = Duration::from_secs(300);

/// How far what was told is done, since the start of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlogged {
    /// So many were accepted: the number of the last one.
    pub accepted: u64,
    /// All up to this number are done.
    pub done: u64,
    /// So many of those that are done brought no current picture.
    pub failed: u64,
    /// When the process began: an earlier one's are done or lost.
    pub started_at: Timestamp,
}

/// Whether a chore is done.
enum Done {
    Yes,
    /// It did not take place.
    No,
}

impl Service {
    /// New connections: their avatars are fetched, unless what is held is fresh and the row the same.
    ///
    /// # Errors
    /// Too many are left from before: none was accepted.
    pub fn connect(self: &Arc<Self>, ids: &[AvatarId]) -> Result<Backlogged, BacklogFull> {
        let room = self.backlog.reserve(ids.len())?;
        // Somebody may have asked for it before its row was there.
        ids.iter().for_each(|id| self.parts.directory.forget(id));
        self.backlog.add(room, ids, Urgency::View, self.parts.purge_log.current());
        self.work_off();
        Ok(self.backlogged())
    }

    /// Changed rows, or owners who logged in again: every instance reads the row anew and asks the provider, whatever it
    /// met before; this one at once. Also tells who has heard of it.
    ///
    /// # Errors
    /// As [`Service::connect`].
    pub async fn reconnect(self: &Arc<Self>, ids: &[AvatarId]) -> Result<(Backlogged, Acks), BacklogFull> {
        let room = self.backlog.reserve(ids.len())?;
        let told = self.purge(PurgeScope::Avatars(ids.to_vec()), PurgeKind::Soft).await.acknowledged;
        self.backlog.add(room, ids, Urgency::Forced, self.parts.purge_log.current());
        self.work_off();
        Ok((self.backlogged(), told))
    }

    /// Connections that are gone, or soon will be: no byte of their avatars is left in any tier when all have answered. What
    /// is still to be fetched of them is called off. A caller that leaves stops nothing: it would be told, and not done.
    pub async fn disconnect(self: &Arc<Self>, ids: &[AvatarId]) -> PurgeReport {
        let (service, ids) = (self.clone(), ids.to_vec());
        let disconnect = async move {
            service.tell_gone(&ids).await;
            service.purge_everywhere(PurgeScope::Avatars(ids), PurgeKind::Disconnect).await
        };
        self.whoever_waits(disconnect).await
    }

    /// How far what was told is done.
    pub fn backlogged(&self) -> Backlogged {
        let (accepted, done, failed) = self.backlog.counts();
        Backlogged { accepted, done, failed, started_at: self.started_at }
    }

    /// Nothing more is begun.
    pub fn close_backlog(&self) {
        self.backlog.close();
    }

    /// Has every free hand work until nothing is left.
    fn work_off(self: &Arc<Self>) {
        for hand in self.backlog.hands() {
            let service = self.clone();
            self.parts.background.spawn(async move {
                while let Some(chore) = service.backlog.next() {
                    service.see_to(&chore).await;
                }
                drop(hand);
                // What came between the last look and the freeing of the hand.
                service.work_off();
            });
        }
    }

    async fn see_to(self: &Arc<Self>, chore: &Chore<'_>) {
        for pause in AGAIN.into_iter().map(Some).chain([None]) {
            let called_off = self.parts.purge_log.deleted_since(&chore.id, chore.generation);
            if called_off || matches!(self.attempt(chore).await, Done::Yes) {
                return;
            }
            match pause {
                Some(pause) if tokio::time::timeout(pause, self.backlog.closed()).await.is_ok() => return,
                Some(_) => {}
                None => {
                    chore.fail();
                    tracing::warn!(connection = %chore.id, "told of, but not refreshed: its next view does it");
                }
            }
        }
    }

    async fn attempt(self: &Arc<Self>, chore: &Chore<'_>) -> Done {
        let (id, now) = (&chore.id, self.parts.clock.now());
        // A view may have put back what it had read before.
        self.parts.directory.forget(id);
        let held = self.held(id, now, &mut self.parts.redis.unhurried()).await;
        let urgency = match (&held, chore.urgency) {
            (Some(held), Urgency::View) => match self.due(held, now).await {
                Ok(Some(urgency)) => urgency,
                Ok(None) => return Done::Yes,
                Err(error) => {
                    tracing::debug!(connection = %id, %error, "the row cannot be read");
                    return Done::No;
                }
            },
            (_, urgency) => urgency,
        };
        let Some(flight) = self.begin(id, held, urgency, self.parts.redis.unhurried()) else {
            return Done::No;
        };
        match flight.ended(PATIENCE).await {
            Some(Outcome::Unavailable) => Done::No,
            Some(Outcome::Unknown) => {
                // Its row may come in a moment, and then its view must not be told otherwise.
                self.parts.directory.forget(id);
                Done::Yes
            }
            Some(Outcome::Held(held)) if held.entry.trouble.is_none() => Done::Yes,
            Some(Outcome::Held(_)) | None => {
                chore.fail();
                Done::Yes
            }
        }
    }

    /// Why what is held of a new connection is to be refreshed, if it is.
    async fn due(&self, held: &Held, now: Timestamp) -> Result<Option<Urgency>, DirectoryError> {
        Ok(match self.parts.directory.read(&held.id, now).await? {
            Lookup::Found(row) if row.fingerprint != held.entry.fingerprint => Some(Urgency::Forced),
            Lookup::Found(_) => {
                let fresh = decide(Some(&held.entry), now, &self.parts.config.windows) == Decision::Serve;
                (!fresh && self.may_refresh(held, now)).then_some(Urgency::View)
            }
            Lookup::Unknown => Some(Urgency::View),
        })
    }
}
