//! What memory, Redis and disk hold, held against each other.

use std::sync::Arc;

use super::service::Service;
use crate::model::{AvatarId, Content, Entry, PurgeKind, PurgeScope, Timestamp, Trouble, TroubleClass};
use crate::store::{Budget, Held, Shared, Unavailable, Validity};

/// What Redis holds of an avatar, as the purges that are known leave it.
#[derive(Debug, Default)]
struct There {
    entry: Option<Entry>,
    /// It began before a soft purge.
    is_purged: bool,
    /// As in [`Shared`].
    elsewhere: Option<Timestamp>,
}

impl Service {
    /// What is held of an avatar, unless it is to be forgotten. Memory alone where it can be trusted; else Redis is
    /// asked, then the disk.
    pub(super) async fn held(
        self: &Arc<Self>,
        id: &AvatarId,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Option<Arc<Held>> {
        let held = match self.parts.memory.get(id.as_str()) {
            Some(held) if self.parts.redis.trusts(&held) => held,
            Some(held) => self.reconciled(id, Some(held), now, budget).await?,
            None => self.looked_for(id, now, budget).await?,
        };
        if held.entry.picture().is_some()
            && now.since(held.entry.verified_at) >= self.parts.config.windows.forget
        {
            tracing::info!(connection = %id, "forgotten: not confirmed within avatar.forget_after");
            self.erase(id, PurgeKind::Hard).await;
            return None;
        }
        Some(held)
    }

    /// What Redis or the disk holds of an avatar that memory does not hold.
    async fn looked_for(&self, id: &AvatarId, now: Timestamp, budget: &mut Budget) -> Option<Arc<Held>> {
        let mut whole = *budget;
        let look = async {
            let held = self.reconciled(id, None, now, &mut whole).await;
            (held, whole)
        };
        let held;
        (held, *budget) = self.looks.share(id, look).await;
        // The look may have begun before a purge that this request comes after.
        held.filter(|held| self.accepts(held))
    }

    /// The later of what this instance and what Redis holds. While Redis is away this instance's own is right.
    pub(super) async fn reconciled(
        &self,
        id: &AvatarId,
        held: Option<Arc<Held>>,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Option<Arc<Held>> {
        if !self.parts.redis.is_on() {
            return match held {
                Some(held) => Some(held),
                None => self.read_disk(id, now).await,
            };
        }
        let mark = self.parts.redis.snapshot(id);
        let mut held = held;
        let mut there = self.ask_redis(id, held.as_ref(), budget).await;
        let lacks_bytes = |there: &Result<There, Unavailable>| {
            let entry = there.as_ref().ok().and_then(|there| there.entry.as_ref());
            entry.is_none_or(|entry| matches!(entry.content, Content::Nothing))
        };
        if held.is_none() && lacks_bytes(&there) {
            held = self.read_disk(id, now).await;
            if held.is_some() && matches!(&there, Ok(There { entry: Some(_), .. })) {
                // Too large for Redis, perhaps, but here it is: its clocks are newer there.
                there = self.ask_redis(id, held.as_ref(), budget).await;
            }
        }
        let held = match held {
            Some(held) => self.unless_purged(held).await,
            None => None,
        };
        let Ok(There { entry, is_purged, elsewhere }) = there else { return held };
        let new = match (held, entry) {
            (Some(held), Some(entry)) if elsewhere.is_some_and(|at| at >= held.entry.verified_at) => {
                self.outdated(held, entry)
            }
            // What is held has obeyed the purge, and may know what came of it.
            (Some(held), Some(_)) if is_purged && !matches!(held.entry.content, Content::Nothing) => held,
            (Some(held), Some(entry)) if !is_later(&entry, &held.entry) => held,
            (held, Some(entry)) => self.take_over(id, held, entry),
            (Some(held), None) => {
                self.offer(held.clone());
                held
            }
            (None, None) => return None,
        };
        self.parts.redis.trust(&new, mark);
        Some(new)
    }

    async fn ask_redis(
        &self,
        id: &AvatarId,
        held: Option<&Arc<Held>>,
        budget: &mut Budget,
    ) -> Result<There, Unavailable> {
        let have = held.and_then(|held| held.entry.picture());
        let Shared { entry, elsewhere, purged } = self.parts.redis.get(id, have, budget).await?;
        self.parts.purge_log.record(&PurgeScope::one(id), purged);
        let Some(mut entry) = entry else { return Ok(There::default()) };
        entry.trouble = entry.trouble.map(|trouble| self.unless_mended(trouble));
        // It may have been kept by an instance that had not heard of a purge, and a soft one leaves it as it is.
        Ok(match self.parts.purge_log.validity(id, entry.provider, entry.generation, entry.soft_purged_at) {
            Validity::Current => There { entry: Some(entry), is_purged: false, elsewhere },
            Validity::Stale(purge) => {
                There { entry: Some(self.stale(id, &entry, purge)), is_purged: true, elsewhere: None }
            }
            Validity::Deleted => There::default(),
        })
    }

    /// What the disk holds, taken into memory.
    async fn read_disk(&self, id: &AvatarId, now: Timestamp) -> Option<Arc<Held>> {
        let mut entry = self.parts.disk.get(id, now).await?;
        entry.trouble = entry.trouble.map(|trouble| self.unless_mended(trouble));
        let held = Arc::new(Held::new(id.clone(), entry, Timestamp::EPOCH));
        self.parts.memory.put(held.clone());
        Some(held)
    }

    /// A purge that this instance did not hear of, or has not carried out yet.
    async fn unless_purged(&self, held: Arc<Held>) -> Option<Arc<Held>> {
        let Entry { provider, generation, soft_purged_at, .. } = held.entry;
        match self.parts.purge_log.validity(&held.id, provider, generation, soft_purged_at) {
            Validity::Current => Some(held),
            Validity::Stale(purge) => Some(self.replace(&held, self.stale(&held.id, &held.entry, purge))),
            Validity::Deleted => {
                tracing::info!(connection = %held.id, "purged by another instance");
                self.remove_here(std::slice::from_ref(&held.id)).await;
                None
            }
        }
    }

    /// Another instance has another picture, too large for Redis: what is held here is stale now, and the address that
    /// came with it is the shortest way to the new one.
    fn outdated(&self, held: Arc<Held>, entry: Entry) -> Arc<Held> {
        let oldest = self.parts.clock.now() - self.parts.config.windows.s1;
        let address = |entry: &Entry| entry.link.as_ref().map(|link| link.address.expose().to_owned());
        if held.entry.verified_at <= oldest && address(&held.entry) == address(&entry) {
            // It is known already, and what came of it.
            return held;
        }
        let verified_at = held.entry.verified_at.min(oldest);
        let old = Entry { verified_at, link: entry.link, trouble: entry.trouble, ..held.entry.clone() };
        self.replace(&held, old)
    }

    /// Puts another entry in the place of what is held, whose row was read and which was viewed as before.
    fn replace(&self, held: &Held, entry: Entry) -> Arc<Held> {
        let new = Arc::new(Held::new(held.id.clone(), entry, held.row_read_at()));
        new.view(held.viewed_at());
        // Memory would refuse what was verified earlier than what it holds.
        self.parts.memory.remove(&held.id);
        self.parts.memory.put(new.clone());
        new
    }

    /// Takes what another instance brought. That one tells the dashboard what has happened, and so does this one if it held
    /// what was before: both may be the only one that lives on.
    fn take_over(&self, id: &AvatarId, held: Option<Arc<Held>>, entry: Entry) -> Arc<Held> {
        self.parts.purge_log.catch_up(entry.generation);
        let row_read_at = held.as_ref().map_or(Timestamp::EPOCH, |held| held.row_read_at());
        let happened = held.as_ref().map(|held| self.happened(id, Some(&held.entry), &entry));
        let happened = happened.unwrap_or_default();
        let new = Arc::new(Held::new(id.clone(), entry, row_read_at));
        if let Some(held) = held {
            new.view(held.viewed_at());
        }
        self.parts.memory.put(new.clone());
        if !matches!(new.entry.content, Content::Nothing) || !happened.is_empty() {
            // A view must not wait for a disk whose queue is full.
            let (disk, new) = (self.parts.disk.clone(), new.clone());
            self.parts.background.spawn(async move { disk.put_with_events(new, happened).await });
        }
        new
    }

    /// Redis holds nothing of what this instance has: it was emptied, or is new.
    fn offer(&self, held: Arc<Held>) {
        let Ok(permit) = self.errands.clone().try_acquire_owned() else { return };
        let redis = self.parts.redis.clone();
        self.parts.background.spawn(async move {
            let _permit = permit;
            let _ = redis.put(&held, &mut redis.unhurried()).await;
        });
    }

    /// A fault of the configuration that an earlier process met is forgiven: this one may be configured otherwise.
    fn unless_mended(&self, trouble: Trouble) -> Trouble {
        match trouble.class == TroubleClass::Misconfigured && trouble.at < self.started_at {
            true => trouble.forgiven(),
            false => trouble,
        }
    }
}

/// Whether `entry` knows more than `held`: confirmed later, or of the same age with a later attempt that failed.
pub(super) fn is_later(entry: &Entry, held: &Entry) -> bool {
    let known = |entry: &Entry| {
        let failed_at = entry.trouble.as_ref().map_or(Timestamp::EPOCH, |trouble| trouble.at);
        (entry.verified_at, failed_at)
    };
    known(entry) > known(held)
}
