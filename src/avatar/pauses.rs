//! [`Pauses`]: when a whole app may be asked again.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::model::{Provider, Timestamp};

/// The end of the pause of each provider's app: Meta's code 4 stops every account of it.
#[derive(Debug, Default)]
pub(super) struct Pauses([AtomicI64; Provider::ALL.len()]);

impl Pauses {
    /// Pauses an app until then; a later end that is known already stays.
    pub(super) fn set(&self, provider: Provider, until: Timestamp) {
        self.0[provider as usize].fetch_max(until.as_millis(), Ordering::Relaxed);
    }

    /// The end of the pause, if it has not passed.
    pub(super) fn until(&self, provider: Provider, now: Timestamp) -> Option<Timestamp> {
        let until = Timestamp::from_millis(self.0[provider as usize].load(Ordering::Relaxed));
        (now < until).then_some(until)
    }
}
