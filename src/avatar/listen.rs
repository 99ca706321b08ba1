//! What the other instances tell is acted upon: purges are carried out, pauses kept, and a picture that another instance
//! has changed is not trusted any more.
//!
//! Purges that were missed are made good by looking at all that is kept ([`Service::make_good`]). That takes a while, as
//! does the purge of a provider, so both are done beside the rest, one after the other: a soft purge that came before an
//! earlier deletion was made good would keep bytes that are to go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::service::Service;
use crate::model::{AvatarId, Provider, PurgeKind, PurgeScope, Timestamp};
use crate::store::{Message, PurgeCommand, RedisEvent, Unavailable};

/// Orders that wait while another is carried out; beyond it all that is kept is looked at.
const ORDERS: usize = 64;
/// Before a look that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// An order, and who gave it.
type Given = (String, PurgeCommand);

impl Service {
    /// Acts upon events until there can be no more.
    pub async fn listen(self: Arc<Self>, events: mpsc::Receiver<RedisEvent>) {
        let (orders, waiting) = mpsc::channel(ORDERS);
        tokio::join!(self.hear(events, orders), self.work(waiting));
    }

    async fn hear(&self, mut events: mpsc::Receiver<RedisEvent>, orders: mpsc::Sender<Given>) {
        while let Some(event) = events.recv().await {
            match event {
                RedisEvent::Message { from, message } => self.heard(from, message, &orders).await,
                RedisEvent::Published(purges) => self.parts.disk.put_purges(purges).await,
            }
        }
    }

    async fn heard(&self, from: String, message: Message, orders: &mpsc::Sender<Given>) {
        match message {
            Message::Refreshed { id, etag, trouble_at } => {
                self.compare_landed(&id, etag.as_deref(), trouble_at)
            }
            // A deletion of single avatars takes all of each, and may overtake.
            Message::Purge(order) if order.kind.deletes() && !order.scope.is_wide() => {
                self.obey(&from, &order).await;
            }
            Message::Purge(order) => {
                // What is under way is refused from now on.
                self.parts.purge_log.record(&order.scope, order.purges());
                if orders.try_send((from, order)).is_err() {
                    self.parts.redis.note_gap();
                }
            }
            Message::Pause { provider, until } => {
                let Some(provider) = Provider::from_name(&provider) else { return };
                if let Some(until) = self.pauses.set(provider, until, self.parts.clock.now()) {
                    self.parts.disk.put_pause(provider, until).await;
                }
            }
            Message::LeaseReleased { .. }
            | Message::Done { .. }
            | Message::TombstonesMissing { .. }
            | Message::TombstonesRestored
            | Message::Heartbeat => {}
        }
    }

    /// Carries orders out that take a while; before those that come behind it what was missed is made good.
    async fn work(&self, mut orders: mpsc::Receiver<Given>) {
        loop {
            tokio::select! {
                biased;
                () = self.parts.redis.next_gap() => {
                    while self.make_good().await.is_err() && self.parts.redis.is_subscribed() {
                        tokio::time::sleep(AGAIN).await;
                    }
                }
                order = orders.recv() => match order {
                    Some((from, order)) => self.obey(&from, &order).await,
                    None => return,
                },
            }
        }
    }

    async fn obey(&self, from: &str, order: &PurgeCommand) {
        if order.kind == PurgeKind::Disconnect {
            self.tell_gone_by(order).await;
        }
        let mut found = BTreeSet::new();
        let done = self.carry_out(order, &mut found).await;
        self.keep(order, true).await;
        tracing::info!(from, scope = ?order.scope, kind = ?order.kind, avatars = found.len(), "purged by another instance");
        if done {
            self.parts.redis.acknowledge(from, order).await;
        }
    }

    /// Holds all that this instance keeps against the purges that Redis remembers: it may not have heard of all. And the
    /// others may not have heard of the pauses that it met while Redis was away.
    async fn make_good(&self) -> Result<(), Unavailable> {
        for (provider, until) in self.pauses.all(self.parts.clock.now()) {
            self.parts.redis.put_pause(provider, until).await;
        }
        // Of those that are configured it has been asked already; what is kept may be of others, too.
        let mut asked = self.parts.purge_log.providers();
        let mut pages = self.all_kept();
        while let Some(page) = pages.next().await {
            for provider in page.iter().map(|kept| kept.provider) {
                if asked.insert(provider) {
                    let purged = self.parts.redis.purged_of(provider).await?;
                    self.parts.purge_log.record(&PurgeScope::Provider(provider), purged);
                }
            }
            let ids: Vec<AvatarId> = page.iter().map(|kept| kept.id.clone()).collect();
            let purged = self.parts.redis.purged(&ids).await?;
            for (id, purged) in ids.into_iter().zip(purged) {
                self.parts.purge_log.record(&PurgeScope::Avatars(vec![id]), purged);
            }
            let mut missed = BTreeSet::new();
            self.judge(&page, &mut missed).await;
            for id in missed {
                tracing::info!(connection = %id, "purged by another instance while this one was away");
            }
        }
        Ok(())
    }

    /// Two instances must not alternate between two pictures: what differs is held against Redis at its next view.
    fn compare_landed(&self, id: &str, etag: Option<&str>, trouble_at: Option<Timestamp>) {
        let Some(held) = self.parts.memory.get(id) else { return };
        let own = held.entry.picture().map(|picture| picture.etag.as_str());
        let own_trouble = held.entry.trouble.as_ref().map(|trouble| trouble.at);
        if own != etag || own_trouble != trouble_at {
            held.trust(0);
        }
    }
}
