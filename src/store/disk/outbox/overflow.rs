//! [`Unwritten`]: events that wait in memory while the file takes none.

use std::collections::VecDeque;

use crate::model::AvatarEvent;
use crate::store::entry_meta::EntryMeta;

/// Events that wait. One more, and the oldest is lost. An entry whose event was lost is in memory alone, too.
const MAX_UNWRITTEN: usize = 1_000;

/// Events with the entry that they came with.
pub(crate) type EntryEvents = (Option<EntryMeta>, Vec<AvatarEvent>);

/// In the order in which they happened.
#[derive(Debug, Default)]
pub(crate) struct Unwritten(VecDeque<(Option<EntryMeta>, AvatarEvent)>);

impl Unwritten {
    /// Adds events. Returns how many of the oldest were lost.
    pub(crate) fn keep(&mut self, added: Vec<EntryEvents>) -> u64 {
        for (meta, events) in added {
            self.0.extend(events.into_iter().map(|event| (meta.clone(), event)));
        }
        let excess = self.0.len().saturating_sub(MAX_UNWRITTEN);
        self.0.drain(..excess);
        excess as u64
    }

    /// All of them, to be written.
    pub(crate) fn all(&self) -> Vec<EntryEvents> {
        self.0.iter().map(|(meta, event)| (meta.clone(), vec![event.clone()])).collect()
    }

    /// They are written.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}
