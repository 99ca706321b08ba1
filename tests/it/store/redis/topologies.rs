//! Two instances over each way a Redis is run: they share, and a purge at one reaches the other.

use avatar_proxy::clock::{Clock, Stopwatch};
use graphsim::Graphsim;
use serde_json::{Value, json};

use super::acl::{DATABASE, SMALLEST};
use super::purges::purge;
use super::util::{STALE, body, on, status, until, world};
use crate::support::accounts::{FACEBOOK, INSTAGRAM, TELEGRAM, small};
use crate::support::certificates::Certificates;
use crate::support::client::Answer;
use crate::support::proxy::Proxy;
use crate::support::redis::{RedisServer, USER};
use crate::support::sentinel::{SentinelOptions, Sentinels};
use crate::support::wait::until_blocking;

/// A stand-in with a picture at each provider, and two instances on the Redis at that URL.
async fn two(url: &str, extra: &str) -> (Graphsim, Clock, [Proxy; 2]) {
    let (sim, clock) = world().await;
    INSTAGRAM.add(&sim, small(3));
    TELEGRAM.add(&sim, small(4));
    let first = on(&sim, &clock, url, extra).await;
    let second = on(&sim, &clock, url, extra).await;
    (sim, clock, [first, second])
}

/// What one downloads the other has, with nothing refused; a purge at one leaves nothing at the other.
async fn assert_one(sim: &Graphsim, [first, second]: &[Proxy; 2]) {
    let before = sim.api_calls(FACEBOOK.account);
    assert_eq!(first.get(&FACEBOOK.path()).await.state(), "fresh");
    first.settled().await;
    assert_eq!(second.get(&FACEBOOK.path()).await.state(), "fresh");
    assert_eq!(sim.api_calls(FACEBOOK.account) - before, 1, "both asked the provider");
    assert_reaches(first, second).await;
}

/// A hard purge at one instance is carried out at the other, and acknowledged.
async fn assert_reaches(first: &Proxy, second: &Proxy) {
    let answer = first.admin("DELETE", &format!("/api/avatars/{}", FACEBOOK.id)).await;
    assert_eq!((answer.status, &body(&answer)["instances"]["missing"]), (200, &json!([])));
    let done = body(&answer)["instances"]["done"].as_array().unwrap().clone();
    assert!(done.contains(&status(second).await["instance"]), "{done:?}");
    assert_eq!(second.admin("GET", &format!("/api/avatars/{}", FACEBOOK.id)).await.status, 404);
}

/// Waits until a purge reaches both again.
async fn rejoined([first, second]: &[Proxy; 2]) {
    until("a purge reaches both again", async || {
        let answers = [first, second].map(|instance| purge(instance, r#"{"ids":["nobody"],"hard":true}"#));
        let [one, other] = answers;
        let complete = |answer: &Answer| {
            answer.status == 200 && body(answer)["instances"]["done"].as_array().unwrap().len() == 2
        };
        complete(&one.await) && complete(&other.await)
    })
    .await;
}

async fn failures(instance: &Proxy) -> Value {
    status(instance).await["failures"].clone()
}

#[tokio::test]
async fn the_smallest_acl_is_enough() {
    let user = [&["--user"], &SMALLEST[..], &["--user", "default", "off"]].concat();
    let redis = RedisServer::start_with(&user);
    let (sim, clock, both) = two(&redis.url_as("avatar", "hunter2"), "").await;
    assert_one(&sim, &both).await;
    both[0].get(&INSTAGRAM.path()).await;
    both[0].settled().await;
    clock.advance(STALE);
    sim.api_fault(None, Some(graphsim::Fault::Close));
    both[1].get(&INSTAGRAM.path()).await;
    both[1].settled().await;
    for wanted in [r#"{"all":true}"#, r#"{"provider":"instagram","hard":true}"#] {
        assert_eq!(purge(&both[1], wanted).await.status, 200, "{wanted}");
    }
    assert_eq!([failures(&both[0]).await, failures(&both[1]).await], [0, 0]);
    assert_eq!(redis.cli(&["ACL", "LOG"]), "", "something was refused");
}

#[tokio::test]
async fn a_unix_socket_and_a_database_number_work_as_a_port_does() {
    let database = [&SMALLEST[..], &[DATABASE]].concat();
    let redis = RedisServer::start_with(&[&["--user"], &database[..]].concat());
    let (sim, _, both) = two(&redis.socket_url(), "").await;
    assert_one(&sim, &both).await;
    // A published message reaches every database.
    let own = "[redis]\nprefix = \"avatar-proxy:5\"\n";
    let (sim, clock, [first, _]) = two(&format!("{}/5", redis.url_as("avatar", "hunter2")), own).await;
    let socket = format!("{}?user=avatar&pass=hunter2&db=5", redis.socket_url());
    let both = [first, on(&sim, &clock, &socket, own).await];
    assert_one(&sim, &both).await;
    both[0].get(&INSTAGRAM.path()).await;
    both[0].settled().await;
    assert!(redis.cli(&["INFO", "keyspace"]).contains("db5:keys="));
}

#[tokio::test]
async fn tls_with_a_private_root_and_with_client_certificates() {
    let certificates = Certificates::create(USER);
    for wanted in [false, true] {
        let redis = RedisServer::start_tls(&certificates, wanted);
        let (sim, _, both) = two(&redis.url(), &tls(&certificates, wanted)).await;
        assert_one(&sim, &both).await;
    }
}

fn tls(certificates: &Certificates, client: bool) -> String {
    let ca = format!("[redis.tls]\nca = \"{}\"\n", certificates.ca.display());
    let (cert, key) = (certificates.client_cert.display(), certificates.client_key.display());
    if client { format!("{ca}cert = \"{cert}\"\nkey = \"{key}\"\n") } else { ca }
}

#[tokio::test]
async fn both_kinds_of_failover_are_followed_over_tls_and_with_both_logins() {
    let certificates = Certificates::create(USER);
    let sentinels = Sentinels::start(SentinelOptions {
        tls: Some(certificates.clone()),
        nodes: Some(("avatar", "hunter2")),
        sentinels: Some(("watcher", "hunter3")),
    });
    let login = "[redis.sentinel]\nusername = \"watcher\"\npassword = \"hunter3\"\n";
    let (sim, _, both) = two(&sentinels.url(), &(tls(&certificates, false) + login)).await;
    assert_one(&sim, &both).await;

    let watch = Stopwatch::start();
    let old = sentinels.failover();
    sentinels.wait_for_failover(old);
    println!("SENTINEL FAILOVER took {:?}", watch.elapsed());
    let watch = Stopwatch::start();
    rejoined(&both).await;
    println!("followed after {:?}", watch.elapsed());
    assert_one(&sim, &both).await;

    let back = sentinels.nodes.iter().find(|node| node.port == old).unwrap();
    let follows = || back.cli(&["INFO", "replication"]).contains("master_link_status:up");
    until_blocking("the old primary follows the new one", follows);
    let watch = Stopwatch::start();
    let killed = sentinels.kill_primary();
    assert_ne!(killed, old);
    // Nothing waits for the Sentinels.
    assert_eq!(both[0].get(&FACEBOOK.path()).await.state(), "fresh");
    sentinels.wait_for_failover(killed);
    println!("the failover after a kill took {:?}", watch.elapsed());
    let watch = Stopwatch::start();
    rejoined(&both).await;
    println!("followed after {:?}", watch.elapsed());
    assert_reaches(&both[0], &both[1]).await;
    assert_one(&sim, &both).await;
    // An outage of the Sentinels alone is no outage of Redis.
    sentinels.sentinels.iter().for_each(RedisServer::stop);
    assert_one(&sim, &both).await;
}
