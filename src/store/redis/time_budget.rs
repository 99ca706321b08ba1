//! [`Budget`]: `redis.timeout` is what all calls of one request may take together.

use std::time::Duration;

/// The time that is left. Only waiting for Redis uses it up.
#[derive(Debug, Clone, Copy)]
pub struct Budget(Duration);

impl Budget {
    /// A whole budget.
    pub(super) const fn new(whole: Duration) -> Self {
        Self(whole)
    }

    pub(super) fn left(&self) -> Duration {
        self.0
    }

    pub(super) fn spend(&mut self, span: Duration) {
        self.0 = self.0.saturating_sub(span);
    }
}
