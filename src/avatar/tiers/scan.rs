//! [`Scan`]: a walk over everything that this instance holds, without the bytes.

use std::collections::{BTreeSet, VecDeque};

use super::Tiers;
use crate::model::{AvatarId, Provider};
use crate::store::{Disk, EntryMeta};

/// Avatars of one page.
const PAGE: usize = 200;

/// Pages of what memory holds, then of what the disk holds; an avatar may come twice.
pub(in crate::avatar) struct Scan<'a> {
    memory: VecDeque<EntryMeta>,
    disk: &'a Disk,
    /// The last id of the page before; `None` = the disk has no more.
    after: Option<String>,
}

impl Scan<'_> {
    /// The next page; `None` at the end.
    pub(in crate::avatar) async fn next(&mut self) -> Option<Vec<EntryMeta>> {
        if !self.memory.is_empty() {
            return Some(self.memory.drain(..self.memory.len().min(PAGE)).collect());
        }
        let page = self.disk.page(self.after.as_ref()?, PAGE as u32).await;
        self.after = page.last().map(|kept| kept.id.to_string());
        self.after.is_some().then_some(page)
    }
}

impl Tiers {
    /// Begins a walk over memory and disk.
    pub(in crate::avatar) fn scan(&self) -> Scan<'_> {
        let memory = self.parts.memory.all().map(|held| EntryMeta::of(&held));
        Scan { memory: memory.collect(), disk: &self.parts.disk, after: Some(String::new()) }
    }

    /// The ids in Redis; as many as it gives while it is there.
    pub(in crate::avatar) async fn ids_in_redis(&self) -> BTreeSet<AvatarId> {
        let (mut ids, mut pages) = (BTreeSet::new(), self.parts.redis.scan());
        while let Ok(Some(page)) = pages.page().await {
            ids.extend(page);
        }
        ids
    }

    /// What this instance knows of an avatar, from memory or disk.
    pub(in crate::avatar) async fn meta(&self, id: &AvatarId) -> Option<EntryMeta> {
        match self.parts.memory.get(id.as_str()) {
            Some(held) => Some(EntryMeta::of(&held)),
            None => self.parts.disk.meta(id).await,
        }
    }

    /// Whose picture an avatar in Redis is.
    pub(in crate::avatar) async fn provider_in_redis(&self, id: &AvatarId) -> Option<Provider> {
        self.parts.redis.provider(id, &mut self.unhurried()).await.ok().flatten()
    }

    /// Whether any tier holds an avatar of this provider.
    pub(in crate::avatar) async fn holds_any_of(&self, provider: Provider) -> bool {
        let mut pages = self.scan();
        while let Some(page) = pages.next().await {
            if page.iter().any(|kept| kept.provider == provider) {
                return true;
            }
        }
        let mut pages = self.parts.redis.scan();
        while let Ok(Some(page)) = pages.page().await {
            for id in page {
                if self.provider_in_redis(&id).await == Some(provider) {
                    return true;
                }
            }
        }
        false
    }
}
