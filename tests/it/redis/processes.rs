//! Instances as an operator runs them: three processes on one Redis.

use std::sync::Arc;
use std::time::Duration;

use avatar_proxy::clock::{Clock, Stopwatch};
use graphsim::{Fault, Graphsim, Options};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::util::redis_at;
use crate::support::accounts::{FACEBOOK, large, small};
use crate::support::client::{self, Answer, hash};
use crate::support::process::Process;
use crate::support::proxy::LIFE;
use crate::support::redis::RedisServer;

/// A stand-in by the system's clock, since the instances are other processes.
async fn stand_in() -> Graphsim {
    let clock = Clock::system();
    Graphsim::start(Options { now: Arc::new(move || clock.now().as_millis()), address_life: LIFE }).await
}

/// Three processes on one Redis; the folders go when they do.
async fn three(sim: &Graphsim, extra: &str) -> Vec<(Process, TempDir)> {
    let mut instances = Vec::new();
    for _ in 0..3 {
        let folder = TempDir::new().unwrap();
        let process = Process::start(sim, folder.path(), &(FACEBOOK.entry("") + extra), &[]).await;
        instances.push((process, folder));
    }
    instances
}

/// Each process is asked so many times at one time; all are connected before the first one asks.
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
        let extra = redis_at(&redis.url()) + "timeout = \"5s\"\n[origin]\ntimeout = \"10s\"\n";
        let instances = three(&sim, &extra).await;
        let took = Stopwatch::start();
        let answers = ask(&instances, 1000).await;
        println!("3,000 requests for {} bytes: {:?}", picture.bytes.len(), took.elapsed());
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
