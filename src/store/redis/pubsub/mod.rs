//! [`Bus`]: hears what the other instances tell, and knows whether anything may have been missed.
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

use message::{News, Reach};

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
        news: News,
    },
    /// A purge of this instance that Redis did not hear of: to be ordered once more, hard or soft.
    Unheard(Reach, bool),
}

/// A moment, to tell later whether something was heard since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    epoch: u64,
    heard: u64,
}

/// Waits for the end of another instance's refresh.
#[derive(Debug)]
pub struct Watch<'a> {
    bus: &'a Bus,
    id: AvatarId,
    landed: watch::Receiver<()>,
}

#[derive(Debug)]
pub(crate) struct Bus {
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

impl Bus {
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

    pub(crate) fn epoch(&self) -> &AtomicU64 {
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
    pub(crate) fn miss(&self) {
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
        if self.stands() {
            self.epoch.fetch_add(1, Ordering::SeqCst);
            self.wake_all();
        }
    }

    fn wake_all(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.values().for_each(|waiting| waiting.send_replace(()));
    }

    pub(crate) fn stands(&self) -> bool {
        self.epoch.load(Ordering::SeqCst) % 2 == 1
    }

    pub(crate) fn mark(&self, id: &AvatarId) -> Mark {
        Mark { epoch: self.epoch.load(Ordering::SeqCst), heard: self.slot(id).load(Ordering::SeqCst) }
    }

    /// The epoch in which something may be trusted that was read after `mark`; `None` if it may be old already.
    pub(crate) fn since(&self, id: &AvatarId, mark: Mark) -> Option<u64> {
        (mark == self.mark(id) && self.stands()).then_some(mark.epoch)
    }

    fn slot(&self, id: &AvatarId) -> &AtomicU64 {
        &self.heard[self.hasher.hash_one(id) as usize % SLOTS]
    }

    /// Waits for news of one avatar from now on.
    pub(crate) fn watch(&self, id: &AvatarId) -> Watch<'_> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let landed = waiting.entry(id.clone()).or_insert_with(|| watch::Sender::new(())).subscribe();
        Watch { bus: self, id: id.clone(), landed }
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
    pub(crate) fn hear(&self, from: String, news: News) {
        match &news {
            News::Beat => return,
            News::Done { number } => {
                let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(answers) = answers.get(number) {
                    // Whoever does not wait any more needs no answer.
                    let _ = answers.try_send(from);
                }
                return;
            }
            News::Free { id } => {
                self.landed(id);
                return;
            }
            News::Landed { id, .. } => self.landed(id),
            News::Purge(order) => {
                order.reach.ids().iter().for_each(|id| self.landed(id.as_str()));
                if order.reach.is_wide() {
                    self.distrust_all();
                }
            }
            News::Restored => {
                self.miss();
                return;
            }
            News::Missing { .. } => return,
            News::Pause { .. } => {}
        }
        self.tell(Event::Heard { from, news });
    }

    /// Tells the service as soon as it can take it: what was missed once must not be missed again.
    pub(crate) async fn insist(&self, event: Event) {
        // A service that listens no more has ended.
        let _ = self.events.send(event).await;
    }

    /// Tells the service; what it cannot take now it has missed.
    pub(crate) fn tell(&self, event: Event) {
        if self.events.try_send(event).is_err() && self.stands() {
            tracing::warn!(
                "more news from other instances than can be acted upon: all that is held is checked again"
            );
            self.miss();
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
    pub async fn landed(&mut self) {
        // The sender stays in the map as long as this watch does.
        let _ = self.landed.changed().await;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut waiting = self.bus.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.get(&self.id).is_some_and(|sender| sender.receiver_count() <= 1) {
            waiting.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bus() -> (Bus, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(2);
        (Bus::new(events), receiver)
    }

    fn id(text: &str) -> AvatarId {
        AvatarId::parse(text).unwrap()
    }

    fn landed(id: &str) -> News {
        News::Landed { id: id.to_owned(), etag: None, trouble_at: None }
    }

    #[tokio::test]
    async fn nothing_is_trusted_before_the_subscription_stands_and_after_it_broke() {
        let (bus, _events) = bus();
        let trusted = |bus: &Bus| bus.since(&id("a"), bus.mark(&id("a")));
        assert_eq!(trusted(&bus), None);
        bus.joined();
        let first = trusted(&bus).unwrap();
        bus.left();
        bus.left();
        assert_eq!(trusted(&bus), None);
        bus.joined();
        assert_ne!(trusted(&bus), Some(first));
    }

    #[tokio::test]
    async fn what_was_read_before_news_arrived_is_not_trusted() {
        let (bus, _events) = bus();
        bus.joined();
        let mark = bus.mark(&id("a"));
        bus.hear("b".into(), landed("a"));
        assert_eq!(bus.since(&id("a"), mark), None);
    }

    #[tokio::test]
    async fn whoever_watches_is_woken_and_leaves_nothing_behind() {
        let (bus, _events) = bus();
        let mut watch = bus.watch(&id("a"));
        bus.hear("b".into(), landed("a"));
        watch.landed().await;
        drop(watch);
        assert!(bus.waiting.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn news_that_nobody_can_take_raises_the_epoch() {
        let (bus, _events) = bus();
        bus.joined();
        let before = bus.epoch.load(Ordering::SeqCst);
        for _ in 0..4 {
            bus.hear("b".into(), landed("a"));
        }
        assert!(bus.stands() && bus.epoch.load(Ordering::SeqCst) > before);
    }
}
