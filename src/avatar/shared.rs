//! What memory, Redis and disk hold, held against each other.

use std::sync::Arc;

use super::purge::Deed;
use super::service::Service;
use crate::model::{AvatarId, Content, Entry, Timestamp, Trouble, TroubleClass};
use crate::store::{Away, Budget, Held, Shared, Subject, Verdict};

/// What Redis holds of an avatar, as the purges that are known leave it.
#[derive(Debug, Default)]
struct There {
    entry: Option<Entry>,
    /// It began before a soft purge.
    is_purged: bool,
    /// As in [`Shared`].
    elsewhere: Option<Timestamp>,
}

/// What was found of an avatar, before the two are compared.
struct Looked {
    own: Option<Arc<Held>>,
    /// This instance's own was read from the disk.
    is_from_disk: bool,
    there: Result<There, Away>,
}

/// Which entry counts: this instance's own, or that of Redis.
enum Current {
    Own(Arc<Held>),
    /// Redis holds nothing.
    OwnAlone(Arc<Held>),
    /// Another instance has another picture, too large for Redis.
    Outdated(Arc<Held>, Entry),
    /// That of Redis is later than this instance's own.
    Theirs(Option<Arc<Held>>, Entry),
}

/// What a view would find of an avatar, and the stores that hold anything of it.
pub(super) struct Peeked {
    pub(super) held: Arc<Held>,
    pub(super) held_in: Vec<&'static str>,
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
            self.erase(id, Deed::Delete).await;
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
        held.filter(|held| self.admits(held))
    }

    /// The later of what this instance and what Redis holds. While Redis is away this instance's own is right.
    pub(super) async fn reconciled(
        &self,
        id: &AvatarId,
        held: Option<Arc<Held>>,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Option<Arc<Held>> {
        let mark = self.parts.redis.mark(id);
        let Looked { own, is_from_disk, there } = self.look(id, held, now, budget).await;
        if let Some(own) = own.as_ref().filter(|_| is_from_disk) {
            self.parts.memory.put(own.clone());
        }
        let held = match own {
            Some(own) => self.unless_purged(own, now).await,
            None => None,
        };
        let Ok(there) = there else { return held };
        let new = match current(held, there)? {
            Current::Own(held) => held,
            Current::OwnAlone(held) => {
                self.offer(held.clone());
                held
            }
            Current::Outdated(held, entry) => match self.outdated(&held.entry, entry, now) {
                Some(entry) => self.replace(&held, entry),
                None => held,
            },
            Current::Theirs(held, entry) => self.take_over(id, held, entry),
        };
        self.parts.redis.trust(&new, mark);
        Some(new)
    }

    /// What a view would find, for an operator who asks. It reads as a view reads, and changes no store.
    pub(super) async fn peek(&self, id: &AvatarId, now: Timestamp) -> Option<Peeked> {
        let redis = &self.parts.redis;
        let memory = self.parts.memory.get(id.as_str());
        let trusted = memory.clone().filter(|held| redis.trusts(held));
        let Looked { own, there, .. } = self.look(id, memory.clone(), now, &mut redis.unhurried()).await;
        let there = there.unwrap_or_default();
        let is_on_disk = self.parts.disk.kept(id).await.is_some();
        let stores = [("memory", memory.is_some()), ("redis", there.entry.is_some()), ("disk", is_on_disk)];
        let held = trusted.or_else(|| self.peeked(id, own, there, now))?;
        Some(Peeked {
            held,
            held_in: stores.into_iter().filter(|(_, holds)| *holds).map(|(store, _)| store).collect(),
        })
    }

    fn peeked(
        &self,
        id: &AvatarId,
        own: Option<Arc<Held>>,
        there: There,
        now: Timestamp,
    ) -> Option<Arc<Held>> {
        let own = own.and_then(|own| match self.verdict(&own) {
            Verdict::Current => Some(own),
            Verdict::Stale(purge) => Some(Arc::new(own.with(self.stale(id, &own.entry, purge, now)))),
            Verdict::Gone => None,
        });
        Some(match current(own, there)? {
            Current::Own(own) | Current::OwnAlone(own) => own,
            Current::Outdated(own, entry) => match self.outdated(&own.entry, entry, now) {
                Some(entry) => Arc::new(own.with(entry)),
                None => own,
            },
            Current::Theirs(Some(own), entry) => Arc::new(own.with(entry)),
            Current::Theirs(None, entry) => Arc::new(Held::new(id.clone(), entry, Timestamp::EPOCH)),
        })
    }

    /// Asks Redis, and the disk where neither memory nor Redis has the bytes.
    async fn look(
        &self,
        id: &AvatarId,
        memory: Option<Arc<Held>>,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Looked {
        let mut there = self.ask_redis(id, memory.as_ref(), now, budget).await;
        let entry = there.as_ref().ok().and_then(|there| there.entry.as_ref());
        if memory.is_some() || entry.is_some_and(|entry| !matches!(entry.content, Content::Nothing)) {
            return Looked { own: memory, is_from_disk: false, there };
        }
        let is_there = entry.is_some();
        let own = self.read_disk(id, now).await;
        if own.is_some() && is_there {
            // Too large for Redis, perhaps, but here it is: its clocks are newer there.
            there = self.ask_redis(id, own.as_ref(), now, budget).await;
        }
        Looked { own, is_from_disk: true, there }
    }

    async fn ask_redis(
        &self,
        id: &AvatarId,
        held: Option<&Arc<Held>>,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Result<There, Away> {
        let have = held.and_then(|held| held.entry.picture());
        let Shared { entry, elsewhere, purged } = self.parts.redis.get(id, have, budget).await?;
        self.parts.generations.note(&Subject::Avatar(id.clone()), purged);
        let Some(mut entry) = entry else { return Ok(There::default()) };
        entry.trouble = entry.trouble.map(|trouble| self.unless_mended(trouble));
        // It may have been kept by an instance that had not heard of a purge, and a soft one leaves it as it is.
        Ok(match self.parts.generations.verdict(id, entry.provider, entry.generation, entry.obeyed) {
            Verdict::Current => There { entry: Some(entry), is_purged: false, elsewhere },
            Verdict::Stale(purge) => {
                There { entry: Some(self.stale(id, &entry, purge, now)), is_purged: true, elsewhere: None }
            }
            Verdict::Gone => There::default(),
        })
    }

    /// What the disk holds.
    async fn read_disk(&self, id: &AvatarId, now: Timestamp) -> Option<Arc<Held>> {
        let mut entry = self.parts.disk.get(id, now).await?;
        entry.trouble = entry.trouble.map(|trouble| self.unless_mended(trouble));
        Some(Arc::new(Held::new(id.clone(), entry, Timestamp::EPOCH)))
    }

    /// A purge that this instance did not hear of, or has not carried out yet.
    async fn unless_purged(&self, held: Arc<Held>, now: Timestamp) -> Option<Arc<Held>> {
        match self.verdict(&held) {
            Verdict::Current => Some(held),
            Verdict::Stale(purge) => Some(self.replace(&held, self.stale(&held.id, &held.entry, purge, now))),
            Verdict::Gone => {
                tracing::info!(connection = %held.id, "purged by another instance");
                self.remove_here(std::slice::from_ref(&held.id)).await;
                None
            }
        }
    }

    fn verdict(&self, held: &Held) -> Verdict {
        let Entry { provider, generation, obeyed, .. } = held.entry;
        self.parts.generations.verdict(&held.id, provider, generation, obeyed)
    }

    /// Another instance has another picture, too large for Redis: this instance's own is stale now, and the address that
    /// came with the other is the shortest way to it. `None`: that is known already, and what came of it.
    fn outdated(&self, own: &Entry, entry: Entry, now: Timestamp) -> Option<Entry> {
        let oldest = now - self.parts.config.windows.s1;
        let address = |entry: &Entry| entry.link.as_ref().map(|link| link.address.expose().to_owned());
        if own.verified_at <= oldest && address(own) == address(&entry) {
            return None;
        }
        let verified_at = own.verified_at.min(oldest);
        Some(Entry { verified_at, link: entry.link, trouble: entry.trouble, ..own.clone() })
    }

    /// Puts another entry in the place of what is held, whose row was read and which was viewed as before.
    fn replace(&self, held: &Held, entry: Entry) -> Arc<Held> {
        let new = Arc::new(held.with(entry));
        // Memory would refuse what was verified earlier than what it holds.
        self.parts.memory.remove(&held.id);
        self.parts.memory.put(new.clone());
        new
    }

    /// Takes what another instance brought. That one tells the dashboard what has happened, and so does this one if it held
    /// what was before: both may be the only one that lives on.
    fn take_over(&self, id: &AvatarId, held: Option<Arc<Held>>, entry: Entry) -> Arc<Held> {
        // What a refresh brings must be newer than the soft purge, though Redis may have forgotten that one.
        self.parts.generations.catch_up(entry.generation.max(entry.obeyed));
        let happened = held.as_ref().map(|held| self.happened(id, Some(&held.entry), &entry));
        let happened = happened.unwrap_or_default();
        let new = Arc::new(match held {
            Some(held) => held.with(entry),
            None => Held::new(id.clone(), entry, Timestamp::EPOCH),
        });
        self.parts.memory.put(new.clone());
        if !matches!(new.entry.content, Content::Nothing) || !happened.is_empty() {
            // A view must not wait for a disk whose queue is full.
            let (disk, new) = (self.parts.disk.clone(), new.clone());
            self.parts.background.spawn(async move { disk.put_with(new, happened).await });
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

/// Compares what this instance holds, as the purges have left it, with what Redis holds.
fn current(own: Option<Arc<Held>>, There { entry, is_purged, elsewhere }: There) -> Option<Current> {
    Some(match (own, entry) {
        (Some(own), Some(entry)) if elsewhere.is_some_and(|at| at >= own.entry.verified_at) => {
            Current::Outdated(own, entry)
        }
        // This instance's own has obeyed the purge, and may know what came of it.
        (Some(own), Some(_)) if is_purged && !matches!(own.entry.content, Content::Nothing) => {
            Current::Own(own)
        }
        (Some(own), Some(entry)) if !is_later(&entry, &own.entry) => Current::Own(own),
        (own, Some(entry)) => Current::Theirs(own, entry),
        (Some(own), None) => Current::OwnAlone(own),
        (None, None) => return None,
    })
}

/// Whether `entry` knows more than `held`: confirmed later, or of the same age with a later attempt that failed.
pub(super) fn is_later(entry: &Entry, held: &Entry) -> bool {
    let known = |entry: &Entry| {
        let failed_at = entry.trouble.as_ref().map_or(Timestamp::EPOCH, |trouble| trouble.at);
        (entry.verified_at, failed_at)
    };
    known(entry) > known(held)
}
