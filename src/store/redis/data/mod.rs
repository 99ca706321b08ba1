//! Get and put: entries, their bytes, links and troubles in Redis, each with a time to live.

pub(super) mod clear_head;
pub(super) mod keys;
pub(super) mod scripts;
pub(super) mod seal;
mod stored_entry;

use std::sync::Arc;
use std::time::Duration;

use super::supervisor::Access;
use super::{Budget, Open, Redis, Unavailable, millis};
use crate::model::{AvatarId, Entry, Link, Picture, Provider, Timestamp, Trouble};
use crate::store::Held;
use crate::store::LastPurges;
use crate::store::stored_trouble::{read_trouble, write_trouble};
use crate::telemetry::RedisMetrics;
use clear_head::{MAX_TOMBSTONE, behind_head};
use keys::AvatarKeys;
use stored_entry::{StoredEntry, StoredLink, picture};

/// What Redis has of an avatar.
#[derive(Debug)]
pub struct Shared {
    /// The entry, without the bytes if those are too large or were evicted.
    pub entry: Option<Entry>,
    /// When a picture was verified that the caller does not have and whose bytes are too large or were evicted.
    pub elsewhere: Option<Timestamp>,
    /// Its last purges, by which the caller judges the entry.
    pub purged: LastPurges,
}

/// The outcome of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// All instances see the entry now.
    Stored,
    /// Another instance verified it later.
    Older,
    /// It was purged since.
    Purged,
}

/// A trouble outlives its pause by this much, so that the next pause is twice as long.
const TROUBLE_BEYOND: Duration = Duration::from_secs(3600);

/// A sealed entry, link or trouble is at most this long, in bytes. A longer one stays local.
const SMALL: u64 = 16 * 1024;
/// The seal adds at most so many bytes to a picture.
const SEAL: u64 = 64;

/// Entry, link, trouble, the two tombstones and the picture; each empty if it is not there.
type Raw = (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>);

impl Redis {
    /// What Redis has of an avatar. A caller that has the picture passes it, so that Redis does not send the same bytes.
    pub async fn get(
        &self,
        id: &AvatarId,
        have: Option<&Arc<Picture>>,
        budget: &mut Budget,
    ) -> Result<Shared, Unavailable> {
        let open = self.open.as_ref().ok_or(Unavailable)?;
        let keys = open.keys.of(id);
        let life = millis(open.keep_bytes_for);
        let mut pipe = redis::pipe();
        // SECURITY: an attacker who may write to the Redis could put half a gigabyte there, so each read has a bound.
        let no_more_than = |pipe: &mut redis::Pipeline, key: &str, bytes: u64| {
            pipe.cmd("GETRANGE").arg(key).arg(0).arg(bytes);
        };
        no_more_than(&mut pipe, &keys.entry, SMALL);
        no_more_than(&mut pipe, &keys.link, SMALL);
        no_more_than(&mut pipe, &keys.trouble, SMALL);
        no_more_than(&mut pipe, &keys.hard, MAX_TOMBSTONE);
        no_more_than(&mut pipe, &keys.soft, MAX_TOMBSTONE);
        // A use renews the time to live.
        pipe.cmd("PEXPIRE").arg(&keys.entry).arg(life).ignore();
        pipe.cmd("PEXPIRE").arg(&keys.picture).arg(life).ignore();
        match have {
            // An empty range: the answer keeps its shape.
            Some(_) => _ = pipe.cmd("GETRANGE").arg(&keys.picture).arg(1).arg(0),
            None => no_more_than(&mut pipe, &keys.picture, open.max_value + SEAL),
        }
        let (entry, link, trouble, hard, soft, bytes): Raw = open.pipe(&pipe, Access::Any, budget).await?;
        let purged = LastPurges {
            hard: open.read_tombstone(&keys.hard, hard),
            soft: open.read_tombstone(&keys.soft, soft),
        };
        let (mut found, mut elsewhere) = (None, None);
        if let Some(stored) = open.read_entry(&keys, entry) {
            let picture = open.picture_of(&keys, &stored, have, bytes, budget).await;
            let (link, trouble) = (open.read_link(&keys, link), open.read_trouble(&keys, trouble));
            if trouble.as_ref().is_some_and(|trouble| trouble.needs_action.is_some()) {
                open.renew(&keys.trouble, budget).await;
            }
            let now = open.clock.now();
            let is_elsewhere = stored.etag().is_some() && picture.is_none();
            elsewhere = stored.verified_at(now).filter(|_| is_elsewhere);
            found = stored.into_entry(picture.as_ref(), link, trouble, now);
        }
        let RedisMetrics { hits, misses, .. } = &open.metrics.redis;
        let counter = if found.is_some() { hits } else { misses };
        counter.add(1);
        Ok(Shared { entry: found, elsewhere, purged })
    }

    /// The provider of the entry in Redis, if there is one.
    pub async fn provider(
        &self,
        id: &AvatarId,
        budget: &mut Budget,
    ) -> Result<Option<Provider>, Unavailable> {
        self.open.as_ref().ok_or(Unavailable)?.provider(id, budget).await
    }

    /// Stores an entry for all instances, unless it was purged or a later one is there. Pictures above `redis.max_value` stay
    /// local.
    pub async fn put(&self, held: &Held, budget: &mut Budget) -> Result<Put, Unavailable> {
        let open = self.open.as_ref().ok_or(Unavailable)?;
        let parts = Parts::of(open, held).ok_or(Unavailable)?;
        match parts.send(open, held, None, budget).await?.as_str() {
            "older" => return Ok(Put::Older),
            "purged" => return Ok(Put::Purged),
            "bytes" => {
                let bytes = held.entry.picture().map(|picture| &picture.bytes);
                if let Some(bytes) = bytes.filter(|bytes| bytes.len() as u64 <= open.max_value) {
                    let sealed = open.sealer.seal(&parts.keys.picture, bytes).ok_or(Unavailable)?;
                    parts.send(open, held, Some(sealed), budget).await?;
                }
            }
            _ => {}
        }
        open.count_stored();
        Ok(Put::Stored)
    }
}

impl Open {
    pub(in crate::store::redis) async fn provider(
        &self,
        id: &AvatarId,
        budget: &mut Budget,
    ) -> Result<Option<Provider>, Unavailable> {
        let keys = self.keys.of(id);
        let mut pipe = redis::pipe();
        pipe.cmd("GETRANGE").arg(&keys.entry).arg(0).arg(SMALL);
        let (entry,): (Vec<u8>,) = self.pipe(&pipe, Access::Any, budget).await?;
        Ok(self.read_entry(&keys, entry).and_then(|stored| stored.provider()))
    }

    fn count_stored(&self) {
        self.metrics.redis.stored.add(1);
        self.supervisor.note_stored();
    }

    /// The picture of an entry: the one that the caller has, or the one in Redis.
    async fn picture_of(
        &self,
        keys: &AvatarKeys,
        stored: &StoredEntry,
        have: Option<&Arc<Picture>>,
        bytes: Vec<u8>,
        budget: &mut Budget,
    ) -> Option<Arc<Picture>> {
        let etag = stored.etag()?;
        if let Some(have) = have.filter(|have| have.etag.as_str() == etag) {
            return Some(have.clone());
        }
        let sealed = match have {
            None => bytes,
            Some(_) => {
                let mut pipe = redis::pipe();
                pipe.cmd("GETRANGE").arg(&keys.picture).arg(0).arg(self.max_value + SEAL);
                let (bytes,): (Vec<u8>,) = self.pipe(&pipe, Access::Any, budget).await.ok()?;
                bytes
            }
        };
        // Too large for Redis, or evicted.
        let sealed = Some(sealed).filter(|sealed| !sealed.is_empty())?;
        let bytes = self.opened(&keys.picture, sealed)?;
        picture(bytes, etag, self.images)
    }

    fn read_entry(&self, keys: &AvatarKeys, entry: Vec<u8>) -> Option<StoredEntry> {
        if entry.is_empty() {
            return None;
        }
        let Some(sealed) = behind_head(entry, 4) else {
            self.count_rejected();
            return None;
        };
        let plain = self.opened(&keys.entry, sealed)?;
        self.known_form(&keys.entry, serde_json::from_slice(&plain).ok())
    }

    fn read_link(&self, keys: &AvatarKeys, sealed: Vec<u8>) -> Option<Link> {
        let plain = self.opened(&keys.link, sealed)?;
        let stored = serde_json::from_slice::<StoredLink>(&plain).ok();
        self.known_form(&keys.link, stored.and_then(StoredLink::into_link))
    }

    /// A dead token is remembered as long as its picture, or an instance would ask with it again.
    async fn renew(&self, trouble: &str, budget: &mut Budget) {
        let mut pipe = redis::pipe();
        pipe.cmd("PEXPIRE").arg(trouble).arg(millis(self.keep_bytes_for)).ignore();
        let _: Result<(), Unavailable> = self.pipe(&pipe, Access::Any, budget).await;
    }

    fn read_trouble(&self, keys: &AvatarKeys, sealed: Vec<u8>) -> Option<Trouble> {
        let plain = self.opened(&keys.trouble, sealed)?;
        self.known_form(&keys.trouble, read_trouble(&plain))
    }

    /// Opens a sealed value. An empty one is nothing; one that does not open is counted and a miss.
    pub(crate) fn opened(&self, key: &str, sealed: Vec<u8>) -> Option<bytes::Bytes> {
        if sealed.is_empty() {
            return None;
        }
        match self.sealer.open(key, sealed) {
            Ok(plain) => Some(plain),
            Err(closed) => {
                tracing::debug!(key, reason = %closed, "a value in Redis does not open");
                self.count_rejected();
                None
            }
        }
    }

    fn known_form<T>(&self, key: &str, read: Option<T>) -> Option<T> {
        if read.is_none() {
            tracing::debug!(key, "a value in Redis has a form that this version does not know");
            self.count_rejected();
        }
        read
    }
}

/// What a put sends.
struct Parts {
    keys: AvatarKeys,
    mark: String,
    entry: Vec<u8>,
    link: Vec<u8>,
    link_life: u64,
    trouble: Vec<u8>,
    trouble_life: u64,
}

impl Parts {
    fn of(open: &Open, held: &Held) -> Option<Self> {
        let Entry { link, trouble, .. } = &held.entry;
        let (keys, now) = (open.keys.of(&held.id), open.clock.now());
        let fits = |sealed: &Vec<u8>| sealed.len() as u64 <= SMALL - MAX_TOMBSTONE;
        let seal = |key: &str, plain: Vec<u8>| open.sealer.seal(key, &plain).filter(fits);
        let mark = open.sealer.mark(held.entry.picture().map(|picture| &picture.etag));
        let sealed = seal(&keys.entry, serde_json::to_vec(&StoredEntry::of(&held.entry)).ok()?)?;
        let Entry { generation, soft_purged_at, verified_at, .. } = &held.entry;
        let head = format!("{}:{}:{}:{mark}:", generation.0, soft_purged_at.0, verified_at.as_millis());
        let link = link.as_ref().filter(|link| link.is_live(now));
        let trouble_until = trouble.as_ref().map(|trouble| match (trouble.retry_at, trouble.needs_action) {
            (Some(at), None) => at.since(now) + TROUBLE_BEYOND,
            // Until the row changes, or an event can say that the trouble is over: as long as anything is stored.
            (None, _) | (_, Some(_)) => open.keep_bytes_for,
        });
        Some(Self {
            mark,
            entry: [head.as_bytes(), &sealed].concat(),
            link: match link {
                Some(link) => seal(&keys.link, serde_json::to_vec(&StoredLink::of(link)).ok()?)?,
                None => Vec::new(),
            },
            link_life: millis(link.map_or(Duration::ZERO, |link| link.expires_at.since(now))),
            trouble: match trouble.as_ref().and_then(write_trouble) {
                Some(text) => seal(&keys.trouble, text.into_bytes())?,
                None => Vec::new(),
            },
            trouble_life: millis(trouble_until.unwrap_or_default()),
            keys,
        })
    }

    async fn send(
        &self,
        open: &Open,
        held: &Held,
        picture: Option<Vec<u8>>,
        budget: &mut Budget,
    ) -> Result<String, Unavailable> {
        let mut script = scripts::PUT.prepare_invoke();
        script.key(&self.keys.entry).key(&self.keys.picture).key(&self.keys.link);
        script.key(&self.keys.trouble).key(&self.keys.hard).key(&self.keys.soft);
        script.arg(held.entry.generation.0).arg(held.entry.verified_at.as_millis()).arg(&self.mark);
        script.arg(open.clock.now().as_millis());
        script.arg(&self.entry).arg(picture.unwrap_or_default()).arg(&self.link).arg(&self.trouble);
        script.arg(millis(open.keep_bytes_for)).arg(self.link_life).arg(self.trouble_life);
        script
            .arg(open.purge_log.purged(&held.id, held.entry.provider).soft.0)
            .arg(held.entry.soft_purged_at.0);
        open.script(&script, Access::Put, budget).await
    }
}
