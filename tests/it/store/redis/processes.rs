//! Instances as an operator runs them: three processes on one Redis.

use std::sync::Arc;
use std::time::Duration;

use avatar_proxy::clock::{Clock, Stopwatch};
use graphsim::{Fault, Graphsim, Options};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::util::{redis_at, until};
use crate::support::accounts::{FACEBOOK, large, small};
use crate::support::client::{self, Answer, hash};
use crate::support::process::Process;
use crate::support::proxy::{LIFE, merged};
use crate::support::redis::RedisServer;

/// A stand-in by the system's clock, since the instances are other processes.
async fn stand_in() -> Graphsim {
    let clock = Clock::system();
    Graphsim::start(Options { now: Arc::new(move || clock.now().as_millis()), address_life: LIFE }).await
}

/// Three processes on one Redis; the folders go when they do.
async fn three(sim: &Graphsim, redis: &RedisServer, extra: &str) -> Vec<(Process, TempDir)> {
    let settings = redis_at(&redis.url()) + "[origin]\ntimeout = \"10s\"\n" + &FACEBOOK.entry("");
    let settings = merged(&settings, extra);
    let mut instances = Vec::new();
    for _ in 0..3 {
        let folder = TempDir::new().unwrap();
        let process = Process::start(sim, folder.path(), &settings, &[]).await;
        instances.push((process, folder));
    }
    instances
}

/// Asks each process that many times at once; all clients are connected before the first one asks.
async fn ask(instances: &[(Process, TempDir)], times: usize) -> Vec<Answer> {
    let mut clients = Vec::new();
    for _ in 0..times {
        for (process, _) in instances {
            clients.push(TcpStream::connect(process.address).await.unwrap());
        }
    }
    let mut answers = JoinSet::new();
    for mut client in clients {
        let head = format!("GET {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", FACEBOOK.path());
        client.write_all(head.as_bytes()).await.unwrap();
        answers.spawn(async move { client::read(&mut client, false).await });
    }
    answers.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn three_thousand_requests_to_three_processes_for_one_cold_avatar_are_one_call_and_one_download() {
    for picture in [small(1), large(1)] {
        let (sim, redis) = (stand_in().await, RedisServer::start());
        FACEBOOK.add(&sim, picture.clone());
        sim.api_fault(None, Some(Fault::Latency(Duration::from_millis(500))));
        // Without a patient `redis.timeout` a busy machine would show the other rule: too slow a Redis is done without.
        let instances = three(&sim, &redis, "[redis]\ntimeout = \"5s\"\n").await;
        let took = Stopwatch::start();
        let answers = ask(&instances, 1000).await;
        let (took, looks) = (took.elapsed(), redis.command_calls("getrange") / 6);
        println!("3,000 requests for {} bytes: {took:?}, {looks} looks at Redis", picture.bytes.len());
        let expected = hash(&picture.bytes);
        for answer in &answers {
            assert_eq!((answer.status, answer.complete), (200, true), "{}", answer.head);
            assert_eq!(answer.hash(), expected, "{}", answer.head);
        }
        assert_eq!(answers.len(), 3000);
        let log = || instances.iter().map(|(process, _)| process.log()).collect::<String>();
        assert_eq!((sim.total_api_calls(), sim.total_downloads()), (1, 1), "{}", log());
    }
}

#[tokio::test]
pub(crate) async fn kill_minus_9_in_the_middle_of_a_download_delays_the_others_by_no_more_than_the_lease() {
    const LEASE: Duration = Duration::from_secs(2);
    let (sim, redis) = (stand_in().await, RedisServer::start());
    FACEBOOK.add(&sim, large(1));
    // Six seconds, so that the lease is extended more than once before the end.
    sim.cdn_fault_times(None, Fault::Slow { chunk: 8000, pause: Duration::from_millis(300) }, 1);
    let mut instances = three(&sim, &redis, &format!("[redis]\nlease = \"{}s\"\n", LEASE.as_secs())).await;
    let path = FACEBOOK.path();
    let get = async |process: &Process| process.get(&path).await;
    let (mut holder, _folder) = instances.remove(0);
    let mut viewer = TcpStream::connect(holder.address).await.unwrap();
    viewer.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
    until("the download is under way", async || sim.downloads(FACEBOOK.account) == 1).await;
    let others = async { tokio::join!(get(&instances[0].0), get(&instances[1].0)) };
    let kill = async {
        // An instance that asks for the lease also asks how long it lasts.
        until("the others have asked for the lease", async || redis.command_calls("pttl") >= 3).await;
        let lease = format!("avatar-proxy:{{{}}}:lease", FACEBOOK.id);
        let mut shortest = i64::MAX;
        until("the lease is extended", async || {
            let left = redis.cli(&["PTTL", &lease]).parse().unwrap();
            shortest = shortest.min(left);
            left > shortest
        })
        .await;
        holder.signal("KILL");
        let dead = Stopwatch::start();
        holder.ended().await;
        dead
    };
    let ((first, second), dead) = tokio::join!(others, kill);
    let late = dead.elapsed();
    println!("kill -9 of the lease's holder: the others' viewers waited for {late:?} of {LEASE:?}");
    for answer in [first, second] {
        assert_eq!((answer.status, answer.complete), (200, true), "{}", answer.head);
        assert_eq!((answer.state(), answer.hash()), ("fresh", hash(&large(1).bytes)), "{}", answer.head);
    }
    assert_eq!(sim.downloads(FACEBOOK.account), 2);
    // A busy machine may take a second for the rest.
    assert!(late < LEASE + Duration::from_secs(1), "{late:?}");
}
