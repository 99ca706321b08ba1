//! [`Pending`]: purges of a time without Redis, to be ordered again when it is back.

use std::sync::{Mutex, PoisonError};

use crate::store::StoredPurge;
use crate::store::purge_log::Subject;
use crate::store::redis::pubsub::message::Reach;

/// Avatars that one order names, at most.
const MOST_IDS: usize = 1000;
/// Orders that are kept.
const MOST_PENDING: usize = 1000;

/// Orders for a Redis that is away.
#[derive(Debug, Default)]
pub(crate) struct Pending(Mutex<Vec<(Reach, bool)>>);

impl Pending {
    /// Keeps an order; hard or soft.
    pub(crate) fn add(&self, reach: Reach, hard: bool) {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if orders.len() < MOST_PENDING {
            orders.push((reach, hard));
        } else {
            tracing::error!(?reach, hard, "a purge that Redis will never hear of: too many wait for it");
        }
    }

    /// Orders that an earlier process has kept.
    pub(crate) fn take_over(&self, purges: Vec<StoredPurge>) {
        let (mut hard, mut soft) = (Vec::new(), Vec::new());
        for purge in purges.into_iter().filter(|purge| !purge.told) {
            match purge.subject {
                Subject::Avatar(id) if purge.hard => hard.push(id.to_string()),
                Subject::Avatar(id) => soft.push(id.to_string()),
                Subject::Provider(provider) => self.add(Reach::Provider(provider.to_string()), purge.hard),
                Subject::All => self.add(Reach::All, purge.hard),
            }
        }
        for (ids, hard) in [(hard, true), (soft, false)] {
            ids.chunks(MOST_IDS).for_each(|ids| self.add(Reach::Ids(ids.to_vec()), hard));
        }
    }

    /// All of them, which are the caller's now.
    pub(crate) fn take(&self) -> Vec<(Reach, bool)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
