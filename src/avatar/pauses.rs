//! [`Pauses`]: when a whole app may be asked again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::model::{Provider, Timestamp};

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
    pub(super) fn set(&self, provider: Provider, until: Timestamp) {
        if let Some(known) = self.0.get(&provider) {
            known.fetch_max(until.as_millis(), Ordering::Relaxed);
        }
    }

    /// The end of the pause, if it has not passed.
    pub(super) fn until(&self, provider: Provider, now: Timestamp) -> Option<Timestamp> {
        let until = Timestamp::from_millis(self.0.get(&provider)?.load(Ordering::Relaxed));
        (now < until).then_some(until)
    }
}
