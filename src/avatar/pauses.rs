//! [`Pauses`]: when a whole app may be asked again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::model::{Provider, Timestamp};

/// What a pause that a provider names is cut to (ARCHITECTURE, "Bounds"), and an hour for clocks that differ.
const LONGEST: Duration = Duration::from_secs((7 * 24 + 1) * 3600);

/// The end of the pause of each provider's app: Meta's code 4 stops every account of it.
///
/// A view of a stale picture looks here, so there is no lock: the providers are those that are configured.
#[derive(Debug)]
pub(super) struct Pauses(HashMap<Provider, AtomicI64>);

impl Pauses {
    /// Of these providers.
    pub(super) fn new(configured: impl IntoIterator<Item = Provider>) -> Self {
        Self(configured.into_iter().map(|provider| (provider, AtomicI64::default())).collect())
    }

    /// Pauses an app until then; a later end that is known already stays. One that nobody configures is not asked anyway.
    ///
    /// No provider names a longer pause than [`LONGEST`]: one that is told of is of a clock that ran ahead, and is not
    /// believed.
    pub(super) fn set(&self, provider: Provider, until: Timestamp, now: Timestamp) -> bool {
        if until > now + LONGEST {
            return false;
        }
        if let Some(known) = self.0.get(&provider) {
            known.fetch_max(until.as_millis(), Ordering::Relaxed);
        }
        true
    }

    /// The end of the pause, if it has not passed.
    pub(super) fn until(&self, provider: Provider, now: Timestamp) -> Option<Timestamp> {
        let until = Timestamp::from_millis(self.0.get(&provider)?.load(Ordering::Relaxed));
        (now < until).then_some(until)
    }

    /// All that have not ended.
    pub(super) fn all(&self, now: Timestamp) -> Vec<(Provider, Timestamp)> {
        self.0.keys().filter_map(|provider| Some((*provider, self.until(*provider, now)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_never_shortened_and_none_is_longer_than_any_provider_names() {
        let (pauses, now) = (Pauses::new([Provider::Facebook]), Timestamp::from_secs(1000));
        let hour = Duration::from_secs(3600);
        assert!(pauses.set(Provider::Facebook, now + 3 * hour, now));
        assert!(pauses.set(Provider::Facebook, now + hour, now));
        assert!(!pauses.set(Provider::Facebook, now + 365 * 24 * hour, now));
        assert_eq!(pauses.all(now), [(Provider::Facebook, now + 3 * hour)]);
        assert_eq!(pauses.all(now + 3 * hour), []);
    }
}
