//! [`AppCooldowns`]: when a provider may be asked again that throttles the whole app. In memory, on disk, and published
//! to the other instances.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::model::{LONGEST_PAUSE, Provider, Timestamp};

/// The end of the pause of each provider's app: Meta's code 4 stops every account of an app.
///
/// A view of a stale picture looks here, so there is no lock: the set of providers is fixed at the start.
#[derive(Debug)]
pub(super) struct AppCooldowns(HashMap<Provider, AtomicI64>);

impl AppCooldowns {
    /// None of these providers is paused.
    pub(super) fn new(configured: impl IntoIterator<Item = Provider>) -> Self {
        Self(configured.into_iter().map(|provider| (provider, AtomicI64::default())).collect())
    }

    /// Pauses an app until then; a later end that is known already stays. Returns the end that holds. An app that is not
    /// configured is not called anyway.
    ///
    /// No provider names a longer pause than [`LONGEST_PAUSE`]: a later end was set by a clock that ran ahead, here or in
    /// another instance, and does not count.
    pub(super) fn set(&self, provider: Provider, until: Timestamp, now: Timestamp) -> Option<Timestamp> {
        if until.is_ahead(LONGEST_PAUSE, now)
            && let Some(known) = self.0.get(&provider)
        {
            let later = |known| {
                let known =
                    Some(Timestamp::from_millis(known)).filter(|known| known.is_ahead(LONGEST_PAUSE, now));
                Some(known.map_or(until, |known| known.max(until)).as_millis())
            };
            let _ = known.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
        }
        self.until(provider, now)
    }

    /// The end of the pause, if it has not passed.
    pub(super) fn until(&self, provider: Provider, now: Timestamp) -> Option<Timestamp> {
        let until = Timestamp::from_millis(self.0.get(&provider)?.load(Ordering::Relaxed));
        until.is_ahead(LONGEST_PAUSE, now).then_some(until)
    }

    /// All that have not ended.
    pub(super) fn all(&self, now: Timestamp) -> Vec<(Provider, Timestamp)> {
        self.0.keys().filter_map(|provider| Some((*provider, self.until(*provider, now)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_pause_is_never_shortened_and_none_is_longer_than_any_provider_names() {
        let (cooldowns, now) = (AppCooldowns::new([Provider::Facebook]), Timestamp::from_secs(1000));
        let hour = Duration::from_secs(3600);
        let (later, app) = (now + 3 * hour, Provider::Facebook);
        assert_eq!(cooldowns.set(app, later, now), Some(later));
        assert_eq!(cooldowns.set(app, now + hour, now), Some(later));
        assert_eq!(cooldowns.set(app, now + 365 * 24 * hour, now), Some(later));
        assert_eq!(cooldowns.all(now), [(Provider::Facebook, now + 3 * hour)]);
        assert_eq!(cooldowns.all(now + 3 * hour), []);
    }

    #[test]
    fn a_pause_of_the_time_when_the_clock_ran_ahead_is_none_when_it_is_right_again() {
        let (cooldowns, now) = (AppCooldowns::new([Provider::Facebook]), Timestamp::from_secs(1000));
        let (hour, year) = (Duration::from_secs(3600), Duration::from_secs(365 * 24 * 3600));
        assert!(cooldowns.set(Provider::Facebook, now + year + hour, now + year).is_some());
        assert_eq!(cooldowns.until(Provider::Facebook, now), None);
        assert_eq!(cooldowns.set(Provider::Facebook, now + hour, now), Some(now + hour));
    }
}
