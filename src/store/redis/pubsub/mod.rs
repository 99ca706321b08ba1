//! [`Invalidations`]: hears what the other instances tell, and knows whether anything may have been missed.
//!
//! An instance trusts what it holds in memory only while its subscription stands: a purge that it did not hear of would
//! be undone by it otherwise. Each time the subscription breaks or stands again the *epoch* rises, and what was trusted in
//! an earlier one must be held against Redis first.

pub(super) mod message;
mod subscriber;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, mpsc, watch};

use crate::model::AvatarId;

use message::{Message, Reach};

/// Events that may wait for the service; what does not fit is made good by a new epoch.
pub(crate) const EVENTS: usize = 1024;
/// Slots that avatars share for the question whether anything was heard of one.
const SLOTS: usize = 4096;

/// What the service must act upon.
#[derive(Debug)]
pub enum Event {
    /// Another instance tells this.
    Heard {
        /// Which instance.
        from: String,
        /// What.
        message: Message,
    },
    /// A purge of this instance that Redis did not hear of: to be ordered once more, hard or soft.
    Unheard(Reach, bool),
}

/// A moment, to tell later whether something was heard since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    epoch: u64,
    heard: u64,
}

/// Waits for the end of another instance's refresh.
#[derive(Debug)]
pub struct Watch<'a> {
    invalidations: &'a Invalidations,
    id: AvatarId,
    landed: watch::Receiver<()>,
}

#[derive(Debug)]
pub(crate) struct Invalidations {
    /// Odd while the subscription stands. 0 for ever without Redis.
    epoch: AtomicU64,
    heard: Vec<AtomicU64>,
    hasher: RandomState,
    // Plain mutexes: held for a map operation, never across an await; a hit in memory does not come here.
    waiting: Mutex<HashMap<AvatarId, watch::Sender<()>>>,
    answers: Mutex<HashMap<u64, mpsc::Sender<String>>>,
    events: mpsc::Sender<Event>,
    first: Notify,
    missed: Notify,
}

impl Invalidations {
    pub(crate) fn new(events: mpsc::Sender<Event>) -> Self {
        Self {
            epoch: AtomicU64::new(2),
            heard: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            waiting: Mutex::default(),
            answers: Mutex::default(),
            events,
            first: Notify::new(),
            missed: Notify::new(),
        }
    }

    pub(crate) fn subscription_epoch(&self) -> &AtomicU64 {
        &self.epoch
    }

    /// The subscription stands from now on. Whoever waits may have missed what he waits for.
    pub(crate) fn joined(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.first.notify_one();
        self.missed.notify_one();
        self.wake_all();
    }

    /// Returns when purges may have been missed; for one caller.
    pub(crate) async fn missed(&self) {
        self.missed.notified().await;
    }

    /// Something was missed, or may have been: nothing that is held is trusted until it was looked at.
    pub(crate) fn gap(&self) {
        // An even step: whether the subscription stands is not changed.
        self.epoch.fetch_add(2, Ordering::SeqCst);
        self.missed.notify_one();
    }

    /// Returns when the subscription stands for the first time; for one caller.
    pub(crate) async fn first_joined(&self) {
        self.first.notified().await;
    }

    /// It has broken. Whoever waits for news would wait in vain.
    pub(crate) fn left(&self) {
        if self.is_subscribed() {
            self.epoch.fetch_add(1, Ordering::SeqCst);
            self.wake_all();
        }
    }

    fn wake_all(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.values().for_each(|waiting| waiting.send_replace(()));
    }

    pub(crate) fn is_subscribed(&self) -> bool {
        self.epoch.load(Ordering::SeqCst) % 2 == 1
    }

    pub(crate) fn snapshot(&self, id: &AvatarId) -> Snapshot {
        Snapshot { epoch: self.epoch.load(Ordering::SeqCst), heard: self.slot(id).load(Ordering::SeqCst) }
    }

    /// The epoch in which something may be trusted that was read after `snapshot`; `None` if it may be old already.
    pub(crate) fn since(&self, id: &AvatarId, snapshot: Snapshot) -> Option<u64> {
        (snapshot == self.snapshot(id) && self.is_subscribed()).then_some(snapshot.epoch)
    }

    fn slot(&self, id: &AvatarId) -> &AtomicU64 {
        &self.heard[self.hasher.hash_one(id) as usize % SLOTS]
    }

    /// Waits for news of one avatar from now on.
    pub(crate) fn watch(&self, id: &AvatarId) -> Watch<'_> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let landed = waiting.entry(id.clone()).or_insert_with(|| watch::Sender::new(())).subscribe();
        Watch { invalidations: self, id: id.clone(), landed }
    }

    /// Where answers to an order arrive, as long as the receiver is kept.
    pub(crate) fn expect_answers(&self, number: u64, most: usize) -> mpsc::Receiver<String> {
        let (sender, receiver) = mpsc::channel(most.max(1));
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, sender| !sender.is_closed());
        answers.insert(number, sender);
        receiver
    }

    /// Takes a letter of another instance in.
    pub(crate) fn hear(&self, from: String, message: Message) {
        match &message {
            Message::Heartbeat => return,
            Message::Done { number } => {
                let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(answers) = answers.get(number) {
                    // Whoever does not wait any more needs no answer.
                    let _ = answers.try_send(from);
                }
                return;
            }
            Message::LeaseReleased { id } => {
                self.landed(id);
                return;
            }
            Message::Refreshed { id, .. } => self.landed(id),
            Message::Purge(order) => {
                order.reach.ids().iter().for_each(|id| self.landed(id.as_str()));
                if order.reach.is_wide() {
                    self.distrust_all();
                }
            }
            Message::TombstonesRestored => {
                self.gap();
                return;
            }
            Message::TombstonesMissing { .. } => return,
            Message::Pause { .. } => {}
        }
        self.tell(Event::Heard { from, message });
    }

    /// Tells the service as soon as it can take it: what was missed once must not be missed again.
    pub(crate) async fn send_blocking(&self, event: Event) {
        // A service that listens no more has ended.
        let _ = self.events.send(event).await;
    }

    /// Tells the service; what it cannot take now it has missed.
    pub(crate) fn tell(&self, event: Event) {
        if self.events.try_send(event).is_err() && self.is_subscribed() {
            tracing::warn!(
                "more news from other instances than can be acted upon: all that is held is checked again"
            );
            self.gap();
        }
    }

    fn distrust_all(&self) {
        self.epoch.fetch_add(2, Ordering::SeqCst);
    }

    fn landed(&self, id: &str) {
        let Ok(id) = AvatarId::parse(id) else { return };
        self.slot(&id).fetch_add(1, Ordering::SeqCst);
        if let Some(waiting) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            waiting.send_replace(());
        }
    }
}

impl Watch<'_> {
    /// Returns when another instance's refresh of this avatar has ended since the last call, or the subscription has broken.
    pub async fn refreshed(&mut self) {
        // The sender stays in the map as long as this watch does.
        let _ = self.landed.changed().await;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut waiting = self.invalidations.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.get(&self.id).is_some_and(|sender| sender.receiver_count() <= 1) {
            waiting.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalidations() -> (Invalidations, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(2);
        (Invalidations::new(events), receiver)
    }

    fn id(text: &str) -> AvatarId {
        AvatarId::parse(text).unwrap()
    }

    fn landed(id: &str) -> Message {
        Message::Refreshed { id: id.to_owned(), etag: None, trouble_at: None }
    }

    #[tokio::test]
    async fn nothing_is_trusted_before_the_subscription_stands_and_after_it_broke() {
        let (invalidations, _events) = invalidations();
        let trusted =
            |invalidations: &Invalidations| invalidations.since(&id("a"), invalidations.snapshot(&id("a")));
        assert_eq!(trusted(&invalidations), None);
        invalidations.joined();
        let first = trusted(&invalidations).unwrap();
        invalidations.left();
        invalidations.left();
        assert_eq!(trusted(&invalidations), None);
        invalidations.joined();
        assert_ne!(trusted(&invalidations), Some(first));
    }

    #[tokio::test]
    async fn what_was_read_before_news_arrived_is_not_trusted() {
        let (invalidations, _events) = invalidations();
        invalidations.joined();
        let mark = invalidations.snapshot(&id("a"));
        invalidations.hear("b".into(), landed("a"));
        assert_eq!(invalidations.since(&id("a"), mark), None);
    }

    #[tokio::test]
    async fn whoever_watches_is_woken_and_leaves_nothing_behind() {
        let (invalidations, _events) = invalidations();
        let mut watch = invalidations.watch(&id("a"));
        invalidations.hear("b".into(), landed("a"));
        watch.refreshed().await;
        drop(watch);
        assert!(invalidations.waiting.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn news_that_nobody_can_take_raises_the_epoch() {
        let (invalidations, _events) = invalidations();
        invalidations.joined();
        let before = invalidations.epoch.load(Ordering::SeqCst);
        for _ in 0..4 {
            invalidations.hear("b".into(), landed("a"));
        }
        assert!(invalidations.is_subscribed() && invalidations.epoch.load(Ordering::SeqCst) > before);
    }
}
