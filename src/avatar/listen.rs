//! What the other instances tell is acted upon: purges are carried out, pauses kept, and a picture that another instance
//! has changed is not trusted any more.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::service::Service;
use crate::model::{Provider, Timestamp};
use crate::store::{Event, News};

impl Service {
    /// Acts upon events until there can be no more.
    pub async fn listen(self: Arc<Self>, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Heard { from, news } => self.heard(&from, news).await,
                Event::Missed(order) => {
                    self.carry_out(&order, &mut BTreeSet::new()).await;
                }
                Event::Unheard(reach, hard) => {
                    tracing::debug!(
                        ?reach,
                        hard,
                        "a purge of the time without Redis is told to the other instances"
                    );
                    let service = self.clone();
                    self.parts.tracker.spawn(async move { _ = service.purge(reach, hard).await });
                }
            }
        }
    }

    async fn heard(&self, from: &str, news: News) {
        match news {
            News::Landed { id, etag, trouble_at } => self.compare_landed(&id, etag.as_deref(), trouble_at),
            News::Purge(order) => {
                let mut found = BTreeSet::new();
                let done = self.carry_out(&order, &mut found).await;
                tracing::info!(from, reach = ?order.reach, hard = order.hard, avatars = found.len(), "purged by another instance");
                if done {
                    self.parts.redis.acknowledge(from, &order).await;
                }
            }
            News::Pause { provider, until } => {
                if let Some(provider) = Provider::from_name(&provider) {
                    self.pauses.set(provider, until);
                    self.parts.disk.put_pause(provider, until).await;
                }
            }
            News::Free { .. } | News::Done { .. } | News::Beat => {}
        }
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
