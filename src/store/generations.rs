//! [`Generations`]: how a refresh under way is kept from bringing deleted bytes back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::{AvatarId, Generation, Provider, Timestamp};

/// Avatars whose generation is remembered at one time; beyond it, everything that began before counts as purged.
const MOST: usize = 100_000;
/// Kept longer than a refresh can last (its deadlines are minutes at the most).
const KEPT_FOR: Duration = Duration::from_secs(3600);

/// A counter that rises with every purge and deletion, and which avatars were last hit at which count.
///
/// A refresh notes the count at its start; stores refuse what it brings if its avatar was raised since. With Redis all
/// instances take their counts from one counter there and learn of each other's, so that counts can be compared.
#[derive(Debug, Default)]
pub struct Generations {
    counter: AtomicU64,
    /// What began before is refused for all avatars of a provider.
    floors: [AtomicU64; Provider::ALL.len()],
    // A plain mutex: it is held for a map operation, never across an await, and only refreshes and purges come here.
    raised: Mutex<HashMap<AvatarId, (Generation, Timestamp)>>,
}

impl Generations {
    /// The count now: what a refresh that starts carries.
    pub fn current(&self) -> Generation {
        Generation(self.counter.load(Ordering::SeqCst))
    }

    /// Goes on from a count that was kept or heard of.
    pub fn catch_up(&self, generation: Generation) {
        self.counter.fetch_max(generation.0, Ordering::SeqCst);
    }

    /// The next count, for a purge that no other instance hears of.
    pub fn next(&self) -> Generation {
        Generation(self.counter.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Raises an avatar to a generation; everything of it that started before is refused from now on.
    pub fn raise(&self, id: &AvatarId, generation: Generation, now: Timestamp) {
        self.catch_up(generation);
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        raised.retain(|_, (_, at)| now.since(*at) < KEPT_FOR);
        if raised.len() >= MOST {
            Provider::ALL.into_iter().for_each(|provider| self.raise_floor(provider, generation));
            raised.clear();
        }
        let known = raised.entry(id.clone()).or_insert((generation, now));
        *known = (known.0.max(generation), now);
    }

    /// Raises all avatars of a provider.
    pub fn raise_floor(&self, provider: Provider, generation: Generation) {
        self.catch_up(generation);
        self.floors[provider as usize].fetch_max(generation.0, Ordering::SeqCst);
    }

    /// Whether an entry of this generation may still be stored.
    pub fn admits(&self, id: &AvatarId, provider: Provider, generation: Generation) -> bool {
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        generation.0 >= self.floors[provider as usize].load(Ordering::SeqCst)
            && raised.get(id).is_none_or(|(at_least, _)| generation >= *at_least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Provider = Provider::Facebook;

    fn id(text: &str) -> AvatarId {
        AvatarId::parse(text).unwrap()
    }

    #[test]
    fn what_started_before_a_purge_is_refused_and_what_started_after_is_not() {
        let generations = Generations::default();
        let before = generations.current();
        generations.raise(&id("a"), generations.next(), Timestamp::EPOCH);
        assert!(!generations.admits(&id("a"), ANY, before));
        assert!(generations.admits(&id("b"), ANY, before));
        assert!(generations.admits(&id("a"), ANY, generations.current()));
    }

    #[test]
    fn a_provider_is_purged_as_a_whole_and_the_others_are_not() {
        let generations = Generations::default();
        let before = generations.current();
        generations.raise_floor(ANY, generations.next());
        assert!(!generations.admits(&id("a"), ANY, before));
        assert!(generations.admits(&id("a"), Provider::Telegram, before));
        assert!(generations.admits(&id("a"), ANY, generations.current()));
    }

    #[test]
    fn a_purge_that_is_heard_of_late_lowers_nothing() {
        let generations = Generations::default();
        generations.raise(&id("a"), Generation(7), Timestamp::EPOCH);
        generations.raise(&id("a"), Generation(3), Timestamp::EPOCH);
        assert!(!generations.admits(&id("a"), ANY, Generation(5)));
        assert_eq!(generations.next(), Generation(8));
    }

    #[test]
    fn raised_generations_are_forgotten_after_an_hour() {
        let generations = Generations::default();
        for n in 0..100 {
            generations.raise(&id(&n.to_string()), generations.next(), Timestamp::EPOCH);
        }
        generations.raise(&id("late"), generations.next(), Timestamp::EPOCH + KEPT_FOR);
        assert_eq!(generations.raised.lock().unwrap().len(), 1);
    }
}
