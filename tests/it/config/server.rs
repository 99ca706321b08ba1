//! `[server]` and `[admin]`.

use std::net::IpAddr;
use std::time::Duration;

use avatar_proxy::clock::Stopwatch;
use graphsim::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::util::{facebook, is_about, one, set, timed};
use crate::support::accounts::FACEBOOK;
use crate::support::client;
use crate::support::proxy::Proxy;
use crate::support::wait::until;

/// How long the server keeps a connection on which `said` is all that comes.
async fn kept(proxy: &Proxy, said: &str) -> Duration {
    let mut client = TcpStream::connect(proxy.address).await.unwrap();
    let watch = Stopwatch::start();
    client.write_all(said.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest).await;
    watch.elapsed()
}

#[tokio::test]
async fn both_listeners_are_where_they_are_configured() {
    let (sim, clock) = one(&FACEBOOK).await;
    for [public, admin] in [["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"]] {
        let listen = set("server.listen", &format!("\"{public}:0\""))
            + &set("admin.listen", &format!("\"{admin}:0\""));
        let proxy = facebook(&sim, &clock, &listen).await;
        assert_eq!(proxy.address.ip(), public.parse::<IpAddr>().unwrap());
        assert_eq!(proxy.admin.ip(), admin.parse::<IpAddr>().unwrap());
        assert_eq!(proxy.get(&FACEBOOK.path()).await.status, 200);
        assert_eq!(proxy.admin("GET", "/readyz").await.status, 200);
    }
}

#[tokio::test]
async fn a_head_must_be_whole_by_the_header_timeout() {
    let (sim, clock) = one(&FACEBOOK).await;
    for (value, millis) in [("\"100ms\"", 100), ("\"900ms\"", 900)] {
        let proxy = facebook(&sim, &clock, &set("server.header_timeout", value)).await;
        let span = kept(&proxy, "GET / HTTP/1.1\r\n").await;
        assert!(is_about(span, millis), "{value}: {span:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_idle_timeout() {
    let (sim, clock) = one(&FACEBOOK).await;
    for (value, millis) in [("\"100ms\"", 100), ("\"900ms\"", 900)] {
        let proxy = facebook(&sim, &clock, &set("server.idle_timeout", value)).await;
        let span = kept(&proxy, "").await;
        assert!(is_about(span, millis), "{value}: {span:?}");
    }
}

#[tokio::test]
async fn with_a_provider_that_hangs_a_placeholder_comes_within_the_request_timeout() {
    let (sim, clock) = one(&FACEBOOK).await;
    sim.api_fault(None, Some(Fault::Hang));
    for (value, millis) in [("\"100ms\"", 100), ("\"900ms\"", 900)] {
        let times = set("origin.timeout", "\"10s\"") + &set("avatar.wait", "\"50ms\"");
        let proxy = facebook(&sim, &clock, &(set("server.request_timeout", value) + &times)).await;
        let (answer, span) = timed(&proxy, &FACEBOOK.path()).await;
        assert_eq!((answer.status, answer.state()), (200, "placeholder"));
        assert!(is_about(span, millis), "{value}: {span:?}");
    }
}

#[tokio::test]
async fn a_connection_too_many_waits_until_another_ends() {
    let (sim, clock) = one(&FACEBOOK).await;
    for (value, waits) in [("1", true), ("2", false)] {
        let proxy = facebook(&sim, &clock, &set("server.max_connections", value)).await;
        let target = FACEBOOK.path();
        let mut open = TcpStream::connect(proxy.address).await.unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        open.write_all(head.as_bytes()).await.unwrap();
        open.read_exact(&mut [0]).await.expect("the first connection is served");
        let second = proxy.get(&target);
        tokio::pin!(second);
        let answered = tokio::time::timeout(Duration::from_millis(800), &mut second).await;
        assert_eq!(answered.is_err(), waits, "{value}");
        if waits {
            drop(open);
            assert_eq!(second.await.status, 200);
        }
    }
}

#[tokio::test]
async fn a_stop_waits_for_answers_under_way_as_long_as_the_drain_timeout() {
    let (sim, clock) = one(&FACEBOOK).await;
    sim.api_fault(None, Some(Fault::Latency(Duration::from_millis(600))));
    for (value, whole) in [("\"50ms\"", false), ("\"5s\"", true)] {
        let proxy = facebook(&sim, &clock, &set("server.drain_timeout", value)).await;
        let mut client = TcpStream::connect(proxy.address).await.unwrap();
        let head = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", FACEBOOK.path());
        client.write_all(head.as_bytes()).await.unwrap();
        until("the answer is under way", async || proxy.service.snapshot().depth().1 == 1).await;
        proxy.stop().await;
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        assert_eq!(answer.starts_with(b"HTTP/1.1 200"), whole, "{value}");
    }
}

#[tokio::test]
async fn the_admin_api_asks_for_the_token_that_is_configured() {
    let (sim, clock) = one(&FACEBOOK).await;
    for (value, expected) in [("\"\"", [404, 404, 404]), ("\"s3cret\"", [401, 401, 404])] {
        let proxy = facebook(&sim, &clock, &set("admin.token", value)).await;
        let target = format!("/api/avatars/{}", FACEBOOK.id);
        let mut seen = Vec::new();
        for headers in ["", "Authorization: Bearer other\r\n", "Authorization: Bearer s3cret\r\n"] {
            seen.push(client::request(proxy.admin, "GET", &target, headers).await.status);
        }
        assert_eq!(seen, expected, "{value}");
    }
}
