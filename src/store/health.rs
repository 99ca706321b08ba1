//! How a store is: one log line at each change, and a word for `/readyz`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// How a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It works without trouble, or is turned off.
    Well,
    /// The last operation failed, for that reason; pictures are served from the other stores meanwhile.
    Degraded(String),
}

/// How the last operation ended.
#[derive(Debug)]
pub(super) struct State {
    works_again: &'static str,
    fails: &'static str,
    degraded: Mutex<Option<String>>,
    failing: AtomicBool,
}

impl State {
    /// Well at first; the texts are the log lines at the two changes.
    pub(super) fn new(works_again: &'static str, fails: &'static str) -> Self {
        Self { works_again, fails, degraded: Mutex::default(), failing: AtomicBool::new(false) }
    }

    /// How it is.
    pub(super) fn health(&self) -> Health {
        let degraded = self.degraded.lock().unwrap_or_else(PoisonError::into_inner);
        degraded.clone().map_or(Health::Well, Health::Degraded)
    }

    /// Notes how an operation ended; one log line at each change.
    pub(super) fn note<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => {
                if self.failing.load(Ordering::Acquire) && self.failing.swap(false, Ordering::AcqRel) {
                    *self.degraded.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    tracing::info!("{}", self.works_again);
                }
                Some(value)
            }
            Err(error) => {
                *self.degraded.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                if !self.failing.swap(true, Ordering::AcqRel) {
                    tracing::error!(%error, "{}", self.fails);
                }
                None
            }
        }
    }
}
