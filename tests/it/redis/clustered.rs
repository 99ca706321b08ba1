//! Two instances over a cluster of six nodes: slots move and a primary is lost while they serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use avatar_proxy::clock::Stopwatch;
use graphsim::{Account, Graphsim, Kind};

use super::acl::{CLUSTER, SMALLEST};
use super::purges::purge;
use super::util::{body, on, until, world};
use crate::support::accounts::small;
use crate::support::cluster::{Cluster, slots_of};
use crate::support::proxy::Proxy;

const PAGES: usize = 60;
/// So many slots move, and so many of the pages lie in them.
const MOVED: usize = 120;
const IN_MOVED: usize = 15;

/// Ids all over the slots, [`IN_MOVED`] of them in the slots that move.
fn ids(cluster: &Cluster) -> Vec<String> {
    let moved = &slots_of(&cluster.nodes[0])[..MOVED];
    let candidates: Vec<String> = (0..6000).map(|number| format!("page-{number}")).collect();
    let mut pipe = redis::pipe();
    for id in &candidates {
        pipe.cmd("CLUSTER").arg("KEYSLOT").arg(id);
    }
    let slots: Vec<u16> = pipe.query(&mut cluster.nodes[0].connection().unwrap()).unwrap();
    let (inside, outside): (Vec<_>, Vec<_>) =
        candidates.into_iter().zip(slots).partition(|(_, slot)| moved.contains(slot));
    assert!(inside.len() >= IN_MOVED, "{}", inside.len());
    let inside = inside.into_iter().take(IN_MOVED);
    inside.chain(outside.into_iter().take(PAGES - IN_MOVED)).map(|(id, _)| id).collect()
}

/// A page for each id, as `[[connection]]` blocks.
fn pages(sim: &Graphsim, ids: &[String]) -> String {
    let page = |(number, id): (usize, &String)| {
        let (account, token) = (format!("20450000000{number:04}"), format!("EAAtoken-of-{id}"));
        sim.add(Account::new(Kind::Facebook, &account, &token, small(1)));
        format!(
            "[[connection]]\nid = \"{id}\"\nprovider = \"facebook\"\naccount = \"{account}\"\n\
             token = \"plain:{token}\"\n"
        )
    };
    ids.iter().enumerate().map(page).collect()
}

fn calls(sim: &Graphsim) -> usize {
    (0..PAGES).map(|number| sim.api_calls(&format!("20450000000{number:04}"))).sum()
}

#[track_caller]
fn entries(cluster: &Cluster, index: usize) -> usize {
    cluster.nodes[index].keys().iter().filter(|key| key.ends_with(":entry")).count()
}

async fn view_all(instance: &Proxy, ids: &[String]) {
    for id in ids {
        let answer = instance.get(&format!("/avatar/{id}")).await;
        assert_eq!((answer.status, answer.state(), answer.complete), (200, "fresh", true), "{id}");
    }
    instance.settled().await;
}

/// What one downloads the other has, and a purge of the provider leaves nothing on any node.
async fn assert_one(sim: &Graphsim, cluster: &Cluster, [first, second]: [&Proxy; 2], ids: &[String]) {
    let before = calls(sim);
    view_all(first, ids).await;
    view_all(second, ids).await;
    assert_eq!(calls(sim) - before, PAGES, "both asked the provider");
    let primaries = cluster.primaries();
    assert!(primaries.iter().all(|index| entries(cluster, *index) > 0), "one primary holds nothing");
    let answer = purge(first, r#"{"provider":"facebook","hard":true}"#).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(body(&answer)["instances"]["done"].as_array().unwrap().len(), 2);
    assert!(primaries.iter().all(|index| entries(cluster, *index) == 0), "{:?}", cluster.keys());
}

#[tokio::test]
async fn a_cluster_is_shared_while_slots_move_and_after_a_primary_is_lost() {
    let cluster = Arc::new(Cluster::start());
    for node in &cluster.nodes {
        node.cli(&[&["ACL", "SETUSER"], &SMALLEST[..], &CLUSTER[..]].concat());
    }
    let ids = ids(&cluster);
    let (sim, clock) = world().await;
    let extra = pages(&sim, &ids);
    let url = cluster.url().replace("://", "://avatar:hunter2@");
    let (first, second) = (on(&sim, &clock, &url, &extra).await, on(&sim, &clock, &url, &extra).await);
    assert_one(&sim, &cluster, [&first, &second], &ids).await;
    let refused = |index: usize| cluster.nodes[index].cli(&["ACL", "LOG"]);
    assert_eq!([0, 1, 2].map(refused), ["", "", ""]);

    // Purged at one and viewed at the other, again and again, while slots with these keys move.
    view_all(&first, &ids).await;
    let (moving, done) = (cluster.clone(), Arc::new(AtomicBool::new(false)));
    let is_done = done.clone();
    let watch = Stopwatch::start();
    let mover = std::thread::spawn(move || {
        moving.reshard(MOVED);
        is_done.store(true, Ordering::SeqCst);
    });
    let mut requests = 0;
    while !done.load(Ordering::SeqCst) {
        for id in &ids[..IN_MOVED] {
            let purged = first.admin("DELETE", &format!("/api/avatars/{id}")).await;
            assert_eq!(purged.status, 200, "{id}: {}", String::from_utf8_lossy(&purged.body));
            let answer = second.get(&format!("/avatar/{id}")).await;
            assert_eq!((answer.status, answer.state()), (200, "fresh"), "{id}");
            requests += 2;
        }
    }
    mover.join().unwrap();
    println!("{MOVED} slots moved in {:?} during {requests} requests", watch.elapsed());
    assert_eq!(purge(&first, r#"{"provider":"facebook","hard":true}"#).await.status, 200);
    assert_one(&sim, &cluster, [&first, &second], &ids).await;

    view_all(&first, &ids).await;
    let watch = Stopwatch::start();
    let lost = cluster.primaries()[2];
    cluster.kill(lost);
    while cluster.primaries().len() < 3 || !cluster.is_well() {
        view_all(&first, &ids).await;
        view_all(&second, &ids).await;
    }
    println!("another primary after {:?}", watch.elapsed());
    let watch = Stopwatch::start();
    until("a purge reaches both again", async || {
        purge(&first, r#"{"provider":"facebook","hard":true}"#).await.status == 200
            && purge(&second, r#"{"provider":"facebook","hard":true}"#).await.status == 200
    })
    .await;
    println!("followed after {:?}", watch.elapsed());
    assert_one(&sim, &cluster, [&first, &second], &ids).await;
}
