//! Two instances over a cluster: slots move, a primary is lost that has a replica, and one that has none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use avatar_proxy::clock::{Clock, Stopwatch};
use graphsim::{Account, Graphsim, Kind};
use tempfile::TempDir;
use tokio::task::block_in_place;

use super::acl::{CLUSTER, SMALLEST};
use super::purges::{purge, purge_at};
use super::util::{body, on, redis_at, status, until, world};
use crate::support::accounts::small;
use crate::support::certificates::Certificates;
use crate::support::client;
use crate::support::cluster::{Cluster, slots_of};
use crate::support::process::Process;
use crate::support::proxy::{Proxy, merged, stand_in};
use crate::support::redis::USER;

const PAGES: usize = 60;
/// How many slots move, and how many of the pages lie in them.
const MOVED: usize = 120;
const IN_MOVED: usize = 15;

/// Ids in all slots: first a number of them in these slots, then a number in others.
fn ids(cluster: &Cluster, slots: &[u16], [inside, outside]: [usize; 2]) -> Vec<String> {
    let candidates: Vec<String> = (0..6000).map(|number| format!("page-{number}")).collect();
    let mut pipe = redis::pipe();
    for id in &candidates {
        pipe.cmd("CLUSTER").arg("KEYSLOT").arg(id);
    }
    let theirs: Vec<u16> = pipe.query(&mut cluster.nodes[0].connection().unwrap()).unwrap();
    let (within, without): (Vec<_>, Vec<_>) =
        candidates.into_iter().zip(theirs).partition(|(_, slot)| slots.contains(slot));
    assert!(within.len() >= inside, "{}", within.len());
    let within = within.into_iter().take(inside);
    within.chain(without.into_iter().take(outside)).map(|(id, _)| id).collect()
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

/// A purge of avatars that do not exist, in the slots of every node: it is repeated later where it fails, and must not
/// touch those that are viewed then.
fn nobody() -> String {
    let ids: Vec<String> = (0..40).map(|number| format!("nobody-{number}")).collect();
    serde_json::json!({ "ids": ids, "hard": true }).to_string()
}

fn calls(sim: &Graphsim, pages: std::ops::Range<usize>) -> usize {
    pages.map(|number| sim.api_calls(&format!("20450000000{number:04}"))).sum()
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

/// What one downloads the other has, and it can be purged.
async fn assert_one(sim: &Graphsim, cluster: &Cluster, [first, second]: [&Proxy; 2], ids: &[String]) {
    assert_eq!(calls_of_both(sim, [first, second], ids).await, PAGES, "both asked the provider");
    assert_purged(cluster, first).await;
}

/// How often the provider is asked when both view all.
async fn calls_of_both(sim: &Graphsim, instances: [&Proxy; 2], ids: &[String]) -> usize {
    let before = calls(sim, 0..PAGES);
    for instance in instances {
        view_all(instance, ids).await;
    }
    calls(sim, 0..PAGES) - before
}

/// A purge of the provider leaves nothing on any node.
async fn assert_purged(cluster: &Cluster, first: &Proxy) {
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
    let ids = ids(&cluster, &slots_of(&cluster.nodes[0])[..MOVED], [IN_MOVED, PAGES - IN_MOVED]);
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
    // Each of them must find the new primary by itself.
    until("both are subscribed", async || {
        status(&first).await["subscribed"] == true && status(&second).await["subscribed"] == true
    })
    .await;
    until("what one downloads the other has again", async || {
        purge(&first, r#"{"provider":"facebook","hard":true}"#).await.status == 200
            && calls_of_both(&sim, [&first, &second], &ids).await == PAGES
    })
    .await;
    println!("followed after {:?}", watch.elapsed());
    assert_purged(&cluster, &first).await;

    // One that accepts and answers nothing, while the others answer.
    view_all(&first, &ids).await;
    cluster.nodes[cluster.primaries()[0]].signal("STOP");
    until("the replica of a primary that hangs is written to", async || {
        purge(&first, r#"{"provider":"facebook","hard":true}"#).await.status == 200
            && calls_of_both(&sim, [&first, &second], &ids).await == PAGES
    })
    .await;
}

/// Pages of each stage, in the slots that are lost and in the others.
const LOST: usize = 4;
const LIVE: usize = 8;
const BOTH: usize = LOST + LIVE;

/// Two processes on a cluster, and pages for some stages.
struct Bare {
    sim: Graphsim,
    instances: Vec<(Process, TempDir)>,
    ids: Vec<String>,
}

impl Bare {
    async fn start(cluster: &Cluster, certificates: &Certificates, lost: usize, stages: usize) -> Self {
        let lost = slots_of(&cluster.nodes[lost]);
        let ids = ids(cluster, &lost, [LOST * stages, LIVE * stages]);
        // The lost ones of the first stage, the live ones of the first stage, ..
        let (within, without) = ids.split_at(LOST * stages);
        let ids: Vec<String> = within
            .chunks(LOST)
            .zip(without.chunks(LIVE))
            .flat_map(|(lost, live)| [lost, live].concat())
            .collect();
        let clock = Clock::system();
        let sim = stand_in(&clock).await;
        let settings = redis_at(&cluster.url()) + "[redis.tls]\n";
        let own =
            format!("[redis]\ntimeout = \"250ms\"\n[redis.tls]\nca = \"{}\"\n", certificates.ca.display());
        let settings = merged(&settings, &own) + &pages(&sim, &ids);
        let mut instances = Vec::new();
        for _ in 0..2 {
            let folder = TempDir::new().unwrap();
            instances.push((Process::start(&sim, folder.path(), &settings, &[]).await, folder));
        }
        let all = Self { sim, instances, ids };
        all.until("both are subscribed", "/api/redis", |said| said["subscribed"] == true).await;
        all
    }

    async fn until(&self, what: &str, target: &str, right: impl Fn(&serde_json::Value) -> bool) {
        until(what, async || {
            for (process, _) in &self.instances {
                if !right(&body(&client::request(process.admin, "GET", target, "").await)) {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// Waits until every instance may write everywhere.
    async fn until_writable(&self) {
        until("every slot takes what is written", async || {
            for (process, _) in &self.instances {
                if purge_at(process.admin, &nobody()).await.status != 200 {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// Views all pages of one stage at one instance and then at the other, again and again; each answer is
    /// whole. How long the slowest took.
    async fn view(&self, stage: usize, lasts: Duration) -> Duration {
        let (watch, mut slowest) = (Stopwatch::start(), Duration::ZERO);
        while watch.elapsed() < lasts {
            for (process, _) in &self.instances {
                for id in &self.ids[stage * BOTH..][..BOTH] {
                    let one = Stopwatch::start();
                    let answer = process.get(&format!("/avatar/{id}")).await;
                    slowest = slowest.max(one.elapsed());
                    let cached = answer.header("cache-status").unwrap_or_default().to_owned();
                    assert_eq!((answer.status, answer.complete), (200, true), "{id}: {cached}");
                    assert_eq!(answer.state(), "fresh", "{id}: {cached}");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        slowest
    }

    /// How often the provider was asked for the pages of a stage in the slots that are lost, and for the others.
    fn calls(&self, stage: usize) -> (usize, usize) {
        let first = stage * BOTH;
        (calls(&self.sim, first..first + LOST), calls(&self.sim, first + LOST..first + BOTH))
    }

    /// How often each of these lines stands in the log of every instance.
    #[track_caller]
    fn assert_logged(&self, lines: [(&str, usize); 3]) {
        for (process, _) in &self.instances {
            let log = process.log();
            for (line, times) in lines {
                assert_eq!(log.lines().filter(|said| said.contains(line)).count(), times, "{line}: {log}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn a_lost_shard_takes_nothing_from_the_others_and_a_cluster_that_refuses_all_is_away() {
    let certificates = Certificates::create(USER);
    let cluster = Cluster::start_bare_with_tls(&certificates);
    let coverage = |wanted: &str| {
        for node in cluster.nodes.iter().filter(|node| node.is_running()) {
            node.cli(&["CONFIG", "SET", "cluster-require-full-coverage", wanted]);
            // A node thinks about its cluster again when something about a slot is said.
            node.cli(&["CLUSTER", "SETSLOT", "0", "STABLE"]);
        }
    };
    coverage("no");
    // What belongs to no avatar lies in the slots of the first node.
    let bare = Bare::start(&cluster, &certificates, 1, 4).await;
    let (connected, away, back) = ("connected to Redis", "Redis is away", "Redis is back");
    bare.view(0, Duration::from_millis(1)).await;
    assert_eq!(bare.calls(0), (LOST, LIVE));

    cluster.kill(1);
    let slowest = bare.view(1, Duration::from_secs(3)).await;
    assert_eq!(bare.calls(1), (2 * LOST, LIVE));
    println!("without a shard the slowest answer took {slowest:?}");
    assert!(cluster.all_say("cluster_state:ok") && cluster.all_say("cluster_slots_fail:5462"));
    bare.assert_logged([(connected, 1), (away, 0), (back, 0)]);
    bare.until("it is no outage", "/readyz", |said| said["status"] == "ready").await;

    coverage("yes");
    bare.until("the cluster refuses all", "/readyz", |said| said["status"] == "degraded").await;
    let slowest = bare.view(2, Duration::from_secs(1)).await;
    println!("without a cluster the slowest answer took {slowest:?}");
    assert_eq!(bare.calls(2), (2 * LOST, 2 * LIVE));
    bare.assert_logged([(connected, 1), (away, 1), (back, 0)]);

    block_in_place(|| cluster.nodes[1].start_again());
    bare.until("the cluster is back", "/readyz", |said| said["status"] == "ready").await;
    bare.until("both are subscribed", "/api/redis", |said| said["subscribed"] == true).await;
    bare.until_writable().await;
    bare.view(3, Duration::from_millis(1)).await;
    assert_eq!(bare.calls(3), (LOST, LIVE));
    bare.assert_logged([(connected, 2), (away, 1), (back, 1)]);
}
