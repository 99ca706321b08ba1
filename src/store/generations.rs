//! [`Generations`]: how a refresh under way is kept from bringing deleted bytes back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::{AvatarId, Generation, Timestamp};

/// Avatars whose generation is remembered at one time; beyond it, everything that began before counts as purged.
const MOST: usize = 100_000;
/// Kept longer than a refresh can last (its deadlines are minutes at the most).
const KEPT_FOR: Duration = Duration::from_secs(3600);

/// A counter that rises with every purge and deletion, and which avatars were last hit at which count.
///
/// A refresh notes the count at its start; stores refuse what it brings if its avatar was raised since.
#[derive(Debug, Default)]
pub struct Generations {
    counter: AtomicU64,
    /// What began before is refused for all avatars.
    floor: AtomicU64,
    // A plain mutex: it is held for a map operation, never across an await, and only refreshes and purges come here.
    raised: Mutex<HashMap<AvatarId, (Generation, Timestamp)>>,
}

impl Generations {
    /// The count now: what a refresh that starts carries.
    pub fn current(&self) -> Generation {
        Generation(self.counter.load(Ordering::SeqCst))
    }

    /// Raises an avatar's generation; everything that started before is refused from now on.
    pub fn raise(&self, id: &AvatarId, now: Timestamp) {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = Generation(self.counter.fetch_add(1, Ordering::SeqCst) + 1);
        raised.retain(|_, (_, at)| now.since(*at) < KEPT_FOR);
        if raised.len() >= MOST {
            self.floor.store(generation.0, Ordering::SeqCst);
            raised.clear();
        }
        raised.insert(id.clone(), (generation, now));
    }

    /// Whether an entry of this generation may still be stored.
    pub fn admits(&self, id: &AvatarId, generation: Generation) -> bool {
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        generation.0 >= self.floor.load(Ordering::SeqCst)
            && raised.get(id).is_none_or(|(at_least, _)| generation >= *at_least)
    }

    /// Whether the avatar was raised at all: then an admitted entry wins over one that was verified later.
    pub fn was_raised(&self, id: &AvatarId) -> bool {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_started_before_a_purge_is_refused_and_what_started_after_is_not() {
        let generations = Generations::default();
        let (id, other) = (AvatarId::parse("a").unwrap(), AvatarId::parse("b").unwrap());
        let before = generations.current();
        generations.raise(&id, Timestamp::EPOCH);
        assert!(!generations.admits(&id, before));
        assert!(generations.admits(&other, before));
        assert!(generations.admits(&id, generations.current()));
    }

    #[test]
    fn raised_generations_are_forgotten_after_an_hour() {
        let generations = Generations::default();
        for n in 0..100 {
            generations.raise(&AvatarId::parse(&n.to_string()).unwrap(), Timestamp::EPOCH);
        }
        generations.raise(&AvatarId::parse("late").unwrap(), Timestamp::EPOCH + KEPT_FOR);
        assert_eq!(generations.raised.lock().unwrap().len(), 1);
    }
}
