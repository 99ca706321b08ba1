//! How the disk store is: one log line at each change, and a word for `/readyz`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// How the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Written and read without trouble, or turned off.
    Well,
    /// The last operation failed; pictures are served from memory alone meanwhile.
    Degraded(String),
}

/// How the last operation ended.
#[derive(Debug, Default)]
pub(super) struct State {
    degraded: Mutex<Option<String>>,
    failing: AtomicBool,
}

impl State {
    /// How it is.
    pub(super) fn health(&self) -> Health {
        let degraded = self.degraded.lock().unwrap_or_else(PoisonError::into_inner);
        degraded.clone().map_or(Health::Well, Health::Degraded)
    }

    /// Notes how an operation ended; one log line at each change.
    pub(super) fn note<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => {
                if self.failing.swap(false, Ordering::AcqRel) {
                    *self.degraded.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    tracing::info!("disk store works again");
                }
                Some(value)
            }
            Err(error) => {
                if !self.failing.swap(true, Ordering::AcqRel) {
                    tracing::error!(%error, "disk store fails: pictures are kept in memory alone until it works again");
                }
                *self.degraded.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                None
            }
        }
    }
}
