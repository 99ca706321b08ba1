//! The tasks that keep this instance among the others: its connection, its subscription and its registration.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::Msg;

use super::RedisEvent;
use super::message::{Envelope, Message, Recipient};
use crate::clock::monotonic;
use crate::model::{Backoff, Generation, PurgeScope};
use crate::store::redis::data::scripts;
use crate::store::redis::supervisor::Access;
use crate::store::redis::{Open, Unavailable};

/// Between two heartbeats.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// A subscription on which this instance does not hear itself for this long is broken.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);
/// Without a heartbeat an instance is registered for this long, in milliseconds.
const REGISTERED_FOR: u64 = 5000;
/// To subscribe.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Before the next attempt to subscribe.
const SUBSCRIBE_BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), SUBSCRIBE_TIMEOUT);

impl Open {
    /// Runs until [`Open::leave`].
    pub(crate) async fn listen(self: Arc<Self>) {
        tokio::select! {
            () = self.closed.cancelled() => {}
            () = self.supervisor.run() => {}
            () = self.keep_subscribed() => {}
            () = self.keep_registered() => {}
            () = self.keep_repaired() => {}
        }
        self.invalidations.left();
    }

    /// Takes this instance out of the register and ends its tasks.
    pub(crate) async fn leave(&self) {
        // First of all: a heartbeat in between would register it once more.
        self.closed.cancel();
        let mut pipe = redis::pipe();
        pipe.cmd("ZREM").arg(self.keys.instances()).arg(&self.instance).ignore();
        let _: Result<(), Unavailable> = self.pipe(&pipe, Access::Any, &mut self.unhurried()).await;
    }

    /// Registers this instance, sends it a heartbeat, and looks whether Redis has lost anything.
    async fn keep_registered(&self) {
        loop {
            // Whether it hears itself is another question than whether it can register.
            let registered = self.register().await;
            let own = Recipient::One(&self.instance);
            let _ = self.send(own, Message::Heartbeat, &mut self.unhurried()).await;
            if registered.is_ok() {
                let _ = self.look_for_loss().await;
                // A repair can fail while the connection stands: Redis was slow, or a slot was moving.
                if self.invalidations.is_subscribed() {
                    self.backlog.try_again();
                }
            }
            tokio::time::sleep(HEARTBEAT_INTERVAL).await;
        }
    }

    async fn register(&self) -> Result<(), Unavailable> {
        let mut script = scripts::REGISTER.prepare_invoke();
        script.key(self.keys.instances()).arg(&self.instance).arg(REGISTERED_FOR);
        self.script::<i64>(&script, Access::Any, &mut self.unhurried()).await.map(|_| ())
    }

    /// Subscribes again and again, for each connection that the supervisor makes.
    async fn keep_subscribed(&self) {
        let (mut connection_id, mut backoff) = (self.supervisor.connection_id(), SUBSCRIBE_BACKOFF);
        loop {
            let Ok(id) = connection_id.wait_for(|id| *id != 0).await.map(|id| *id) else { return };
            let replaced = async {
                // By another connection, or by none: the subscription beside it leads to the same server.
                let _ = connection_id.wait_for(|now| *now != id).await;
            };
            tokio::select! {
                () = replaced => {}
                broken = self.subscription() => {
                    self.subscribed.note(Err::<(), _>(broken));
                }
            }
            if self.invalidations.is_subscribed() {
                backoff.reset();
            }
            backoff.fail();
            self.invalidations.left();
            tokio::time::sleep(backoff.pause(0)).await;
        }
    }

    /// Subscribes, catches up with what it missed, and receives. Returns why that ended.
    async fn subscription(&self) -> String {
        let channels = [self.keys.news(), self.keys.inbox(&self.instance)];
        let Ok(connection) = self.supervisor.connection() else { return Unavailable.to_string() };
        let subscribed = self.supervisor.server().subscribe(&connection, &channels, SUBSCRIBE_TIMEOUT).await;
        let mut messages = match subscribed {
            Ok(subscribed) => subscribed.into_on_message(),
            Err(error) => return error.to_string(),
        };
        // From here on nothing is missed: this asks for what came before, and what comes waits in the stream.
        if self.catch_up().await.is_err() {
            return "what was missed could not be asked for".to_owned();
        }
        self.subscribed.note(Ok::<(), &str>(()));
        self.invalidations.joined();
        self.backlog.try_again();
        let mut heard_itself = monotonic();
        loop {
            match tokio::time::timeout_at(heard_itself + HEARTBEAT_TIMEOUT, messages.next()).await {
                Ok(Some(message)) if self.take(&message) => heard_itself = monotonic(),
                Ok(Some(_)) => {}
                Ok(None) => return "the connection has ended".to_owned(),
                Err(_) => return format!("this instance has not heard itself for {HEARTBEAT_TIMEOUT:?}"),
            }
        }
    }

    /// Takes a message in. True for this instance's own heartbeat.
    fn take(&self, message: &Msg) -> bool {
        match Envelope::open(&self.sealer, message.get_channel_name(), message.get_payload_bytes()) {
            Some(Envelope { from, message: Message::Heartbeat }) => from == self.instance,
            Some(Envelope { from, message }) if from != self.instance => {
                match &message {
                    Message::TombstonesMissing { since } => self.backlog.lost_since(Generation(*since)),
                    Message::Purge(command) => self.purge_log.learn(command.generation),
                    _ => {}
                }
                self.invalidations.receive(from, message);
                false
            }
            Some(_) => false,
            None => {
                self.count_rejected();
                false
            }
        }
    }

    /// Asks for what this instance may have missed: purges of whole providers, and pauses. The service asks for the purges
    /// of avatars, one by one, as soon as the subscription stands.
    async fn catch_up(&self) -> Result<(), Unavailable> {
        let known = self.purge_log.current();
        self.look_for_loss().await?;
        // A full Redis evicts tombstones. An instance that has never known of a purge stores nothing that one could be of.
        if known > Generation::default() {
            let missing = Message::TombstonesMissing { since: known.0 };
            self.send(Recipient::All, missing, &mut self.unhurried()).await?;
        }
        self.purge_log.record(&PurgeScope::All, self.wide_purges(None).await?);
        for provider in self.purge_log.providers() {
            self.purge_log.record(&PurgeScope::Provider(provider), self.wide_purges(Some(provider)).await?);
            if let Some(until) = self.pause(provider, &mut self.unhurried()).await? {
                let message = Message::Pause { provider: provider.to_string(), until };
                let event = RedisEvent::Message { from: self.instance.clone(), message };
                self.invalidations.send_blocking(event).await;
            }
        }
        self.register().await
    }
}
