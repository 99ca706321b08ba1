//! The subscription to what other instances publish: purges are carried out, cooldowns taken over, and a picture that
//! another instance has changed is not trusted any more.
//!
//! [`Purger::resync`] carries out purges that this instance missed, by comparing everything it holds with the tombstones in
//! Redis. That takes a while, as does the purge of a provider, so both run beside the rest, one after the other: a soft
//! purge that ran before an earlier deletion was carried out would keep bytes that must go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Purger;
use crate::model::{Provider, PurgeKind};
use crate::store::{Message, PurgeCommand, RedisEvent, Unavailable};

/// Purges that wait while another is carried out; beyond it everything is resynchronised.
const WAITING_PURGES: usize = 64;
/// Before a resynchronisation that failed is tried again.
const RESYNC_RETRY: Duration = Duration::from_secs(1);

/// A purge command and the instance that published it.
type Received = (String, PurgeCommand);

impl Purger {
    /// Acts upon events until the last sender is gone.
    pub async fn subscribe(self: Arc<Self>, events: mpsc::Receiver<RedisEvent>) {
        let (purges, waiting) = mpsc::channel(WAITING_PURGES);
        tokio::join!(self.receive(events, purges), self.carry_out(waiting));
    }

    async fn receive(&self, mut events: mpsc::Receiver<RedisEvent>, purges: mpsc::Sender<Received>) {
        while let Some(event) = events.recv().await {
            match event {
                RedisEvent::Message { from, message } => self.on_message(from, message, &purges).await,
                RedisEvent::Published(purges) => self.tiers.record_published(purges).await,
            }
        }
    }

    async fn on_message(&self, from: String, message: Message, purges: &mpsc::Sender<Received>) {
        match message {
            Message::Refreshed { id, etag, trouble_at } => {
                self.tiers.distrust_if_changed(&id, etag.as_deref(), trouble_at);
            }
            // A deletion of named avatars takes all of each, so it may overtake.
            Message::Purge(order) if order.kind.deletes() && !order.scope.is_wide() => {
                self.obey(&from, &order).await;
            }
            Message::Purge(order) => {
                // Refuses what is under way from now on.
                self.tiers.note(&order);
                if purges.try_send((from, order)).is_err() {
                    self.tiers.lose_messages();
                }
            }
            Message::Pause { provider, until } => {
                if let Some(provider) = Provider::from_name(&provider) {
                    self.tiers.adopt_cooldown(provider, until, self.clock.now()).await;
                }
            }
            Message::LeaseReleased { .. }
            | Message::Done { .. }
            | Message::TombstonesMissing { .. }
            | Message::TombstonesRestored
            | Message::Heartbeat => {}
        }
    }

    /// Carries out the purges that take a while; missed ones come before those that wait.
    async fn carry_out(&self, mut purges: mpsc::Receiver<Received>) {
        loop {
            tokio::select! {
                biased;
                () = self.tiers.may_have_missed_purges() => {
                    while self.resync().await.is_err() && self.tiers.are_subscribed() {
                        tokio::time::sleep(RESYNC_RETRY).await;
                    }
                }
                purge = purges.recv() => match purge {
                    Some((from, order)) => self.obey(&from, &order).await,
                    None => return,
                },
            }
        }
    }

    /// Carries out another instance's purge and acknowledges it.
    async fn obey(&self, from: &str, order: &PurgeCommand) {
        if order.kind == PurgeKind::Disconnect {
            self.emit_deleted_by(order).await;
        }
        let mut found = BTreeSet::new();
        let is_done = self.apply(order, &mut found, self.clock.now()).await;
        self.tiers.record(order, true).await;
        tracing::info!(
            from,
            scope = ?order.scope,
            kind = ?order.kind,
            avatars = found.len(),
            "carried out a purge of another instance"
        );
        if is_done {
            self.tiers.acknowledge(from, order).await;
        }
    }

    /// Compares everything that this instance holds with the tombstones in Redis.
    async fn resync(&self) -> Result<(), Unavailable> {
        let now = self.clock.now();
        self.tiers.republish_cooldowns(now).await;
        // The subscription has asked for the configured providers already; entries may be of others, too.
        let mut asked = self.tiers.known_providers();
        let mut pages = self.tiers.scan();
        while let Some(page) = pages.next().await {
            self.tiers.learn_purges(&page, &mut asked).await?;
            let mut missed = BTreeSet::new();
            self.enforce(&page, &mut missed, now).await;
            for id in missed {
                tracing::info!(connection = %id, "carried out a purge that this instance had missed");
            }
        }
        Ok(())
    }
}
