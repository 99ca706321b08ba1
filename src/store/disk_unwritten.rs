//! [`Unwritten`]: what has happened while the file took nothing, kept in memory until it does.

use std::collections::VecDeque;

use super::disk_kept::Kept;
use crate::model::AvatarEvent;

/// Events kept so; beyond it the oldest is lost. An entry whose event was lost is in memory alone, too.
const MOST: usize = 1_000;

/// What has happened, with what there is to know of the entry that it came with.
pub(super) type Happening = (Option<Kept>, Vec<AvatarEvent>);

/// In the order in which it happened.
#[derive(Debug, Default)]
pub(super) struct Unwritten(VecDeque<(Option<Kept>, AvatarEvent)>);

impl Unwritten {
    /// Keeps these. Returns how many fell out at the oldest end.
    pub(super) fn keep(&mut self, happenings: Vec<Happening>) -> u64 {
        for (kept, happened) in happenings {
            self.0.extend(happened.into_iter().map(|happened| (kept.clone(), happened)));
        }
        let excess = self.0.len().saturating_sub(MOST);
        self.0.drain(..excess);
        excess as u64
    }

    /// All of it, to be written.
    pub(super) fn all(&self) -> Vec<Happening> {
        self.0.iter().map(|(kept, happened)| (kept.clone(), vec![happened.clone()])).collect()
    }

    /// It is written.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}
