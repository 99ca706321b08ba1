//! A deletion is proved by searches that find the avatar everywhere before it, and nowhere after it.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use avatar_proxy::clock::Clock;
use graphsim::{Fault, Graphsim};
use redis::Connection;

use super::util::{STALE, body, instance, redis_at, status, until, world};
use crate::routes::connections::{tell, worked_off};
use crate::support::accounts::{FACEBOOK, large, small};
use crate::support::cluster::Cluster;
use crate::support::proxy::Proxy;
use crate::support::redis::RedisServer;
use crate::support::webhooks::Webhooks;

/// Bytes that are looked for as one piece.
const PIECE: usize = 16;
/// `redis.keep_bytes_for`, in milliseconds.
const KEPT: i64 = 30 * 24 * 3_600_000;
/// How long Redis remembers the event number of a deleted avatar, in milliseconds.
const TOLD: i64 = 600_000;
const COUNTER: &str = "avatar-proxy:{all}:generation";

/// Two instances on the nodes of one Redis, which know the Facebook page alone: whatever is found is of it.
struct Searched<'r> {
    sim: Graphsim,
    clock: Clock,
    nodes: Vec<&'r RedisServer>,
    instances: Vec<Proxy>,
}

/// What the searches have found of the avatar.
#[derive(Debug, Default, PartialEq, Eq)]
struct Finds {
    /// Names of keys, of all nodes.
    keys: Vec<String>,
    /// Files in which a piece of a picture stands.
    files: Vec<String>,
    /// The stores that an instance names, instance by instance.
    held_in: Vec<serde_json::Value>,
    /// Entries in the memory of all, and what they weigh in bytes.
    in_memory: (u64, u64),
}

impl<'r> Searched<'r> {
    async fn on(url: &str, nodes: Vec<&'r RedisServer>) -> Self {
        Self::with(world().await, url, nodes, "").await
    }

    /// The same with further sections of the configuration.
    async fn with(
        (sim, clock): (Graphsim, Clock),
        url: &str,
        nodes: Vec<&'r RedisServer>,
        extra: &str,
    ) -> Self {
        let settings = redis_at(url) + "keep_bytes_for = \"30d\"\n" + extra;
        let mut instances = Vec::new();
        for _ in 0..2 {
            let proxy = instance(&sim, &clock, &settings).await;
            until("it is subscribed", async || status(&proxy).await["subscribed"] == true).await;
            instances.push(proxy);
        }
        Self { sim, clock, nodes, instances }
    }

    async fn viewed_everywhere(&self) {
        for proxy in &self.instances {
            proxy.get(&FACEBOOK.path()).await;
            proxy.settled().await;
        }
    }

    /// Searches every tier for the avatar, and for these pictures.
    async fn search(&self, pictures: &[&[u8]]) -> Finds {
        let mut finds = Finds::default();
        for node in &self.nodes {
            finds.keys.extend(scan(&mut node.connection().unwrap(), "*{clx3facebook}*"));
        }
        finds.keys.sort();
        finds.keys.dedup();
        for proxy in &self.instances {
            finds.files.extend(files_with(proxy.folder.path(), pictures));
            let held = proxy.admin("GET", &format!("/api/avatars/{}", FACEBOOK.id)).await;
            if held.status != 404 {
                finds.held_in.push(body(&held)["held_in"].clone());
            }
            // After what the cache has put off: what was only marked as gone would still be there.
            let (entries, bytes) = proxy.service.snapshot().weight();
            finds.in_memory = (finds.in_memory.0 + entries, finds.in_memory.1 + bytes);
        }
        finds
    }

    /// The avatar is in memory, Redis and on the disk of both.
    async fn assert_everywhere(&self, picture: &[u8]) {
        let everywhere = serde_json::json!(["memory", "redis", "disk"]);
        until("it is in every tier of both", async || {
            let finds = self.search(&[picture]).await;
            let keys = |name: &str| finds.keys.iter().any(|key| key.ends_with(name));
            let databases = finds.files.iter().filter(|file| file.contains("avatar-proxy.db")).count();
            let held = finds.held_in.iter().all(|held| *held == everywhere) && finds.held_in.len() == 2;
            let (entries, bytes) = finds.in_memory;
            let in_memory = entries == 2 && bytes > 2 * picture.len() as u64;
            keys(":entry") && keys(":picture") && databases >= 2 && held && in_memory
        })
        .await;
    }

    /// Nothing is left but the record that it was purged.
    async fn assert_nowhere(&self, pictures: &[&[u8]]) {
        let record = "avatar-proxy:{clx3facebook}:purged:hard".to_owned();
        // A replica gets it a moment later.
        until("no other key is left on any node", async || self.search(&[]).await.keys == [record.clone()])
            .await;
        let finds = self.search(pictures).await;
        assert_eq!(finds, Finds { keys: vec![record.clone()], ..Finds::default() });
        let holders = self.nodes.iter().filter(|node| node.keys().contains(&record));
        for node in holders {
            self.assert_record(node, &record, pictures);
        }
    }

    /// The record holds a number in clear and sealed, and ends by itself.
    fn assert_record(&self, node: &RedisServer, key: &str, pictures: &[&[u8]]) {
        let mut connection = node.connection().unwrap();
        // A replica in a cluster answers by itself only after READONLY.
        let _ = redis::cmd("READONLY").exec(&mut connection);
        let value: Vec<u8> = redis::cmd("GET").arg(key).query(&mut connection).unwrap();
        let colon = value.iter().position(|byte| *byte == b':').expect("a number and a colon");
        let number: u64 = std::str::from_utf8(&value[..colon]).unwrap().parse().unwrap();
        assert!(number > 0 && value.len() < 100, "{} bytes", value.len());
        assert!(!pictures.iter().any(|picture| has_piece(&value, &pieces(&[picture]))));
        let left: i64 = redis::cmd("PTTL").arg(key).query(&mut connection).unwrap();
        assert!((1..=KEPT).contains(&left), "{left} ms");
    }
}

/// The names of all keys of one node that fit, by SCAN.
fn scan(connection: &mut Connection, pattern: &str) -> Vec<String> {
    let (mut cursor, mut found) = (0_u64, Vec::new());
    loop {
        let scan = redis::cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).to_owned();
        let (next, keys): (u64, Vec<String>) = scan.query(connection).unwrap();
        found.extend(keys);
        match next {
            0 => return found,
            next => cursor = next,
        }
    }
}

/// Every piece of the pictures, wherever it begins. What is all the same byte may stand anywhere.
fn pieces<'p>(pictures: &[&'p [u8]]) -> HashSet<&'p [u8]> {
    let all = pictures.iter().flat_map(|picture| picture.windows(PIECE));
    all.filter(|piece| piece.iter().any(|byte| *byte != piece[0])).collect()
}

fn has_piece(bytes: &[u8], pieces: &HashSet<&[u8]>) -> bool {
    bytes.windows(PIECE).any(|window| pieces.contains(window))
}

/// The files of a folder that hold any piece: the disk store, its write-ahead log, its shared memory, the configuration.
fn files_with(folder: &Path, pictures: &[&[u8]]) -> Vec<String> {
    let pieces = pieces(pictures);
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if has_piece(&std::fs::read(&path).unwrap_or_default(), &pieces) {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found
}

async fn delete(proxy: &Proxy) {
    let deleted = tell(proxy.admin, FACEBOOK.id, "deleted").await;
    let said = body(&deleted);
    assert_eq!(
        (deleted.status, said["instances"]["done"].as_array().map(Vec::len)),
        (200, Some(2)),
        "{said}"
    );
}

async fn found_everywhere_before_and_nowhere_after(url: &str, nodes: Vec<&RedisServer>) {
    let searched = Searched::on(url, nodes).await;
    let picture = small(1).bytes;
    assert_eq!(searched.search(&[&picture]).await, Finds::default(), "the searches find nothing by chance");
    searched.viewed_everywhere().await;
    searched.assert_everywhere(&picture).await;
    delete(&searched.instances[0]).await;
    searched.assert_nowhere(&[&picture]).await;
    // Once more, by the other: it is gone, and stays so.
    delete(&searched.instances[1]).await;
    searched.assert_nowhere(&[&picture]).await;
}

#[tokio::test]
pub(crate) async fn a_deleted_connection_is_found_everywhere_before_and_nowhere_after() {
    let redis = RedisServer::start();
    found_everywhere_before_and_nowhere_after(&redis.url(), vec![&redis]).await;
}

#[tokio::test]
async fn a_deleted_connection_is_found_on_no_node_of_a_cluster() {
    let cluster = Cluster::start();
    found_everywhere_before_and_nowhere_after(&cluster.url(), cluster.nodes.iter().collect()).await;
}

#[tokio::test]
async fn redis_soon_forgets_the_keys_of_a_deleted_avatar_and_every_purge_before() {
    let (redis, world) = (RedisServer::start(), world().await);
    let receiver = Webhooks::start(&world.1);
    let searched = Searched::with(world, &redis.url(), vec![&redis], &receiver.settings()).await;
    let (old, new) = (small(1).bytes, small(2).bytes);
    searched.viewed_everywhere().await;
    searched.assert_everywhere(&old).await;
    searched.sim.set_picture(FACEBOOK.account, Some(small(2)));
    tell(searched.instances[0].admin, FACEBOOK.id, "updated").await;
    worked_off(&searched.instances[0]).await;
    searched.viewed_everywhere().await;
    // By both, so that none of them numbers it later.
    receiver.expect(2).await;
    let keys =
        ["event", "purged:hard", "purged:soft"].map(|key| format!("avatar-proxy:{{clx3facebook}}:{key}"));
    let there = searched.search(&[]).await.keys;
    assert!(there.contains(&keys[0]) && there.contains(&keys[2]), "{there:?}");
    let left = || redis.cli(&["PTTL", &keys[0]]).parse::<i64>().unwrap();
    assert!(left() > TOLD, "{} ms", left());
    let deleted = searched.instances[0].admin("DELETE", &format!("/api/avatars/{}", FACEBOOK.id)).await;
    assert_eq!(deleted.status, 200, "{}", deleted.head);
    let finds = searched.search(&[&old, &new]).await;
    assert_eq!(finds, Finds { keys: keys[..2].to_vec(), ..Finds::default() });
    assert!((1..=TOLD).contains(&left()), "{} ms", left());
    // Every instance puts back what Redis has forgotten, and the counter last of all.
    redis.cli(&["FLUSHALL"]);
    until("the purges are put back", async || redis.keys().contains(&COUNTER.to_owned())).await;
    assert_eq!(searched.search(&[]).await.keys, [keys[1].clone()]);
}

#[tokio::test]
async fn a_refresh_under_way_during_the_deletion_stores_nothing_anywhere() {
    let redis = RedisServer::start();
    let searched = Searched::on(&redis.url(), vec![&redis]).await;
    let (old, new) = (small(1).bytes, small(2).bytes);
    searched.viewed_everywhere().await;
    searched.assert_everywhere(&old).await;
    searched.sim.set_picture(FACEBOOK.account, Some(small(2)));
    searched.sim.cdn_fault(None, Some(Fault::Latency(Duration::from_millis(500))));
    searched.clock.advance(STALE);
    searched.instances[1].get(&FACEBOOK.path()).await;
    until("a download is under way", async || searched.sim.downloads(FACEBOOK.account) == 2).await;
    delete(&searched.instances[0]).await;
    assert_ne!(searched.instances[1].service.snapshot().depth().0, 0, "it is still under way");
    assert_eq!(searched.search(&[&old, &new]).await.files, Vec::<String>::new());
    for proxy in &searched.instances {
        proxy.settled().await;
    }
    searched.assert_nowhere(&[&old, &new]).await;
}

#[tokio::test]
async fn a_first_picture_that_is_passed_on_while_it_comes_in_is_not_stored_behind_the_deletion() {
    let redis = RedisServer::start();
    let searched = Searched::on(&redis.url(), vec![&redis]).await;
    searched.sim.set_picture(FACEBOOK.account, Some(large(1)));
    let slow = Fault::Slow { chunk: 20_000, pause: Duration::from_millis(50) };
    searched.sim.cdn_fault(None, Some(slow));
    let path = FACEBOOK.path();
    let viewed = searched.instances[1].get(&path);
    let deleted = async {
        until("a download is under way", async || searched.sim.downloads(FACEBOOK.account) == 1).await;
        delete(&searched.instances[0]).await;
        assert_ne!(searched.instances[1].service.snapshot().depth().0, 0, "it is still under way");
    };
    tokio::join!(viewed, deleted);
    for proxy in &searched.instances {
        proxy.settled().await;
    }
    searched.assert_nowhere(&[&large(1).bytes]).await;
}
