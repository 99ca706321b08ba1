//! Which of several copies of an entry is right: memory's, the disk's, or the one in Redis.

use std::sync::Arc;

use super::choice::{Choice, Remote};
use super::{Forgotten, Holding, Tiers};
use crate::model::{AvatarId, Content, Entry, Generation, PurgeScope, Timestamp, Trouble, TroubleClass};
use crate::store::{Budget, Held, Shared, Unavailable, Validity};

impl Tiers {
    /// The later of what this instance and Redis hold. While Redis is away this instance's own copy is right.
    pub(in crate::avatar) async fn reconcile(
        &self,
        id: &AvatarId,
        held: Option<Arc<Held>>,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Holding {
        if !self.parts.redis.is_on() {
            return match held {
                Some(held) => Holding::Held(held),
                None => self.promote(id, now).await.into(),
            };
        }
        let position = self.parts.redis.position(id);
        let mut held = held;
        let mut remote = self.ask_redis(id, held.as_deref(), now, budget).await;
        if held.is_none() && remote.as_ref().ok().is_none_or(Remote::lacks_bytes) {
            held = self.promote(id, now).await;
            if held.is_some() && matches!(&remote, Ok(Remote { entry: Some(_), .. })) {
                // The picture may be too large for Redis and lie here: Redis then has the newer clocks.
                remote = self.ask_redis(id, held.as_deref(), now, budget).await;
            }
        }
        let held = match held.map(|held| self.enforce(held, now)) {
            Some(Holding::Held(held)) => Some(held),
            Some(forgotten @ Holding::Forgotten(_)) => return forgotten,
            Some(Holding::Nothing) | None => None,
        };
        let Ok(remote) = remote else { return held.into() };
        let choice = remote.choose(held.as_deref().map(|held| &held.entry));
        let chosen = match (choice, held, remote.entry) {
            (Some(Choice::LocalOutdated), Some(held), Some(entry)) => self.mark_outdated(held, entry, now),
            (Some(Choice::Remote), held, Some(entry)) => self.adopt(id, held, entry),
            (Some(Choice::LocalAlone), Some(held), _) => {
                self.backfill(held.clone());
                held
            }
            (_, Some(held), _) => held,
            (_, None, _) => return Holding::Nothing,
        };
        self.parts.redis.trust(&chosen, position);
        Holding::Held(chosen)
    }

    /// Reads an avatar from Redis and judges it by the purges that are known, Redis's own tombstones included.
    pub(super) async fn ask_redis(
        &self,
        id: &AvatarId,
        held: Option<&Held>,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Result<Remote, Unavailable> {
        let have = held.and_then(|held| held.entry.picture());
        let Shared { entry, elsewhere, purged } = self.parts.redis.get(id, have, budget).await?;
        self.parts.purge_log.record(&PurgeScope::one(id), purged);
        let Some(entry) = entry else { return Ok(Remote::default()) };
        let (mut entry, is_corrected) = self.corrected(entry, now);
        if is_corrected && !matches!(entry.content, Content::Nothing) {
            // Otherwise every lookup would find it as young again, while pauses forbid a refresh.
            self.backfill(Arc::new(Held::new(id.clone(), entry.clone(), Timestamp::EPOCH)));
        }
        entry.trouble = entry.trouble.map(|trouble| self.unless_over(trouble));
        // An instance that did not know of a purge may have stored it, and a soft purge leaves it as it is.
        Ok(match self.judge(id, &entry) {
            Validity::Current => Remote { entry: Some(entry), is_purged: false, elsewhere },
            Validity::Stale(purge) => Remote {
                entry: Some(self.invalidated(id, &entry, purge, now)),
                is_purged: true,
                elsewhere: None,
            },
            Validity::Deleted => Remote::default(),
        })
    }

    /// Reads an avatar from the disk. Changes nothing.
    pub(super) async fn read_disk(&self, id: &AvatarId, now: Timestamp) -> Option<Arc<Held>> {
        let (mut entry, _) = self.corrected(self.parts.disk.get(id, now).await?, now);
        entry.trouble = entry.trouble.map(|trouble| self.unless_over(trouble));
        Some(Arc::new(Held::new(id.clone(), entry, Timestamp::EPOCH)))
    }

    /// Applies a purge that this instance did not hear of, or has not carried out yet.
    fn enforce(&self, held: Arc<Held>, now: Timestamp) -> Holding {
        match self.judge(&held.id, &held.entry) {
            Validity::Current => Holding::Held(held),
            Validity::Stale(purge) => {
                Holding::Held(self.replace(&held, self.invalidated(&held.id, &held.entry, purge, now)))
            }
            Validity::Deleted => Holding::Forgotten(Forgotten::Purged),
        }
    }

    /// Another instance has a newer picture that is too large for Redis: the local one is stale now, and the address
    /// that came with the other is the shortest way to it.
    fn mark_outdated(&self, held: Arc<Held>, remote: Entry, now: Timestamp) -> Arc<Held> {
        match self.outdated(&held.entry, remote, now) {
            Some(entry) => self.replace(&held, entry),
            None => held,
        }
    }

    /// The entry of [`Tiers::mark_outdated`]; `None` where it is marked already.
    pub(super) fn outdated(&self, held: &Entry, remote: Entry, now: Timestamp) -> Option<Entry> {
        let oldest = now - self.parts.windows.fresh_until;
        let address = |entry: &Entry| entry.link.as_ref().map(|link| link.address.expose().to_owned());
        if held.verified_at <= oldest && address(held) == address(&remote) {
            return None;
        }
        let verified_at = held.verified_at.min(oldest);
        Some(Entry { verified_at, link: remote.link, trouble: remote.trouble, ..held.clone() })
    }

    /// What a soft purge leaves of an entry: stale from now on, and without a link, so that the next refresh asks the
    /// provider.
    pub(super) fn invalidated(
        &self,
        id: &AvatarId,
        entry: &Entry,
        purge: Generation,
        now: Timestamp,
    ) -> Entry {
        let cleared = match self.parts.purge_log.is_named(id, purge) {
            true => Trouble::cleared,
            false => Trouble::cleared_with_all,
        };
        Entry {
            verified_at: entry.verified_at.min(now - self.parts.windows.fresh_until),
            link: None,
            trouble: entry.trouble.clone().map(cleared),
            soft_purged_at: purge,
            ..entry.clone()
        }
    }

    /// What the purges that are known mean for an entry.
    pub(super) fn judge(&self, id: &AvatarId, entry: &Entry) -> Validity {
        self.parts.purge_log.validity(id, entry.provider, entry.generation, entry.soft_purged_at)
    }

    /// Clears a misconfiguration that an earlier process met: this one may be configured otherwise.
    fn unless_over(&self, trouble: Trouble) -> Trouble {
        match trouble.class == TroubleClass::Misconfigured && trouble.at < self.started_at {
            true => trouble.cleared(),
            false => trouble,
        }
    }
}
