//! [`Looks`]: one look at Redis and disk for all who ask for an avatar that memory does not hold. A thousand viewers of one
//! cold avatar would make Redis slow with a thousand equal questions, and each would then go on without it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::model::AvatarId;
use crate::store::{Budget, Held};

/// What was found, and what is left of the time that Redis may take: all have waited for it.
pub(super) type Found = (Option<Arc<Held>>, Budget);

/// The looks under way.
#[derive(Debug, Default)]
pub(super) struct Looks {
    // A plain mutex: held for a map operation, never across an await; a hit in memory does not come here.
    under_way: Mutex<HashMap<AvatarId, Arc<OnceCell<Found>>>>,
}

/// One who shares a look. The last one to leave takes it off the list.
struct Sharer<'a> {
    looks: &'a Looks,
    id: &'a AvatarId,
    look: Arc<OnceCell<Found>>,
}

impl Looks {
    /// Waits for the look under way, or makes it. Where its maker leaves, the next one makes his own.
    pub(super) async fn share(&self, id: &AvatarId, make: impl Future<Output = Found>) -> Found {
        let look = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.entry(id.clone()).or_default().clone()
        };
        let sharer = Sharer { looks: self, id, look };
        let made = async {
            let found = make.await;
            // Whoever comes now sees what came of it in memory, or must look for himself.
            sharer.end(true);
            found
        };
        sharer.look.get_or_init(|| made).await.clone()
    }
}

impl Sharer<'_> {
    fn end(&self, is_over: bool) {
        let mut under_way = self.looks.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        // The list's and this one's own.
        let is_last = Arc::strong_count(&self.look) <= 2;
        if (is_over || is_last) && under_way.get(self.id).is_some_and(|look| Arc::ptr_eq(look, &self.look)) {
            under_way.remove(self.id);
        }
    }
}

impl Drop for Sharer<'_> {
    fn drop(&mut self) {
        self.end(false);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Redis;

    fn id() -> AvatarId {
        AvatarId::parse("a").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn all_share_one_look_and_the_next_one_looks_again() {
        let (looks, id, budget) = (Looks::default(), id(), Redis::off().budget());
        let made = std::cell::Cell::new(0);
        let look = || async {
            made.set(made.get() + 1);
            tokio::time::sleep(Duration::from_secs(1)).await;
            (None, budget)
        };
        tokio::join!(looks.share(&id, look()), looks.share(&id, look()), looks.share(&id, look()));
        assert_eq!(made.get(), 1);
        looks.share(&id, look()).await;
        assert_eq!((made.get(), looks.under_way.lock().unwrap().len()), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_maker_leaves_the_next_one_looks_and_nothing_is_left_behind() {
        let (looks, id, budget) = (Looks::default(), id(), Redis::off().budget());
        let forever = looks.share(&id, std::future::pending());
        let leaves = tokio::time::timeout(Duration::from_secs(1), forever);
        let (left, (held, _)) = tokio::join!(leaves, looks.share(&id, async { (None, budget) }));
        assert!(left.is_err() && held.is_none());
        assert!(looks.under_way.lock().unwrap().is_empty());
        let _ = tokio::time::timeout(Duration::from_secs(1), looks.share(&id, std::future::pending())).await;
        assert!(looks.under_way.lock().unwrap().is_empty());
    }
}
