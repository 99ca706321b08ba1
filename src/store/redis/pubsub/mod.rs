//! [`Invalidations`]: whether this instance may serve what is in its memory without asking Redis.
//!
//! It may while its subscription stands: it hears of every purge then. A purge that it did not hear of would be undone by
//! it otherwise. Each time the subscription begins or breaks the *epoch* rises. An entry that was trusted in an earlier
//! epoch is compared with Redis before it is served.

pub(super) mod message;
mod subscriber;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};

use crate::model::AvatarId;
use crate::store::StoredPurge;
use message::Message;

/// Events that may wait for the service. One more is a gap.
pub(crate) const EVENTS: usize = 1024;
/// Avatars share so many counters of messages.
const SLOTS: usize = 4096;

/// What the service must act upon.
#[derive(Debug)]
pub enum RedisEvent {
    /// A message of another instance, or a pause that this one found in Redis.
    Message {
        /// The sender.
        from: String,
        /// What it sent.
        message: Message,
    },
    /// Redis has these purges of this instance now, which it could not publish before.
    Published(Vec<StoredPurge>),
}

/// How far the messages about an avatar were: `Invalidations::since` finds by it whether another arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    epoch: u64,
    messages: u64,
}

/// Waits for the end of another instance's refresh.
#[derive(Debug)]
pub struct Watch<'a> {
    invalidations: &'a Invalidations,
    id: AvatarId,
    refreshed: watch::Receiver<()>,
}

#[derive(Debug)]
pub(crate) struct Invalidations {
    /// Odd while the subscription stands.
    epoch: AtomicU64,
    /// Messages about the avatars of each slot.
    messages: Vec<AtomicU64>,
    hasher: RandomState,
    // Mutexes that block: held for a map operation, never across an await; a hit in memory takes neither.
    watches: Mutex<HashMap<AvatarId, watch::Sender<()>>>,
    acks: Mutex<HashMap<u64, mpsc::Sender<String>>>,
    events: mpsc::Sender<RedisEvent>,
    first: Notify,
    gaps: Notify,
}

impl Invalidations {
    pub(crate) fn new(events: mpsc::Sender<RedisEvent>) -> Self {
        Self {
            epoch: AtomicU64::new(2),
            messages: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            watches: Mutex::default(),
            acks: Mutex::default(),
            events,
            first: Notify::new(),
            gaps: Notify::new(),
        }
    }

    pub(crate) fn subscription_epoch(&self) -> &AtomicU64 {
        &self.epoch
    }

    /// The subscription begins. A caller that waits for a message may have missed it.
    pub(crate) fn joined(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.first.notify_one();
        self.gaps.notify_one();
        self.wake_all();
    }

    /// Returns when the subscription begins for the first time. For one caller.
    pub(crate) async fn first_joined(&self) {
        self.first.notified().await;
    }

    /// The subscription has broken. A caller that waits for a message would wait in vain.
    pub(crate) fn left(&self) {
        if self.is_subscribed() {
            self.epoch.fetch_add(1, Ordering::SeqCst);
            self.wake_all();
        }
    }

    pub(crate) fn is_subscribed(&self) -> bool {
        self.epoch.load(Ordering::SeqCst) % 2 == 1
    }

    /// Something was missed, or may have been: nothing is trusted until it was compared with Redis.
    pub(crate) fn gap(&self) {
        self.distrust_all();
        self.gaps.notify_one();
    }

    /// Returns after a gap. For one caller.
    pub(crate) async fn next_gap(&self) {
        self.gaps.notified().await;
    }

    pub(crate) fn position(&self, id: &AvatarId) -> Position {
        Position { epoch: self.epoch.load(Ordering::SeqCst), messages: self.slot(id).load(Ordering::SeqCst) }
    }

    /// The epoch in which something may be trusted that was read after `position`; `None` if it may be old already.
    pub(crate) fn since(&self, id: &AvatarId, position: Position) -> Option<u64> {
        (position == self.position(id) && self.is_subscribed()).then_some(position.epoch)
    }

    /// Waits for messages about one avatar from now on.
    pub(crate) fn watch(&self, id: &AvatarId) -> Watch<'_> {
        let mut watches = self.watches.lock();
        let refreshed = watches.entry(id.clone()).or_insert_with(|| watch::Sender::new(())).subscribe();
        Watch { invalidations: self, id: id.clone(), refreshed }
    }

    /// Where the names of instances arrive that have carried a purge out, until the receiver is dropped.
    pub(crate) fn expect_acks(&self, number: u64, max: usize) -> mpsc::Receiver<String> {
        let (sender, receiver) = mpsc::channel(max.max(1));
        let mut acks = self.acks.lock();
        acks.retain(|_, sender| !sender.is_closed());
        acks.insert(number, sender);
        receiver
    }

    /// Takes a message of another instance in.
    pub(crate) fn receive(&self, from: String, message: Message) {
        match &message {
            Message::Heartbeat | Message::TombstonesMissing { .. } => return,
            Message::Done { number } => {
                if let Some(acks) = self.acks.lock().get(number) {
                    // The purge may have stopped waiting.
                    let _ = acks.try_send(from);
                }
                return;
            }
            Message::LeaseReleased { id } => return self.refreshed(id),
            Message::TombstonesRestored => return self.gap(),
            Message::Refreshed { id, .. } => self.refreshed(id),
            Message::Purge(command) => {
                command.scope.avatars().iter().for_each(|id| self.changed(id));
                if command.scope.is_wide() {
                    self.distrust_all();
                }
            }
            Message::Pause { .. } => {}
        }
        self.send(RedisEvent::Message { from, message });
    }

    /// Waits until the service can take the event, for what must not be missed twice.
    pub(crate) async fn send_blocking(&self, event: RedisEvent) {
        // A service without a receiver has ended.
        let _ = self.events.send(event).await;
    }

    fn send(&self, event: RedisEvent) {
        if self.events.try_send(event).is_err() && self.is_subscribed() {
            tracing::warn!(
                "messages of other instances arrive faster than they can be acted upon: every entry is checked again"
            );
            self.gap();
        }
    }

    fn distrust_all(&self) {
        // An even step keeps whether the subscription stands.
        self.epoch.fetch_add(2, Ordering::SeqCst);
    }

    fn wake_all(&self) {
        self.watches.lock().values().for_each(|watch| watch.send_replace(()));
    }

    fn refreshed(&self, id: &str) {
        if let Ok(id) = AvatarId::parse(id) {
            self.changed(&id);
        }
    }

    fn changed(&self, id: &AvatarId) {
        self.slot(id).fetch_add(1, Ordering::SeqCst);
        if let Some(watch) = self.watches.lock().get(id) {
            watch.send_replace(());
        }
    }

    fn slot(&self, id: &AvatarId) -> &AtomicU64 {
        &self.messages[self.hasher.hash_one(id) as usize % SLOTS]
    }
}

impl Watch<'_> {
    /// Returns when another instance's refresh of this avatar has ended since the last call, or the subscription broke.
    pub async fn refreshed(&mut self) {
        // The sender stays in the map as long as this watch exists.
        let _ = self.refreshed.changed().await;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut watches = self.invalidations.watches.lock();
        if watches.get(&self.id).is_some_and(|sender| sender.receiver_count() <= 1) {
            watches.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalidations() -> (Invalidations, mpsc::Receiver<RedisEvent>) {
        let (events, receiver) = mpsc::channel(2);
        (Invalidations::new(events), receiver)
    }

    fn id(text: &str) -> AvatarId {
        AvatarId::parse(text).unwrap()
    }

    fn refreshed(id: &str) -> Message {
        Message::Refreshed { id: id.to_owned(), etag: None, trouble_at: None }
    }

    #[tokio::test]
    async fn nothing_is_trusted_before_the_subscription_begins_and_after_it_broke() {
        let (invalidations, _events) = invalidations();
        let trusted = || invalidations.since(&id("a"), invalidations.position(&id("a")));
        assert_eq!(trusted(), None);
        invalidations.joined();
        let first = trusted().unwrap();
        invalidations.left();
        invalidations.left();
        assert_eq!(trusted(), None);
        invalidations.joined();
        assert_ne!(trusted(), Some(first));
    }

    #[tokio::test]
    async fn an_entry_that_was_read_before_a_message_about_it_is_not_trusted() {
        let (invalidations, _events) = invalidations();
        invalidations.joined();
        let position = invalidations.position(&id("a"));
        invalidations.receive("b".into(), refreshed("a"));
        assert_eq!(invalidations.since(&id("a"), position), None);
    }

    #[tokio::test]
    async fn a_watch_is_woken_and_leaves_nothing_behind() {
        let (invalidations, _events) = invalidations();
        let mut watch = invalidations.watch(&id("a"));
        invalidations.receive("b".into(), refreshed("a"));
        watch.refreshed().await;
        drop(watch);
        assert!(invalidations.watches.lock().is_empty());
    }

    #[tokio::test]
    async fn messages_that_the_service_cannot_take_are_a_gap() {
        let (invalidations, _events) = invalidations();
        invalidations.joined();
        let before = invalidations.epoch.load(Ordering::SeqCst);
        for _ in 0..4 {
            invalidations.receive("b".into(), refreshed("a"));
        }
        assert!(invalidations.is_subscribed() && invalidations.epoch.load(Ordering::SeqCst) > before);
    }
}
