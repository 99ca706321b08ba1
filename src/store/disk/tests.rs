//! What only the disk can get wrong; [`contract_tests`](crate::store::contract_tests) have what every store promises.

use std::sync::Arc;

use crate::clock::Clock;
use crate::task_pool::TaskPool;
use crate::telemetry::Metrics;
use proptest::prelude::*;
use sqlx::Connection;

use super::{Destination, LastSequence};
use crate::model::{
    AvatarEvent, AvatarId, Content, Entry, EventKind, Fingerprint, Generation, Identity, ImagesConfig,
    Picture, Provider, PurgeKind, PurgeScope, Timestamp, TokenEnd, Trouble, TroubleClass, sniff,
};
use crate::store::{Disk, DiskConfig, Health, Held, LastPurges, PurgeLog, StoredPurge};

const IMAGES: ImagesConfig = ImagesConfig { max_pixels: 1_000_000 };
const NOW: Timestamp = Timestamp::from_secs(1000);
const PNG: &[u8] = include_bytes!("../../../tests/fixtures/pictures/picture.png");

fn picture(identity: Option<String>) -> Content {
    let header = sniff(PNG, IMAGES).unwrap();
    let modified = Timestamp::from_secs(1_700_000_000);
    Content::Picture(Arc::new(Picture::new(PNG.into(), header, Identity::from(identity), modified)))
}

fn entry(content: Content, verified_at: i64) -> Entry {
    Entry {
        content,
        verified_at: Timestamp::from_secs(verified_at),
        link: None,
        trouble: None,
        field_missing: None,
        rest_until: None,
        token_end: None,
        provider: Provider::Facebook,
        name: None,
        fingerprint: Fingerprint([7; 32]),
        generation: Generation::default(),
        soft_purged_at: Generation::default(),
    }
}

fn held(entry: Entry) -> Arc<Held> {
    Arc::new(Held::new(id(), entry, Timestamp::EPOCH))
}

fn id() -> AvatarId {
    AvatarId::parse("a").unwrap()
}

struct Opened {
    disk: Disk,
    purge_log: Arc<PurgeLog>,
    background: TaskPool,
    metrics: Arc<Metrics>,
    path: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

async fn open() -> Opened {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("x.db");
    let (purge_log, background) = (Arc::new(PurgeLog::default()), TaskPool::here());
    let config = DiskConfig { path: Some(path.clone()), max_bytes: 1 << 20 };
    let (clock, metrics) = (Clock::manual(NOW), Arc::new(Metrics::default()));
    let disk =
        Disk::open(&config, IMAGES, purge_log.clone(), clock, &background, metrics.clone()).await.unwrap();
    Opened { disk, purge_log, background, metrics, path, _folder: folder }
}

impl Opened {
    /// Closes it and opens the file again, as a restart does.
    async fn restarted(self) -> Self {
        self.disk.close().await;
        drop(self.disk);
        self.background.ended().await;
        let (purge_log, background) = (Arc::new(PurgeLog::default()), TaskPool::here());
        let config = DiskConfig { path: Some(self.path.clone()), max_bytes: 1 << 20 };
        let (clock, metrics) = (Clock::manual(NOW), Arc::new(Metrics::default()));
        let disk = Disk::open(&config, IMAGES, purge_log.clone(), clock, &background, metrics.clone())
            .await
            .unwrap();
        Self { disk, purge_log, background, metrics, ..self }
    }

    /// Changes the file behind the store's back.
    async fn damage(&self, statement: &'static str) {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&self.path);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

fn a_trouble() -> impl Strategy<Value = Trouble> {
    let class = prop_oneof![
        Just(TroubleClass::Transient),
        Just(TroubleClass::Throttled),
        Just(TroubleClass::NeedsReauth),
        Just(TroubleClass::Denied),
        Just(TroubleClass::NoConsent),
        Just(TroubleClass::Misconfigured),
    ];
    let times = (any::<i64>(), proptest::option::of(any::<i64>()));
    (class, ".{0,40}", times, any::<u32>(), proptest::option::of(any::<[u8; 32]>())).prop_map(
        |(class, reason, (at, retry_at), failures, fingerprint)| Trouble {
            class,
            reason,
            at: Timestamp::from_millis(at),
            retry_at: retry_at.map(Timestamp::from_millis),
            failures,
            fingerprint: fingerprint.map(Fingerprint),
            needs_action: class.needs_action(),
        },
    )
}

fn an_entry() -> impl Strategy<Value = Entry> {
    let content = prop_oneof![
        Just(Content::Nothing),
        Just(Content::NoPicture),
        proptest::option::of("[^\0]{0,40}").prop_map(picture),
    ];
    let missing = proptest::option::of((any::<u32>(), any::<i64>()));
    let row = (proptest::option::of("[^\0]{0,20}"), any::<[u8; 32]>());
    let token_end =
        (any::<i64>(), proptest::option::of(any::<i64>()), any::<bool>()).prop_map(|(at, noted, told)| {
            TokenEnd {
                at: Timestamp::from_millis(at),
                noted_at: noted.map(Timestamp::from_millis),
                is_from_provider: told,
            }
        });
    let token_end = proptest::option::of(token_end);
    (content, any::<i64>(), proptest::option::of(a_trouble()), missing, row, token_end).prop_map(
        |(content, verified_at, trouble, missing, (name, fingerprint), token_end)| Entry {
            token_end,
            verified_at: Timestamp::from_millis(verified_at),
            trouble,
            field_missing: missing.map(|(count, since)| (count, Timestamp::from_millis(since))),
            name: name.map(Arc::from),
            fingerprint: Fingerprint(fingerprint),
            ..entry(content, 0)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_entry_comes_back_from_the_file_as_it_was_put(entry in an_entry()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let opened = open().await;
            opened.disk.put(held(entry.clone())).await;
            let opened = opened.restarted().await;
            let read = opened.disk.get(&id(), Timestamp::EPOCH).await.expect("kept");
            assert_eq!(format!("{read:?}"), format!("{entry:?}"));
            let bytes = |entry: &Entry| entry.picture().map(|picture| picture.bytes.clone());
            assert_eq!(bytes(&read), bytes(&entry));
        });
    }
}

#[tokio::test]
async fn a_damaged_row_is_a_miss_and_is_dropped() {
    for damage in [
        "UPDATE avatar SET bytes = x'ffd8ff00'",
        "UPDATE avatar SET checksum = x'00'",
        "UPDATE avatar SET content = 'else'",
        "UPDATE avatar SET fingerprint = x'00'",
        "UPDATE avatar SET provider = 'My Space'",
        "UPDATE avatar SET version = 99",
    ] {
        let opened = open().await;
        opened.disk.put(held(entry(picture(None), 1))).await;
        let opened = opened.restarted().await;
        opened.damage(damage).await;
        assert!(opened.disk.get(&id(), Timestamp::EPOCH).await.is_none(), "{damage}");
        assert!(opened.disk.page("", 10).await.is_empty(), "{damage}");
        assert_eq!(opened.disk.health(), Health::Well);
    }
}

#[tokio::test]
async fn an_entry_that_was_viewed_in_the_future_counts_as_used_now() {
    let opened = open().await;
    let ahead = held(entry(Content::NoPicture, 100_000));
    ahead.view(ahead.entry.verified_at);
    for held in [ahead, held(entry(Content::NoPicture, 999))] {
        opened.disk.put(held).await;
        // A removal of another avatar is answered when everything before it is written.
        opened.disk.remove(vec![AvatarId::parse("other").unwrap()]).await;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&opened.path);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let used_at = sqlx::query_scalar("SELECT used_at FROM avatar").fetch_one(&mut connection).await;
        assert_eq!(used_at.ok(), Some(NOW.as_millis()), "or it would stay while others are dropped");
    }
}

#[tokio::test]
async fn a_file_of_the_first_release_is_upgraded() {
    let opened = open().await;
    opened.disk.put(held(entry(picture(None), 1))).await;
    let opened = opened.restarted().await;
    opened.damage("ALTER TABLE avatar DROP COLUMN generation; ALTER TABLE avatar DROP COLUMN obeyed").await;
    let opened = opened.restarted().await;
    let read = opened.disk.get(&id(), Timestamp::EPOCH).await.expect("kept");
    assert_eq!(read.generation, Generation(0));
    assert!(read.picture().is_some());
}

#[tokio::test]
async fn a_file_without_a_sweep_stores_the_last_one() {
    let opened = open().await;
    opened.damage("DROP TABLE swept").await;
    let opened = opened.restarted().await;
    assert_eq!(opened.disk.last_sweep().await, None);
    for secs in [10, 20] {
        opened.disk.put_last_sweep(Timestamp::from_secs(secs)).await;
    }
    let opened = opened.restarted().await;
    assert_eq!(opened.disk.last_sweep().await, Some(Timestamp::from_secs(20)));
}

#[tokio::test]
async fn a_file_without_a_table_for_walks_gets_one_and_keeps_the_last_walk_until_it_is_done() {
    let opened = open().await;
    opened.damage("DROP TABLE warming").await;
    let opened = opened.restarted().await;
    assert_eq!(opened.disk.walk().await, None);
    for walk in ["early", "late"] {
        opened.disk.put_walk(Some(walk.to_owned())).await;
    }
    let opened = opened.restarted().await;
    assert_eq!(opened.disk.walk().await.as_deref(), Some("late"));
    opened.disk.put_walk(None).await;
    assert_eq!(opened.restarted().await.disk.walk().await, None);
}

#[tokio::test]
async fn generations_go_on_after_a_restart() {
    let opened = open().await;
    opened.purge_log.catch_up(Generation(7));
    let purged = Entry { generation: Generation(7), ..entry(Content::NoPicture, 1) };
    opened.disk.put(held(purged)).await;
    let opened = opened.restarted().await;
    assert_eq!(opened.purge_log.next(), Generation(8));
    assert_eq!(opened.disk.get(&id(), Timestamp::EPOCH).await.unwrap().generation, Generation(7));
}

#[tokio::test]
async fn purges_stay_until_they_are_published_and_have_grown_old() {
    let opened = open().await;
    let stored = |scope: &PurgeScope, kind, generation, published| StoredPurge {
        scope: scope.clone(),
        kind,
        generation: Generation(generation),
        published,
    };
    let (a, b) = (PurgeScope::one(&id()), PurgeScope::Provider(Provider::Telegram));
    let (deleted, stale) = (stored(&a, PurgeKind::Hard, 5, false), stored(&b, PurgeKind::Soft, 6, false));
    opened.disk.put_purges(vec![deleted.clone(), stale.clone()]).await;
    // A later soft purge says nothing of the deletion before it.
    opened.disk.put_purges(vec![stored(&a, PurgeKind::Soft, 9, true)]).await;
    let opened = opened.restarted().await;
    assert_eq!(opened.disk.purges(Generation(100)).await, [deleted.clone(), stale]);
    let published = [stored(&b, PurgeKind::Soft, 10, true), stored(&a, PurgeKind::Hard, 11, true)];
    opened.disk.put_purges(published.to_vec()).await;
    opened.disk.put_purges(vec![deleted]).await;
    let opened = opened.restarted().await;
    assert_eq!(opened.disk.purges(Generation(10)).await, published);
    assert_eq!(opened.disk.purges(Generation(11)).await, published[1..]);
}

fn changed(discriminator: &str) -> AvatarEvent {
    AvatarEvent {
        id: id(),
        provider: Provider::Facebook,
        kind: EventKind::Changed,
        at: Timestamp::from_secs(5),
        discriminator: discriminator.to_owned(),
        reason: None,
        etag: Some(discriminator.to_owned()),
    }
}

#[tokio::test]
async fn events_wait_in_their_order_over_a_restart_and_keep_their_numbers() {
    let opened = open().await;
    let now = Timestamp::from_secs(10);
    opened.disk.put_with_events(held(entry(picture(None), 1)), vec![changed("a"), changed("b")]).await;
    let outbox = opened.disk.outbox(Destination::Webhook).unwrap();
    assert!(outbox.oldest().await.is_none(), "it has no number yet");
    let first = outbox.unnumbered().await.unwrap();
    assert_eq!(first.event, changed("a"));
    assert!(outbox.set_sequence(first, 77, now).await);
    drop(outbox);
    let opened = opened.restarted().await;
    let outbox = opened.disk.outbox(Destination::Webhook).unwrap();
    assert_eq!(outbox.waiting(), 2);
    let first = outbox.oldest().await.unwrap();
    assert_eq!((first.event, first.sequence), (changed("a"), Some(77)));
    assert!(outbox.delivered(first.number).await);
    assert_eq!((outbox.waiting(), outbox.unnumbered().await.unwrap().event), (1, changed("b")));
    let told = outbox.last_sequences(&id(), now).await;
    assert_eq!(
        told,
        [LastSequence { dimension: "picture".to_owned(), dedup_key: "changed a".to_owned(), sequence: 77 }]
    );
    let month = std::time::Duration::from_secs(31 * 24 * 3600);
    assert_eq!(outbox.last_sequences(&id(), now + month).await, []);
    let second = outbox.unnumbered().await.unwrap();
    assert!(outbox.drop_old(second.number).await);
    assert_eq!((outbox.waiting(), opened.metrics.webhooks.dropped_old.get()), (0, 1));
}

#[tokio::test]
async fn an_entry_that_was_deleted_meanwhile_emits_no_event() {
    let opened = open().await;
    let purge = opened.purge_log.next();
    opened.purge_log.record(&PurgeScope::one(&id()), LastPurges::new(PurgeKind::Hard, purge));
    opened.disk.put_with_events(held(entry(picture(None), 1)), vec![changed("a")]).await;
    assert_eq!(opened.disk.outbox(Destination::Webhook).unwrap().waiting(), 0);
}

#[tokio::test]
async fn events_that_the_disk_cannot_store_wait_in_memory_and_lost_ones_are_counted() {
    let opened = open().await;
    let outbox = opened.disk.outbox(Destination::Webhook).unwrap();
    opened.damage("ALTER TABLE event RENAME TO away").await;
    opened.disk.put_events(vec![changed("a"), changed("b"), changed("c")]).await;
    assert_eq!((outbox.waiting(), outbox.unwritten(), opened.metrics.webhooks.lost.get()), (0, 3, 0));
    assert!(matches!(opened.disk.health(), Health::Degraded(_)));
    assert!(opened.disk.meta(&id()).await.is_none());
    assert!(matches!(opened.disk.health(), Health::Degraded(_)), "that it can be read is no proof");
    opened.disk.put_events(vec![changed("d"); 999]).await;
    assert_eq!((outbox.unwritten(), opened.metrics.webhooks.lost.get()), (1000, 2));
    opened.damage("ALTER TABLE away RENAME TO event").await;
    opened.disk.put_events(vec![changed("e")]).await;
    assert_eq!((outbox.waiting(), outbox.unwritten(), opened.metrics.webhooks.lost.get()), (1001, 0, 2));
    assert_eq!(outbox.unnumbered().await.unwrap().event, changed("c"));
    assert!(matches!(opened.disk.health(), Health::Well));
}

#[tokio::test]
async fn events_in_a_file_from_before_destinations_had_cursors_are_each_sent_once() {
    let opened = open().await;
    opened.disk.put_events(vec![changed("a"), changed("b"), changed("c")]).await;
    // The version before deleted an event with its delivery; the numbers that follow stay above it.
    opened.damage("DROP TABLE cursor; DELETE FROM event WHERE mark = 'a'").await;
    let opened = opened.restarted().await;
    for event in ["b", "c"] {
        let outbox = opened.disk.outbox(Destination::Webhook).unwrap();
        let waiting = outbox.unnumbered().await.unwrap();
        assert_eq!(waiting.event, changed(event));
        assert!(outbox.set_sequence(waiting, 1, NOW).await);
        assert!(outbox.delivered(outbox.oldest().await.unwrap().number).await);
    }
    let opened = opened.restarted().await;
    let outbox = opened.disk.outbox(Destination::Webhook).unwrap();
    assert!(outbox.oldest().await.is_none());
    assert_eq!(outbox.waiting(), 0);
    opened.disk.put_events(vec![changed("d")]).await;
    assert_eq!(outbox.unnumbered().await.unwrap().event, changed("d"));
}

#[tokio::test]
async fn an_event_that_this_version_cannot_read_takes_none_before_it_along() {
    let opened = open().await;
    let outbox = opened.disk.outbox(Destination::Webhook).unwrap();
    opened.disk.put_events(vec![changed("a"), changed("b"), changed("c")]).await;
    let waiting = outbox.unnumbered().await.unwrap();
    assert!(outbox.set_sequence(waiting, 1, NOW).await);
    opened.damage("UPDATE event SET kind = 'of a later version' WHERE mark = 'b'").await;
    assert_eq!(outbox.unnumbered().await.unwrap().event, changed("c"));
    assert_eq!(outbox.oldest().await.unwrap().event, changed("a"));
    assert_eq!((outbox.waiting(), opened.metrics.webhooks.lost.get()), (2, 1));
}
