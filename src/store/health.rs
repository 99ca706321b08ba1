//! How a store is: one log line at each change, and a word for `/readyz`.

use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::Mutex;

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
    failing: AtomicU8,
}

/// No operation fails.
const NOTHING: u8 = 0;
/// The last one that only looked failed.
const LOOKING: u8 = 1;
/// The last one that changed something failed.
const CHANGING: u8 = 2;
/// It is closed.
const CLOSED: u8 = 3;

impl State {
    /// Well at first; the texts are the log lines at the two changes.
    pub(super) fn new(works_again: &'static str, fails: &'static str) -> Self {
        Self { works_again, fails, degraded: Mutex::default(), failing: AtomicU8::new(NOTHING) }
    }

    /// How it is.
    pub(super) fn health(&self) -> Health {
        let degraded = self.degraded.lock();
        degraded.clone().map_or(Health::Well, Health::Degraded)
    }

    /// Notes how an operation ended; one log line at each change.
    pub(super) fn note<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> Option<T> {
        self.ended(result, CHANGING)
    }

    /// The same of one that only looked: that it works says nothing of a disk that is full.
    pub(super) fn looked<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> Option<T> {
        self.ended(result, LOOKING)
    }

    /// Says nothing more: it was closed in good order, so that operations fail is no news.
    pub(super) fn close(&self) {
        self.failing.store(CLOSED, Ordering::Release);
    }

    fn ended<T, E: std::fmt::Display>(&self, result: Result<T, E>, kind: u8) -> Option<T> {
        match result {
            Ok(value) => {
                let failing = self.failing.load(Ordering::Acquire);
                let is_over = (LOOKING..=kind).contains(&failing);
                if is_over && self.failing.swap(NOTHING, Ordering::AcqRel) != NOTHING {
                    *self.degraded.lock() = None;
                    tracing::info!("{}", self.works_again);
                }
                Some(value)
            }
            Err(error) => {
                *self.degraded.lock() = Some(error.to_string());
                if self.failing.fetch_max(kind, Ordering::AcqRel) == NOTHING {
                    tracing::error!(%error, "{}", self.fails);
                }
                None
            }
        }
    }
}
