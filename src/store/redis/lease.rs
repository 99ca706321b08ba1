//! [`Lease`]: the right of one instance to refresh one avatar.

use std::sync::Arc;
use std::time::Duration;

use aes_gcm::aead::Generate;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::data::scripts;
use super::pubsub::message::{Message, Recipient};
use super::supervisor::Access;
use super::{Budget, Open, Put, Redis, Unavailable, Watch, millis};
use crate::model::AvatarId;
use crate::store::Held;

/// A lease whose request was not answered is released so many times, with this pause, until that is left to Redis.
const RELEASE_TRIES: u32 = 3;
const RELEASE_RETRY: Duration = Duration::from_millis(500);
const RELEASE_TIMEOUT: Duration = Duration::from_secs(60);

/// Whether the lease was free.
#[derive(Debug)]
pub enum LeaseOutcome {
    /// This instance has it.
    Acquired(Lease),
    /// Another instance has it, and no other gets it for this long at least.
    HeldElsewhere(Duration),
}

/// Extended until it is released. If it is dropped without that, it ends by itself within `redis.lease`.
pub struct Lease {
    open: Arc<Open>,
    id: AvatarId,
    owner: String,
    _extending: DropGuard,
}

impl Redis {
    /// Asks for the right to refresh an avatar.
    ///
    /// # Errors
    /// Redis is away, too slow for the budget, or refuses: the caller goes on alone.
    pub async fn lease(&self, id: &AvatarId, budget: &mut Budget) -> Result<LeaseOutcome, Unavailable> {
        let open = self.open.as_ref().ok_or(Unavailable)?;
        let key = open.keys.of(id).lease;
        let owner = hex::encode(<[u8; 16]>::try_generate().map_err(|_| Unavailable)?);
        let mut pipe = redis::pipe();
        pipe.cmd("SET").arg(&key).arg(&owner).arg("NX").arg("PX").arg(millis(open.lease));
        pipe.cmd("PTTL").arg(&key);
        // A request whose answer was lost may have been sent again: then the lease is ours already.
        pipe.cmd("GETRANGE").arg(&key).arg(0).arg(owner.len());
        // Without a connection, or without time, nothing is sent, and there is nothing to release.
        open.supervisor.connection()?;
        if budget.left().is_zero() {
            return Err(Unavailable);
        }
        let (taken, left, holder): (Option<String>, i64, Vec<u8>) =
            match open.pipe(&pipe, Access::Any, budget).await {
                Ok(answer) => answer,
                Err(Unavailable) => {
                    open.background.spawn(open.clone().release_later(id.clone(), owner));
                    return Err(Unavailable);
                }
            };
        if taken.is_none() && holder != owner.as_bytes() {
            // -2: it has just ended. -1: it never ends, so no instance of ours made it.
            let left = match left {
                -1 => open.lease,
                left => Duration::from_millis(u64::try_from(left).unwrap_or(1).max(1)),
            };
            return Ok(LeaseOutcome::HeldElsewhere(left));
        }
        let stop = CancellationToken::new();
        open.background.spawn(open.clone().extend(key, owner.clone(), stop.clone()));
        Ok(LeaseOutcome::Acquired(Lease {
            open: open.clone(),
            id: id.clone(),
            owner,
            _extending: stop.drop_guard(),
        }))
    }

    /// Waits for messages about an avatar from now on; `None` without Redis.
    pub fn watch(&self, id: &AvatarId) -> Option<Watch<'_>> {
        self.open.as_ref().map(|open| open.invalidations.watch(id))
    }

    /// Stores what a refresh brought, tells the others, and releases the lease.
    pub async fn publish(&self, held: Option<&Held>, lease: Option<Lease>) {
        let Some(open) = &self.open else { return };
        let mut budget = self.unhurried();
        let put = match held {
            Some(held) => Some((held, self.put(held, &mut budget).await)),
            None => None,
        };
        let kept = match put {
            Some((held, Ok(Put::Stored))) => Some(Message::Refreshed {
                id: held.id.to_string(),
                etag: held.entry.picture().map(|picture| picture.etag.as_str().to_owned()),
                trouble_at: held.entry.trouble.as_ref().map(|trouble| trouble.at),
            }),
            // Another instance knows more: the next view asks Redis.
            Some((held, Ok(Put::Older | Put::Purged))) => {
                held.trust(0);
                None
            }
            Some((_, Err(Unavailable))) | None => None,
        };
        let freed = lease.as_ref().map(|lease| Message::LeaseReleased { id: lease.id.to_string() });
        // An instance that waits takes the result or the lease, so both must be there when the message arrives.
        if let Some(lease) = lease {
            lease.release().await;
        }
        if let Some(message) = kept.or(freed) {
            let _ = open.send(Recipient::All, message, &mut budget).await;
        }
    }
}

impl Lease {
    /// Releases it, unless another instance has it already.
    async fn release(self) {
        let mut script = scripts::RELEASE.prepare_invoke();
        script.key(self.open.keys.of(&self.id).lease).arg(&self.owner);
        let freed = self.open.script::<i64>(&script, Access::Any, &mut self.open.unhurried()).await;
        if freed.is_err() {
            self.open.background.spawn(self.open.clone().release_later(self.id, self.owner));
        }
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the lease of {}", self.id)
    }
}

impl Open {
    /// Releases a lease whose request was not answered. The request may arrive as soon as Redis reads again, and no instance
    /// could refresh the avatar for `redis.lease` then.
    async fn release_later(self: Arc<Self>, id: AvatarId, owner: String) {
        let (mut connection_id, key) = (self.supervisor.connection_id(), self.keys.of(&id).lease);
        let free = async {
            for _ in 0..RELEASE_TRIES {
                let _ = connection_id.wait_for(|id| *id != 0).await;
                let mut script = scripts::RELEASE.prepare_invoke();
                script.key(&key).arg(&owner);
                // Not there: never taken, or not yet, since the request went by another connection.
                if self.script::<i64>(&script, Access::Any, &mut self.unhurried()).await == Ok(1) {
                    let freed = Message::LeaseReleased { id: id.to_string() };
                    let _ = self.send(Recipient::All, freed, &mut self.unhurried()).await;
                    return;
                }
                tokio::time::sleep(RELEASE_RETRY).await;
            }
        };
        tokio::select! {
            () = self.closed.cancelled() => {}
            _ = tokio::time::timeout(RELEASE_TIMEOUT, free) => {}
        }
    }

    /// Keeps a lease alive until it is stopped: a slow download may last longer than `redis.lease`.
    async fn extend(self: Arc<Self>, key: String, owner: String, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.lease / 3) => {}
            }
            let mut script = scripts::EXTEND.prepare_invoke();
            script.key(&key).arg(&owner).arg(millis(self.lease));
            // Lost to another instance, which refreshes the same avatar now. The stores keep what was verified later.
            if self.script::<i64>(&script, Access::Any, &mut self.unhurried()).await == Ok(0) {
                return;
            }
        }
    }
}
