//! [`Cache`]: rows that were read, and ids that no table has.

use std::sync::Arc;
use std::time::Duration;

use super::lookup::{Lookup, Row};
use crate::model::{AvatarId, Secret, Timestamp};

/// The bound, in bytes. A row takes about 1 KiB, an unknown id 200 bytes.
const MAX_BYTES: u64 = 32 << 20;

/// Bounded by weight. Entries expire by the caller's clock, since a test cannot move moka's.
pub(super) struct Cache {
    held: moka::sync::Cache<AvatarId, Held>,
    found_for: Duration,
    unknown_for: Duration,
}

#[derive(Clone)]
struct Held {
    lookup: Lookup,
    read_at: Timestamp,
}

impl Cache {
    pub(super) fn new(found_for: Duration, unknown_for: Duration) -> Self {
        let held =
            moka::sync::Cache::builder().max_capacity(MAX_BYTES).weigher(|_, held| weigh(held)).build();
        Self { held, found_for, unknown_for }
    }

    pub(super) fn get(&self, id: &AvatarId, now: Timestamp) -> Option<Lookup> {
        let held = self.held.get(id)?;
        let fresh_for = match held.lookup {
            Lookup::Found(_) => self.found_for,
            Lookup::Unknown => self.unknown_for,
        };
        (!held.read_at.is_older_than(fresh_for, now)).then_some(held.lookup)
    }

    pub(super) fn put(&self, id: AvatarId, lookup: Lookup, read_at: Timestamp) {
        self.held.insert(id, Held { lookup, read_at });
    }

    pub(super) fn forget(&self, id: &AvatarId) {
        self.held.invalidate(id);
    }

    /// Puts an address that was just saved into the cached row, so that the next write-back compares with it.
    pub(super) fn saved(&self, id: &AvatarId, picture_url: &str) {
        let Some(Held { lookup: Lookup::Found(row), read_at }) = self.held.get(id) else { return };
        let mut connection = row.connection.clone();
        connection.picture_url = Some(Secret::new(picture_url));
        self.put(id.clone(), Lookup::Found(Arc::new(Row::new(connection, row.read_at))), read_at);
    }
}

fn weigh(held: &Held) -> u32 {
    let bytes = match &held.lookup {
        Lookup::Unknown => 0,
        Lookup::Found(row) => {
            let connection = &row.connection;
            let secret = |secret: &Option<Secret>| secret.as_ref().map_or(0, |secret| secret.expose().len());
            connection.token.value.expose().len()
                + secret(&connection.token.iv)
                + secret(&connection.token.tag)
                + secret(&connection.picture_url)
                + connection.name.as_ref().map_or(0, |name| name.len())
                + connection.account.as_ref().map_or(0, String::len)
        }
    };
    u32::try_from(bytes + 256).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Connection, Provider, SealedToken};

    fn row(id: &AvatarId) -> Lookup {
        let connection = Connection {
            id: id.clone(),
            provider: Provider::Facebook,
            account: None,
            token: SealedToken::of("t"),
            name: None,
            picture_url: None,
            token_expires_at: None,
            table: Some(0),
        };
        Lookup::Found(Arc::new(Row::new(connection, Timestamp::EPOCH)))
    }

    #[test]
    fn rows_and_unknown_ids_are_each_cached_for_their_own_time() {
        let cache = Cache::new(Duration::from_secs(60), Duration::from_secs(10));
        let (known, unknown) = (AvatarId::parse("a").unwrap(), AvatarId::parse("b").unwrap());
        cache.put(known.clone(), row(&known), Timestamp::EPOCH);
        cache.put(unknown.clone(), Lookup::Unknown, Timestamp::EPOCH);
        for (seconds, known_held, unknown_held) in
            [(0, true, true), (9, true, true), (10, true, false), (59, true, false), (60, false, false)]
        {
            let now = Timestamp::from_secs(seconds);
            assert_eq!(cache.get(&known, now).is_some(), known_held, "{seconds}");
            assert_eq!(cache.get(&unknown, now).is_some(), unknown_held, "{seconds}");
        }
    }

    #[test]
    fn what_was_read_in_the_future_by_a_wrong_clock_is_read_again() {
        let cache = Cache::new(Duration::from_secs(60), Duration::from_secs(10));
        let (known, unknown) = (AvatarId::parse("a").unwrap(), AvatarId::parse("b").unwrap());
        for (ahead, is_held) in [(0, true), (300, true), (301, false), (7200, false)] {
            cache.put(known.clone(), row(&known), Timestamp::from_secs(ahead));
            cache.put(unknown.clone(), Lookup::Unknown, Timestamp::from_secs(ahead));
            let held = [&known, &unknown].map(|id| cache.get(id, Timestamp::EPOCH).is_some());
            assert_eq!(held, [is_held; 2], "{ahead} s ahead");
        }
    }

    #[test]
    fn the_cache_is_bounded() {
        let cache = Cache::new(Duration::from_secs(60), Duration::from_secs(60));
        for n in 0..200_000 {
            cache.put(AvatarId::parse(&format!("id-{n}")).unwrap(), Lookup::Unknown, Timestamp::EPOCH);
        }
        cache.held.run_pending_tasks();
        assert!(cache.held.weighted_size() <= MAX_BYTES);
        assert!(cache.held.entry_count() > 1000);
    }
}
