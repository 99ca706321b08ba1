//! Listening: the tasks that keep the connection, the subscription and this instance's registration.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::Msg;

use super::Event;
use super::message::{Envelope, Message, Recipient};
use crate::clock::monotonic;
use crate::model::Generation;
use crate::store::purge_log::Subject;
use crate::store::redis::data::scripts;
use crate::store::redis::supervisor::Access;
use crate::store::redis::{Open, Unavailable};

/// Between two signs of life.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// A subscription on which this instance does not hear itself for so long is broken.
const SILENCE: Duration = Duration::from_secs(3);
/// An instance that is silent for so long counts as gone, in milliseconds.
const GONE_AFTER: u64 = 5000;
/// To subscribe, and before it is tried again.
const SUBSCRIBE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(100);

impl Open {
    /// Runs until [`Open::leave`].
    pub(crate) async fn listen(self: Arc<Self>) {
        tokio::select! {
            () = self.closed.cancelled() => {}
            () = self.supervisor.run() => {}
            () = self.hear() => {}
            () = self.beat() => {}
            () = self.restore() => {}
        }
        self.invalidations.left();
    }

    /// Takes this instance out of the register and ends its tasks.
    pub(crate) async fn leave(&self) {
        // First of all: a beat in between would register once more.
        self.closed.cancel();
        let mut pipe = redis::pipe();
        pipe.cmd("ZREM").arg(self.keys.instances()).arg(&self.instance).ignore();
        let _: Result<(), Unavailable> = self.pipe(&pipe, Access::Any, &mut self.unhurried()).await;
    }

    /// Registers, and lets this instance hear itself.
    async fn beat(&self) {
        loop {
            // Whether it hears itself is another question than whether it can register.
            let registered = self.register().await;
            let _ =
                self.tell(Recipient::One(&self.instance), Message::Heartbeat, &mut self.unhurried()).await;
            if registered.is_ok() {
                let _ = self.look_for_loss().await;
                // An order can fail while the connection stands: Redis was slow, or a slot was moving.
                if self.invalidations.is_subscribed() {
                    self.repeat_orders().await;
                }
            }
            tokio::time::sleep(BEAT_EVERY).await;
        }
    }

    async fn register(&self) -> Result<(), Unavailable> {
        let mut script = scripts::REGISTER.prepare_invoke();
        script.key(self.keys.instances()).arg(&self.instance).arg(GONE_AFTER);
        self.script::<i64>(&script, Access::Any, &mut self.unhurried()).await.map(|_| ())
    }

    /// Subscribes again and again, for each connection that the supervisor makes.
    async fn hear(&self) {
        let (mut line, mut pause) = (self.supervisor.connection_id(), AGAIN);
        loop {
            let Ok(number) = line.wait_for(|line| *line != 0).await.map(|line| *line) else { return };
            let over = async {
                // Another connection, or none: the subscription beside it leads to the same place.
                let _ = line.wait_for(|line| *line != number).await;
            };
            tokio::select! {
                () = over => {}
                broken = self.subscription() => {
                    self.subscribed.note(Err::<(), _>(broken));
                }
            }
            pause = if self.invalidations.is_subscribed() { AGAIN } else { (pause * 2).min(SUBSCRIBE) };
            self.invalidations.left();
            tokio::time::sleep(pause).await;
        }
    }

    /// Subscribes, catches up with what was missed, and hears; returns why that ended.
    async fn subscription(&self) -> String {
        let channels = [self.keys.news(), self.keys.inbox(&self.instance)];
        let Ok(connection) = self.supervisor.connection() else { return Unavailable.to_string() };
        let subscribed = self.supervisor.server().subscribe(&connection, &channels, SUBSCRIBE).await;
        let mut messages = match subscribed {
            Ok(subscribed) => subscribed.into_on_message(),
            Err(error) => return error.to_string(),
        };
        // From here on nothing is missed: what came before is asked for now, what comes waits in the stream.
        if self.catch_up().await.is_err() {
            return "what was missed could not be asked for".to_owned();
        }
        self.subscribed.note(Ok::<(), &str>(()));
        self.invalidations.joined();
        // What was not put back since it could not be.
        self.missing.notify_one();
        let mut heard_itself = monotonic();
        loop {
            match tokio::time::timeout_at(heard_itself + SILENCE, messages.next()).await {
                Ok(Some(message)) if self.take(&message) => heard_itself = monotonic(),
                Ok(Some(_)) => {}
                Ok(None) => return "the connection has ended".to_owned(),
                Err(_) => return format!("this instance has not heard itself for {SILENCE:?}"),
            }
        }
    }

    /// Takes a message; true for this instance's own sign of life.
    fn take(&self, message: &Msg) -> bool {
        match Envelope::open(&self.sealer, message.get_channel_name(), message.get_payload_bytes()) {
            Some(Envelope { from, message: Message::Heartbeat }) => from == self.instance,
            Some(Envelope { from, message }) if from != self.instance => {
                match &message {
                    Message::TombstonesMissing { since } => self.put_back_since(*since),
                    Message::Purge(order) => self.purge_log.learn(order.generation()),
                    _ => {}
                }
                self.invalidations.hear(from, message);
                false
            }
            Some(_) => false,
            None => {
                self.count_rejected();
                false
            }
        }
    }

    /// What this instance may have missed: purges of whole providers, pauses, its own purges of a time without Redis. The
    /// purges of avatars are looked at one by one, by the service, as soon as the subscription stands.
    async fn catch_up(&self) -> Result<(), Unavailable> {
        let known = self.purge_log.current();
        self.look_for_loss().await?;
        // A Redis that is full forgets one or another. Whoever has never known of any has nothing that could be meant.
        if known > Generation::default() {
            let missing = Message::TombstonesMissing { since: known.0 };
            self.tell(Recipient::All, missing, &mut self.unhurried()).await?;
        }
        self.purge_log.record(&Subject::All, self.purged_of(None).await?);
        for provider in self.purge_log.providers() {
            self.purge_log.record(&Subject::Provider(provider), self.purged_of(Some(provider)).await?);
            if let Some(until) = self.pause(provider, &mut self.unhurried()).await? {
                let message = Message::Pause { provider: provider.to_string(), until };
                self.invalidations.send_blocking(Event::Heard { from: self.instance.clone(), message }).await;
            }
        }
        self.repeat_orders().await;
        self.register().await
    }

    async fn repeat_orders(&self) {
        for (reach, hard) in self.pending.take() {
            self.invalidations.send_blocking(Event::Unheard(reach, hard)).await;
        }
    }
}
