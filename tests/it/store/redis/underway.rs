//! A picture that is deleted while it is on its way is shown to no viewer that comes after the deletion.

use std::time::Duration;

use graphsim::Fault;

use super::util::{body, disturbed, instance, on, until, world};
use crate::support::accounts::{FACEBOOK, large, small};
use crate::support::chaos::Mode;
use crate::support::client::hash;
use crate::support::redis::RedisServer;

/// The way to Redis, one way. An instance behind it needs a second to tell what it has.
const SLOW: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finished_refresh_that_is_not_published_yet_shows_nothing_that_was_deleted() {
    let (sim, clock) = world().await;
    let redis = RedisServer::start();
    let (chaos, url) = disturbed(&redis);
    let patient = "[redis]\ntimeout = \"3s\"\n";
    let ordering = on(&sim, &clock, &redis.url(), patient).await;
    let slow = on(&sim, &clock, &url, patient).await;
    chaos.set(Mode::Delay(SLOW));
    let old = slow.get(&FACEBOOK.path()).await.hash();
    assert_eq!(old, hash(&small(1).bytes));
    sim.set_picture(FACEBOOK.account, Some(small(2)));
    let deleted = ordering.admin("DELETE", &format!("/api/avatars/{}", FACEBOOK.id)).await;
    assert_eq!((deleted.status, &body(&deleted)["instances"]["missing"]), (200, &serde_json::json!([])));
    let after = slow.get(&FACEBOOK.path()).await;
    assert_ne!(after.hash(), old, "{}", after.head);
    chaos.set(Mode::Pass);
    slow.get_until(&FACEBOOK.path(), |answer| answer.hash() == hash(&small(2).bytes)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_began_before_a_deletion_reaches_only_viewers_from_before_it() {
    let (sim, clock) = world().await;
    sim.set_picture(FACEBOOK.account, Some(large(1)));
    let pieces = Fault::Slow { chunk: large(1).bytes.len() / 4, pause: Duration::from_millis(150) };
    sim.cdn_fault_times(None, pieces, 1);
    let proxy = instance(&sim, &clock, "").await;
    let address = proxy.address;
    let first = tokio::task::JoinSet::from_iter([crate::support::client::try_request(
        address,
        "GET",
        "/avatar/clx3facebook",
    )]);
    until("it is on its way", async || sim.downloads(FACEBOOK.account) == 1).await;
    sim.set_picture(FACEBOOK.account, Some(large(2)));
    let deleted = proxy.admin("DELETE", &format!("/api/avatars/{}", FACEBOOK.id)).await;
    assert_eq!(deleted.status, 200);
    let after = proxy.get(&FACEBOOK.path()).await;
    assert_ne!(after.hash(), hash(&large(1).bytes), "{}", after.head);
    let before = first.join_all().await.remove(0).expect("an answer");
    assert_eq!(before.hash(), hash(&large(1).bytes), "{}", before.head);
    proxy.get_until(&FACEBOOK.path(), |answer| answer.hash() == hash(&large(2).bytes)).await;
}
