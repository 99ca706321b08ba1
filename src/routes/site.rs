//! [`Site`]: what all routes share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::answer::Prepared;
use super::config::{FallbackConfig, HeadersConfig};
use crate::avatar::Service;
use crate::model::Secret;

/// What the routes need: the service, and response headers that are rendered once.
pub struct Site {
    pub(super) service: Arc<Service>,
    pub(super) prepared: Prepared,
    pub(super) fallback: FallbackConfig,
    pub(super) admin_token: Option<Secret>,
    pub(super) draining: AtomicBool,
}

impl Site {
    /// Renders the headers that depend on the configuration alone.
    pub fn new(
        service: Arc<Service>,
        headers: &HeadersConfig,
        fallback: FallbackConfig,
        admin_token: Option<Secret>,
    ) -> Arc<Self> {
        let prepared = Prepared::new(headers);
        Arc::new(Self { service, prepared, fallback, admin_token, draining: AtomicBool::new(false) })
    }

    /// From now on `/readyz` answers 503, so that load balancers take this instance out.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}
