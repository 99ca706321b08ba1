//! [`LookupCoalescer`]: one lookup in Redis and on disk for all requests of an avatar that memory does not hold. A thousand
//! viewers of one cold avatar would slow Redis down with a thousand equal questions, and each would then go on without it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::Holding;
use crate::model::AvatarId;
use crate::store::Budget;

/// What the tiers hold, and what is left of the time that Redis may take: all callers have waited for it.
type Answer = (Holding, Budget);

/// The lookups under way.
#[derive(Debug, Default)]
pub(super) struct LookupCoalescer {
    // A plain mutex: held for a map operation, never across an await; a hit in memory does not come here.
    under_way: Mutex<HashMap<AvatarId, Arc<OnceCell<Answer>>>>,
}

/// One caller of a lookup. The last one to leave takes it off the list.
struct Caller<'a> {
    lookups: &'a LookupCoalescer,
    id: &'a AvatarId,
    lookup: Arc<OnceCell<Answer>>,
}

impl LookupCoalescer {
    /// Waits for the lookup under way, or makes it. Where its maker leaves, the next caller makes its own.
    pub(super) async fn share(&self, id: &AvatarId, make: impl Future<Output = Answer>) -> Answer {
        let lookup = {
            let mut under_way = self.under_way.lock();
            under_way.entry(id.clone()).or_default().clone()
        };
        let caller = Caller { lookups: self, id, lookup };
        let made = async {
            let found = make.await;
            // A caller that comes now finds the result in memory, or must look for itself.
            caller.end(true);
            found
        };
        caller.lookup.get_or_init(|| made).await.clone()
    }
}

impl Caller<'_> {
    fn end(&self, is_over: bool) {
        let mut under_way = self.lookups.under_way.lock();
        // The list holds one and this caller the other.
        let is_last = Arc::strong_count(&self.lookup) <= 2;
        if (is_over || is_last)
            && under_way.get(self.id).is_some_and(|lookup| Arc::ptr_eq(lookup, &self.lookup))
        {
            under_way.remove(self.id);
        }
    }
}

impl Drop for Caller<'_> {
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
    async fn callers_share_one_lookup_and_the_next_one_looks_again() {
        let (lookups, id, budget) = (LookupCoalescer::default(), id(), Redis::off().budget());
        let made = std::cell::Cell::new(0);
        let lookup = || async {
            made.set(made.get() + 1);
            tokio::time::sleep(Duration::from_secs(1)).await;
            (Holding::Nothing, budget)
        };
        tokio::join!(
            lookups.share(&id, lookup()),
            lookups.share(&id, lookup()),
            lookups.share(&id, lookup())
        );
        assert_eq!(made.get(), 1);
        lookups.share(&id, lookup()).await;
        assert_eq!((made.get(), lookups.under_way.lock().len()), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_maker_leaves_the_next_caller_looks_and_nothing_is_left_behind() {
        let (lookups, id, budget) = (LookupCoalescer::default(), id(), Redis::off().budget());
        let forever = lookups.share(&id, std::future::pending());
        let leaves = tokio::time::timeout(Duration::from_secs(1), forever);
        let (left, (holding, _)) =
            tokio::join!(leaves, lookups.share(&id, async { (Holding::Nothing, budget) }));
        assert!(left.is_err() && matches!(holding, Holding::Nothing));
        assert!(lookups.under_way.lock().is_empty());
        let _ =
            tokio::time::timeout(Duration::from_secs(1), lookups.share(&id, std::future::pending())).await;
        assert!(lookups.under_way.lock().is_empty());
    }
}
