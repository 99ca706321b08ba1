//! The pause of a provider's whole app, which all instances observe.

use super::data::clear_head::MAX_TOMBSTONE;
use super::pubsub::message::{Message, Recipient};
use super::supervisor::Access;
use super::{Budget, Open, Redis, Unavailable, millis};
use crate::model::{LONGEST_PAUSE, Provider, Timestamp};

impl Redis {
    /// Pauses a provider's app for every instance.
    pub async fn put_pause(&self, provider: Provider, until: Timestamp) {
        let Some(open) = &self.open else { return };
        let mut budget = self.unhurried();
        // A longer pause stays, unless a wrong clock set it.
        let known = open.pause(provider, &mut budget).await.ok().flatten();
        let known = known.filter(|known| known.is_ahead(LONGEST_PAUSE, open.clock.now()));
        if known.is_none_or(|known| known < until) {
            let (key, text) = (open.keys.pause(provider), until.as_millis().to_string());
            if let Some(sealed) = open.sealer.seal(&key, text.as_bytes()) {
                let mut pipe = redis::pipe();
                pipe.cmd("SET").arg(key).arg(sealed).arg("PX").arg(millis(until.since(open.clock.now())));
                let _: Result<(), Unavailable> = open.pipe(&pipe, Access::Any, &mut budget).await;
            }
        }
        let message = Message::Pause { provider: provider.to_string(), until };
        let _ = open.send(Recipient::All, message, &mut budget).await;
    }
}

impl Open {
    /// Until when a provider's whole app is paused, as Redis knows it.
    pub(super) async fn pause(
        &self,
        provider: Provider,
        budget: &mut Budget,
    ) -> Result<Option<Timestamp>, Unavailable> {
        let (mut pipe, key) = (redis::pipe(), self.keys.pause(provider));
        pipe.cmd("GETRANGE").arg(&key).arg(0).arg(MAX_TOMBSTONE);
        let (sealed,): (Vec<u8>,) = self.pipe(&pipe, Access::Any, budget).await?;
        let until =
            self.opened(&key, sealed).and_then(|plain| std::str::from_utf8(&plain).ok()?.parse().ok());
        Ok(until.map(Timestamp::from_millis))
    }
}
