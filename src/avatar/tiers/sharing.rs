//! What instances share beside entries: the lease of an avatar, results, cooldowns, walks, and whose turn the sweep is.

use std::time::Duration;

use super::{Slot, Tiers};
use crate::model::{AvatarId, Provider, Timestamp};
use crate::store::{Budget, Held, Lease, LeaseOutcome, Position, Unavailable, Watch};

impl Tiers {
    /// Asks for the lease of an avatar among all instances.
    pub(in crate::avatar) async fn lease(&self, id: &AvatarId, budget: &mut Budget) -> Slot {
        match self.parts.redis.lease(id, budget).await {
            Ok(LeaseOutcome::Acquired(lease)) => Slot::Ours(Some(lease)),
            Ok(LeaseOutcome::HeldElsewhere(left)) => Slot::Theirs(left),
            Err(Unavailable) => Slot::Ours(None),
        }
    }

    /// Waits for another instance's refresh from now on; `None` without Redis.
    pub(in crate::avatar) fn watch(&self, id: &AvatarId) -> Option<Watch<'_>> {
        self.parts.redis.watch(id)
    }

    /// Gives a refresh's result to the other instances and frees the lease.
    pub(in crate::avatar) async fn publish(&self, held: Option<&Held>, lease: Option<Lease>) {
        self.parts.redis.publish(held, lease).await;
    }

    /// Whether this instance sweeps, in this period, the entries that only Redis has.
    pub(in crate::avatar) async fn may_sweep_redis(&self, period: Duration) -> bool {
        self.parts.redis.may_sweep(period).await.unwrap_or(false)
    }

    /// When the last sweep began, as far as it was recorded.
    pub(in crate::avatar) async fn last_sweep(&self) -> Option<Timestamp> {
        self.parts.disk.last_sweep().await
    }

    /// Records when the last sweep began.
    pub(in crate::avatar) async fn record_sweep(&self, at: Timestamp) {
        self.parts.disk.put_last_sweep(at).await;
    }

    /// Records how far a walk over the directory is; `None` = there is none to continue.
    pub(in crate::avatar) async fn record_walk(&self, walk: Option<String>) {
        self.parts.disk.put_walk(walk).await;
    }

    /// How far a walk was when it was last recorded.
    pub(in crate::avatar) async fn recorded_walk(&self) -> Option<String> {
        self.parts.disk.walk().await
    }

    /// A position in the messages about an avatar, for [`Tiers::trust`].
    pub(in crate::avatar) fn position(&self, id: &AvatarId) -> Option<Position> {
        self.parts.redis.position(id)
    }

    /// Serves an entry from memory from now on, unless a message about it arrived since `position`.
    pub(in crate::avatar) fn trust(&self, held: &Held, position: Option<Position>) {
        self.parts.redis.trust(held, position);
    }

    /// Ends the trust in an entry of which another instance has published another version: its next view compares it with
    /// Redis, so that two instances do not alternate between two pictures.
    pub(in crate::avatar) fn distrust_if_changed(
        &self,
        id: &str,
        etag: Option<&str>,
        trouble_at: Option<Timestamp>,
    ) {
        let Some(held) = self.parts.memory.get(id) else { return };
        let own = held.entry.picture().map(|picture| picture.etag.as_str());
        let own_trouble = held.entry.trouble.as_ref().map(|trouble| trouble.at);
        if own != etag || own_trouble != trouble_at {
            held.trust(0);
        }
    }

    /// Messages of other instances were dropped: nothing is trusted until a resynchronisation.
    pub(in crate::avatar) fn lose_messages(&self) {
        self.parts.redis.note_gap();
    }

    /// Returns when this instance may have missed purges; for one caller.
    pub(in crate::avatar) async fn may_have_missed_purges(&self) {
        self.parts.redis.next_gap().await;
    }

    /// Whether this instance receives the messages of the others.
    pub(in crate::avatar) fn are_subscribed(&self) -> bool {
        self.parts.redis.is_subscribed()
    }

    /// The end of the pause of a provider's app, if it has not passed.
    pub(in crate::avatar) fn cooldown(&self, provider: Provider, now: Timestamp) -> Option<Timestamp> {
        self.cooldowns.until(provider, now)
    }

    /// Pauses a provider's app in every instance, over restarts.
    pub(in crate::avatar) async fn pause_app(&self, provider: Provider, until: Timestamp, now: Timestamp) {
        if let Some(until) = self.adopt_cooldown(provider, until, now).await {
            self.parts.redis.put_pause(provider, until).await;
        }
    }

    /// Pauses an app by the word of another instance. Returns the end that holds.
    pub(in crate::avatar) async fn adopt_cooldown(
        &self,
        provider: Provider,
        until: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let until = self.cooldowns.set(provider, until, now)?;
        self.parts.disk.put_pause(provider, until).await;
        Some(until)
    }

    /// Publishes every pause once more: the other instances may have missed those that began while Redis was away.
    pub(in crate::avatar) async fn republish_cooldowns(&self, now: Timestamp) {
        for (provider, until) in self.cooldowns.all(now) {
            self.parts.redis.put_pause(provider, until).await;
        }
    }
}
