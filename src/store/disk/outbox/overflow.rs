//! [`Unwritten`]: what has happened while the file took nothing, kept in memory until it does.

use std::collections::VecDeque;

use crate::model::AvatarEvent;
use crate::store::summary::EntryMeta;

/// Events kept so; beyond it the oldest is lost. An entry whose event was lost is in memory alone, too.
const MOST: usize = 1_000;

/// What has happened, with what there is to know of the entry that it came with.
pub(crate) type Happening = (Option<EntryMeta>, Vec<AvatarEvent>);

/// In the order in which it happened.
#[derive(Debug, Default)]
pub(crate) struct Unwritten(VecDeque<(Option<EntryMeta>, AvatarEvent)>);

impl Unwritten {
    /// Keeps these. Returns how many fell out at the oldest end.
    pub(crate) fn keep(&mut self, happenings: Vec<Happening>) -> u64 {
        for (kept, happened) in happenings {
            self.0.extend(happened.into_iter().map(|happened| (kept.clone(), happened)));
        }
        let excess = self.0.len().saturating_sub(MOST);
        self.0.drain(..excess);
        excess as u64
    }

    /// All of it, to be written.
    pub(crate) fn all(&self) -> Vec<Happening> {
        self.0.iter().map(|(kept, happened)| (kept.clone(), vec![happened.clone()])).collect()
    }

    /// It is written.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}
