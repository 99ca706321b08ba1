//! [`AllKept`]: a walk over all that this instance keeps.

use std::collections::VecDeque;

use super::service::Service;
use crate::store::{Disk, EntryMeta};

/// Avatars of one page.
const PAGE: usize = 200;

/// Pages of what is in memory, then of what is on the disk; an avatar may come twice.
pub(super) struct AllKept<'a> {
    memory: VecDeque<EntryMeta>,
    disk: &'a Disk,
    /// The last id of the page before; `None` = the disk has no more.
    after: Option<String>,
}

impl Service {
    /// Begins a walk.
    pub(super) fn all_kept(&self) -> AllKept<'_> {
        let memory = self.parts.memory.all().map(|held| EntryMeta::of(&held));
        AllKept { memory: memory.collect(), disk: &self.parts.disk, after: Some(String::new()) }
    }
}

impl AllKept<'_> {
    /// The next page; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Vec<EntryMeta>> {
        if !self.memory.is_empty() {
            return Some(self.memory.drain(..self.memory.len().min(PAGE)).collect());
        }
        let page = self.disk.page(self.after.as_ref()?, PAGE as u32).await;
        self.after = page.last().map(|kept| kept.id.to_string());
        self.after.is_some().then_some(page)
    }
}
