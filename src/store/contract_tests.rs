//! The contract of every store, run over memory, disk and Redis: the same verbs with the same outcome.

use std::sync::Arc;
use std::time::Duration;

use super::redis::test_redis::{self, TestRedis};
use super::{Disk, DiskConfig, Held, LastPurges, Memory, MemoryConfig, PurgeLog, Redis, Validity};
use crate::clock::Clock;
use crate::model::{
    AvatarId, Content, Entry, Fingerprint, Generation, Identity, ImagesConfig, Picture, Provider, PurgeKind,
    PurgeScope, Timestamp, sniff,
};
use crate::task_pool::TaskPool;

const PNG: &[u8] = include_bytes!("../../tests/fixtures/pictures/picture.png");
const IMAGES: ImagesConfig = ImagesConfig { max_pixels: 1_000_000 };
const NOW: Timestamp = Timestamp::from_secs(1000);

enum Store {
    Memory(Memory),
    Disk(Disk),
    Redis(Redis),
}

/// One store, the purge log that it asks, and what must live as long as it does.
struct Bench {
    name: &'static str,
    store: Store,
    purge_log: Arc<PurgeLog>,
    _folder: tempfile::TempDir,
    _server: Option<TestRedis>,
}

/// A bench for each store.
async fn benches() -> [Bench; 3] {
    let bench = |name, store, purge_log, folder, server| Bench {
        name,
        store,
        purge_log,
        _folder: folder,
        _server: server,
    };
    let folder = || tempfile::TempDir::new().unwrap();
    let (pool, server, on_disk) = (TaskPool::here(), TestRedis::start(), folder());
    let [memory_log, disk_log, redis_log] = [(); 3].map(|()| Arc::new(PurgeLog::default()));
    let clock = Clock::manual(NOW);
    let memory = Memory::new(MemoryConfig { max_bytes: 1 << 20 }, memory_log.clone(), clock.clone());
    let config = DiskConfig { path: Some(on_disk.path().join("x.db")), max_bytes: 1 << 20 };
    let disk =
        Disk::open(&config, IMAGES, disk_log.clone(), clock.clone(), &pool, Arc::default()).await.unwrap();
    let config = test_redis::config(&server);
    let (redis, _events) =
        Redis::start(config, Vec::new(), IMAGES, redis_log.clone(), clock, &pool, Arc::default()).await;
    assert!(redis.is_subscribed(), "Redis was not connected in time");
    [
        bench("memory", Store::Memory(memory), memory_log, folder(), None),
        bench("disk", Store::Disk(disk), disk_log, on_disk, None),
        bench("Redis", Store::Redis(redis), redis_log, folder(), Some(server)),
    ]
}

impl Bench {
    /// What the store has of an avatar, unless a purge has deleted it.
    async fn get(&self, name: &str) -> Option<Entry> {
        let id = id(name);
        let entry = match &self.store {
            Store::Memory(memory) => memory.get(id.as_str()).map(|held| held.entry.clone()),
            Store::Disk(disk) => disk.get(&id, NOW).await,
            Store::Redis(redis) => {
                let shared = redis.get(&id, None, &mut redis.unhurried()).await.unwrap();
                self.purge_log.record(&PurgeScope::one(&id), shared.purged);
                shared.entry
            }
        };
        entry.filter(|entry| self.validity(name, entry) != Validity::Deleted)
    }

    async fn verified_at(&self, name: &str) -> Option<i64> {
        self.get(name).await.map(|entry| entry.verified_at.as_secs())
    }

    fn validity(&self, name: &str, entry: &Entry) -> Validity {
        let Entry { provider, generation, soft_purged_at, .. } = entry;
        self.purge_log.validity(&id(name), *provider, *generation, *soft_purged_at)
    }

    async fn put(&self, name: &str, entry: Entry) {
        let held = Arc::new(Held::new(id(name), entry, Timestamp::EPOCH));
        match &self.store {
            Store::Memory(memory) => _ = memory.put(held),
            Store::Disk(disk) => {
                disk.put(held).await;
                // The writer answers a removal when everything before it is in the file.
                disk.remove(vec![id("nobody")]).await;
            }
            Store::Redis(redis) => _ = redis.put(&held, &mut redis.unhurried()).await.unwrap(),
        }
    }

    /// Purges as the service does: the log first, then what the store has.
    async fn purge(&self, scope: PurgeScope, kind: PurgeKind) -> Generation {
        let local = self.purge_log.next();
        let generation = match &self.store {
            Store::Redis(redis) => redis.next_generation(local).await.unwrap(),
            Store::Memory(_) | Store::Disk(_) => local,
        };
        self.purge_log.record(&scope, LastPurges::new(kind, generation));
        match &self.store {
            Store::Memory(memory) => {
                let all: Vec<_> = memory.all().collect();
                for held in all.iter().filter(|held| !self.purge_log.accepts(&held.id, &held.entry)) {
                    if kind.deletes() {
                        memory.remove(&held.id);
                    }
                }
            }
            Store::Disk(disk) => {
                let all = disk.page("", 100).await.into_iter();
                let deleted = all.filter(|meta| kind.deletes() && !self.purge_log.accepts_meta(meta));
                disk.remove(deleted.map(|meta| meta.id).collect()).await;
            }
            Store::Redis(redis) => {
                let command = redis.command(scope, kind, generation);
                redis.purge(&command).await.unwrap();
                redis.delete_covered(&command).await.unwrap();
            }
        }
        generation
    }

    /// Whether the store itself has nothing, whatever the log says.
    async fn is_empty_of(&self, name: &str) -> bool {
        match &self.store {
            Store::Memory(memory) => memory.get(name).is_none(),
            Store::Disk(disk) => disk.meta(&id(name)).await.is_none(),
            Store::Redis(redis) => {
                redis.get(&id(name), None, &mut redis.unhurried()).await.unwrap().entry.is_none()
            }
        }
    }

    /// An entry that begins now.
    fn new_entry(&self, verified_at: i64) -> Entry {
        Entry { generation: self.purge_log.current(), ..entry(verified_at) }
    }
}

fn id(name: &str) -> AvatarId {
    AvatarId::parse(name).unwrap()
}

/// An entry that began before every purge.
fn entry(verified_at: i64) -> Entry {
    let header = sniff(PNG, IMAGES).unwrap();
    let identity = Identity::from(Some("1_n.png".to_owned()));
    Entry {
        content: Content::Picture(Arc::new(Picture::new(
            PNG.into(),
            header,
            identity,
            Timestamp::from_secs(verified_at),
        ))),
        verified_at: Timestamp::from_secs(verified_at),
        link: None,
        trouble: None,
        field_missing: None,
        rest_until: Some(NOW + Duration::from_secs(60)),
        token_end: None,
        provider: Provider::Facebook,
        name: Some("Acme".into()),
        fingerprint: Fingerprint([7; 32]),
        generation: Generation::default(),
        soft_purged_at: Generation::default(),
    }
}

#[tokio::test]
async fn an_entry_comes_back_as_it_was_put_and_an_unknown_avatar_is_a_miss() {
    for bench in benches().await {
        assert!(bench.get("a").await.is_none(), "{}", bench.name);
        bench.put("a", entry(10)).await;
        let got = bench.get("a").await.unwrap();
        assert_eq!(format!("{got:?}"), format!("{:?}", entry(10)), "{}", bench.name);
        assert_eq!(got.picture().unwrap().bytes, PNG, "{}", bench.name);
        assert!(bench.get("b").await.is_none(), "{}", bench.name);
    }
}

#[tokio::test]
async fn an_entry_that_was_verified_earlier_is_refused_and_one_verified_later_is_taken() {
    for bench in benches().await {
        for (put, stays) in [(20, 20), (10, 20), (30, 30)] {
            bench.put("a", entry(put)).await;
            assert_eq!(bench.verified_at("a").await, Some(stays), "{}: {put}", bench.name);
        }
    }
}

#[tokio::test]
async fn an_entry_that_was_verified_in_the_future_is_replaced_by_any_other() {
    for bench in benches().await {
        for (put, stays) in [(900, 900), (100_000, 100_000), (999, 999), (998, 999)] {
            bench.put("a", entry(put)).await;
            assert_eq!(bench.verified_at("a").await, Some(stays), "{}: {put}", bench.name);
        }
    }
}

#[tokio::test]
async fn a_deletion_leaves_nothing_and_refuses_what_began_before_it() {
    for bench in benches().await {
        bench.put("a", entry(20)).await;
        bench.put("b", entry(20)).await;
        bench.purge(PurgeScope::one(&id("a")), PurgeKind::Hard).await;
        assert!(bench.is_empty_of("a").await, "{}", bench.name);
        assert_eq!(bench.verified_at("b").await, Some(20), "{}", bench.name);
        bench.put("a", entry(30)).await;
        assert!(bench.is_empty_of("a").await, "{}: it began before", bench.name);
        bench.put("a", bench.new_entry(10)).await;
        assert_eq!(bench.verified_at("a").await, Some(10), "{}: it began after", bench.name);
    }
}

#[tokio::test]
async fn a_soft_purge_leaves_a_stale_entry_that_only_one_which_knows_of_it_replaces() {
    for bench in benches().await {
        bench.put("a", entry(20)).await;
        let purge = bench.purge(PurgeScope::one(&id("a")), PurgeKind::Soft).await;
        let stale = bench.get("a").await.unwrap();
        assert_eq!(bench.validity("a", &stale), Validity::Stale(purge), "{}", bench.name);
        bench.put("a", entry(30)).await;
        assert_eq!(bench.verified_at("a").await, Some(20), "{}: it began before", bench.name);
        bench.put("a", Entry { soft_purged_at: purge, ..entry(15) }).await;
        let marked = bench.get("a").await.unwrap();
        assert_eq!(
            (marked.verified_at.as_secs(), bench.validity("a", &marked)),
            (15, Validity::Current),
            "{}: the same bytes, marked as stale",
            bench.name
        );
        bench.put("a", bench.new_entry(40)).await;
        assert_eq!(bench.verified_at("a").await, Some(40), "{}: refreshed since", bench.name);
    }
}

#[tokio::test]
async fn a_wide_deletion_takes_what_it_covers_and_nothing_else() {
    for bench in benches().await {
        let of_telegram = Entry { provider: Provider::Telegram, ..entry(20) };
        for (scope, stays) in [(PurgeScope::Provider(Provider::Facebook), Some(20)), (PurgeScope::All, None)]
        {
            let begun = bench.purge_log.current();
            bench.put("a", Entry { generation: begun, ..entry(20) }).await;
            bench.put("b", Entry { generation: begun, ..of_telegram.clone() }).await;
            assert_eq!(bench.verified_at("a").await, Some(20), "{}: {scope:?}", bench.name);
            bench.purge(scope.clone(), PurgeKind::Hard).await;
            assert!(bench.is_empty_of("a").await, "{}: {scope:?}", bench.name);
            assert_eq!(bench.verified_at("b").await, stays, "{}: {scope:?}", bench.name);
        }
    }
}
