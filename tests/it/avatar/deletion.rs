//! Deleting, purging, forgetting: bytes that must go, and bytes that must not come back.

use std::path::Path;
use std::time::Duration;

use graphsim::{Fault, Graphsim};

use crate::promises::rules::forgotten_after;
use crate::support::accounts::{Connected, FACEBOOK, small};
use crate::support::client::{hash, post};
use crate::support::proxy::{Proxy, START, stand_in};
use crate::support::wait::until;
use avatar_proxy::clock::Clock;

/// Whether a piece out of the picture's middle stands in any file of the disk store.
fn is_on_disk(folder: &Path, picture: &[u8]) -> bool {
    let middle = &picture[picture.len() / 2..picture.len() / 2 + 64];
    std::fs::read_dir(folder).unwrap().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        bytes.windows(middle.len()).any(|window| window == middle)
    })
}

/// A proxy that has shown its one account's picture.
async fn shown(extra: &str) -> (Graphsim, Proxy) {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    let proxy = Proxy::start(&sim, &clock, &format!("{extra}{}", FACEBOOK.entry(""))).await;
    proxy.get(&FACEBOOK.path()).await;
    (sim, proxy)
}

async fn until_on_disk(proxy: &Proxy, picture: &[u8]) {
    until("the picture is on disk", async || is_on_disk(proxy.folder.path(), picture)).await;
}

#[tokio::test]
async fn a_deleted_avatars_bytes_are_in_no_file_of_the_disk_store_and_not_in_memory() {
    let (_sim, proxy) = shown("").await;
    until_on_disk(&proxy, &small(1).bytes).await;
    assert_eq!(proxy.service.snapshot().weight().0, 1);
    let deleted = proxy.admin("DELETE", &format!("/api/avatars/{}", FACEBOOK.id)).await;
    assert_eq!(deleted.status, 200, "{}", deleted.head);
    assert_eq!(proxy.service.snapshot().weight(), (0, 0));
    assert!(!is_on_disk(proxy.folder.path(), &small(1).bytes));
    assert_eq!(proxy.admin("GET", &format!("/api/avatars/{}", FACEBOOK.id)).await.status, 404);
}

#[tokio::test]
async fn a_deletion_is_not_confirmed_while_the_disk_file_cannot_be_opened() {
    let (sim, proxy) = shown("").await;
    until_on_disk(&proxy, &small(1).bytes).await;
    let clock = proxy.clock.clone();
    let folder = proxy.stop().await;
    let lock = folder.path().join("avatar-proxy.db.lock");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    let one = format!("/api/avatars/{}", FACEBOOK.id);
    let proxy = Proxy::start_in(&sim, &clock, &FACEBOOK.entry(""), folder).await;
    let all = post(proxy.admin, "/api/purge", r#"{"all":true,"hard":true}"#).await;
    let deleted = proxy.admin("DELETE", &one).await;
    assert_eq!((deleted.status, all.status), (503, 503), "{} {}", deleted.head, all.head);
    let folder = proxy.stop().await;
    assert!(is_on_disk(folder.path(), &small(1).bytes));
    std::fs::remove_dir(&lock).unwrap();
    let proxy = Proxy::start_in(&sim, &clock, &FACEBOOK.entry(""), folder).await;
    assert_eq!(proxy.admin("DELETE", &one).await.status, 200);
    assert!(!is_on_disk(proxy.folder.path(), &small(1).bytes));
}

#[tokio::test]
async fn without_a_file_a_deletion_is_done_in_memory() {
    let (_sim, proxy) = shown("disk.path = \"\"\n").await;
    assert_eq!(proxy.admin("DELETE", &format!("/api/avatars/{}", FACEBOOK.id)).await.status, 200);
}

#[tokio::test]
async fn a_first_refresh_that_waits_its_turn_makes_no_call_after_its_connection_is_deleted() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let second = Connected { id: "second", account: "204500000000003", token: "EAAsecond", ..FACEBOOK };
    FACEBOOK.add(&sim, small(1));
    second.add(&sim, small(2));
    let slow = Fault::Latency(Duration::from_millis(600));
    sim.api_fault(Some(FACEBOOK.account), Some(slow));
    let entries = FACEBOOK.entry("") + &second.entry("");
    let proxy = Proxy::start(&sim, &clock, &format!("providers.facebook.max_calls = 1\n{entries}")).await;
    let (first, second_path) = (FACEBOOK.path(), second.path());
    let meanwhile = async {
        proxy.has_running(1).await;
        let delete = async {
            proxy.has_waiting(1).await;
            proxy.admin("DELETE", "/api/avatars/second").await
        };
        tokio::join!(proxy.get(&second_path), delete)
    };
    let (first, (waited, deleted)) = tokio::join!(proxy.get(&first), meanwhile);
    assert_eq!((first.state(), waited.state(), deleted.status), ("fresh", "placeholder", 200));
    proxy.settled().await;
    assert_eq!(sim.api_calls(second.account), 0);
    assert_eq!(proxy.admin("GET", "/api/avatars/second").await.status, 404);
}

#[tokio::test]
async fn a_refresh_under_way_brings_nothing_back() {
    let (sim, proxy) = shown("").await;
    until_on_disk(&proxy, &small(1).bytes).await;
    sim.set_picture(FACEBOOK.account, Some(small(2)));
    sim.cdn_fault(None, Some(Fault::Latency(Duration::from_millis(300))));
    proxy.clock.advance(Duration::from_secs(6 * 3600 + 1));
    proxy.get(&FACEBOOK.path()).await;
    assert_ne!(proxy.service.snapshot().depth().0, 0, "a refresh is under way");
    proxy.admin("DELETE", &format!("/api/avatars/{}", FACEBOOK.id)).await;
    proxy.idle().await;
    for picture in [small(1), small(2)] {
        assert!(!is_on_disk(proxy.folder.path(), &picture.bytes));
    }
    assert_eq!(proxy.admin("GET", &format!("/api/avatars/{}", FACEBOOK.id)).await.status, 404);
    // The next view starts afresh.
    assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(2).bytes));
}

#[tokio::test]
async fn a_soft_purge_shows_the_old_picture_while_the_provider_is_asked() {
    let (sim, proxy) = shown("").await;
    sim.set_picture(FACEBOOK.account, Some(small(2)));
    let purged = proxy.admin("POST", &format!("/api/avatars/{}/purge", FACEBOOK.id)).await;
    assert_eq!(
        (purged.status, String::from_utf8_lossy(&purged.body).as_ref()),
        (200, r#"{"avatars":1,"status":"purged"}"#)
    );
    let old = proxy.get(&FACEBOOK.path()).await;
    assert_eq!((old.state(), old.hash()), ("stale", hash(&small(1).bytes)));
    proxy.get_until(&FACEBOOK.path(), |answer| answer.hash() == hash(&small(2).bytes)).await;
}

#[tokio::test]
pub(crate) async fn bytes_that_were_not_confirmed_within_forget_after_are_deleted() {
    let (sim, proxy) = shown("").await;
    until_on_disk(&proxy, &small(1).bytes).await;
    sim.api_fault(None, Some(Fault::Close));
    proxy.clock.advance(forgotten_after());
    assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "placeholder");
    assert!(!is_on_disk(proxy.folder.path(), &small(1).bytes));
}
