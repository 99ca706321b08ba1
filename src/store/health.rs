//! [`Health`] of a store: one log line at each change, and a word for `/readyz`.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

/// Whether a store works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It works, or is turned off.
    Well,
    /// The last operation failed for this reason. The other stores serve meanwhile.
    Degraded(String),
}

/// How the last operation of a store ended.
#[derive(Debug)]
pub(super) struct State {
    works_again: &'static str,
    fails: &'static str,
    degraded: Mutex<Option<String>>,
    failing: AtomicU8,
}

/// No operation fails.
const NOTHING: u8 = 0;
/// The last one that failed was a read.
const READING: u8 = 1;
/// The last one that failed was a write.
const WRITING: u8 = 2;
/// The store is closed.
const CLOSED: u8 = 3;

impl State {
    /// Begins well. The texts are the log lines at the two changes.
    pub(super) fn new(works_again: &'static str, fails: &'static str) -> Self {
        Self { works_again, fails, degraded: Mutex::default(), failing: AtomicU8::new(NOTHING) }
    }

    /// How the store is.
    pub(super) fn health(&self) -> Health {
        let degraded = self.degraded.lock();
        degraded.clone().map_or(Health::Well, Health::Degraded)
    }

    /// Notes how a write ended.
    pub(super) fn note<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> Option<T> {
        self.ended(result, WRITING)
    }

    /// Notes how a read ended. One that works proves nothing about a disk that is full.
    pub(super) fn note_read<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> Option<T> {
        self.ended(result, READING)
    }

    /// Logs nothing from now on: the store was closed on purpose, so an operation that fails is no news.
    pub(super) fn close(&self) {
        self.failing.store(CLOSED, Ordering::Release);
    }

    fn ended<T, E: std::fmt::Display>(&self, result: Result<T, E>, kind: u8) -> Option<T> {
        match result {
            Ok(value) => {
                let failing = self.failing.load(Ordering::Acquire);
                let is_over = (READING..=kind).contains(&failing);
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
