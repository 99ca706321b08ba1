//! Nothing is stored yet: one refresh for all viewers, streamed if the picture is long.

use std::time::Duration;

use graphsim::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::accounts::{FACEBOOK, large, small};
use crate::support::client::{self, hash};
use crate::support::proxy::{Proxy, START, stand_in};
use crate::support::wait::until;
use avatar_proxy::clock::Clock;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_for_one_cold_avatar_are_one_call_and_one_download() {
    for picture in [small(1), large(1)] {
        let clock = Clock::manual(START);
        let sim = stand_in(&clock).await;
        FACEBOOK.add(&sim, picture.clone());
        sim.api_fault(None, Some(Fault::Latency(Duration::from_millis(300))));
        let proxy = Proxy::start(&sim, &clock, &(FACEBOOK.entry("") + "[origin]\ntimeout = \"5s\"\n")).await;
        // All are connected before the first one asks.
        let mut clients = Vec::new();
        for _ in 0..1000 {
            clients.push(TcpStream::connect(proxy.address).await.unwrap());
        }
        let mut answers = tokio::task::JoinSet::new();
        for mut client in clients {
            let head = format!("GET {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", FACEBOOK.path());
            client.write_all(head.as_bytes()).await.unwrap();
            answers.spawn(async move { client::read(&mut client, false).await });
        }
        let expected = hash(&picture.bytes);
        let mut count = 0;
        while let Some(answer) = answers.join_next().await {
            let answer = answer.unwrap();
            assert_eq!((answer.status, answer.complete), (200, true), "{}", answer.head);
            assert_eq!(answer.hash(), expected);
            count += 1;
        }
        assert_eq!(count, 1000);
        assert_eq!((sim.total_api_calls(), sim.total_downloads()), (1, 1));
    }
}

#[tokio::test]
async fn a_long_picture_leaves_while_it_is_still_coming_in() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, large(1));
    sim.cdn_fault(None, Some(Fault::Slow { chunk: 40_000, pause: Duration::from_millis(150) }));
    let proxy = Proxy::start(&sim, &clock, &(FACEBOOK.entry("") + "[origin]\ntimeout = \"10s\"\n")).await;
    let mut client = TcpStream::connect(proxy.address).await.unwrap();
    let head = format!("GET {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", FACEBOOK.path());
    client.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 1024];
    let read = client.read(&mut first).await.unwrap();
    assert!(read > 0);
    assert_ne!(
        proxy.service.snapshot().depth().0,
        0,
        "the flight is still under way when the first bytes are here"
    );
    let head = String::from_utf8_lossy(&first);
    assert!(head.contains("cache-control: public, max-age=60\r\n") && !head.contains("etag"), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", large(1).bytes.len())), "{head}");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    let whole = [&first[..read], &rest].concat();
    assert!(whole.ends_with(&large(1).bytes));
    proxy.settled().await;
    // Gathered by now: the next answer has its ETag.
    assert!(proxy.get(&FACEBOOK.path()).await.header("etag").is_some());
}

#[tokio::test]
async fn a_client_that_leaves_aborts_nothing() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    sim.api_fault(None, Some(Fault::Latency(Duration::from_millis(200))));
    let proxy = Proxy::start(&sim, &clock, &FACEBOOK.entry("")).await;
    let mut client = TcpStream::connect(proxy.address).await.unwrap();
    let head = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", FACEBOOK.path());
    client.write_all(head.as_bytes()).await.unwrap();
    until("the provider is called", async || sim.total_api_calls() == 1).await;
    drop(client);
    proxy.settled().await;
    assert_eq!((sim.total_api_calls(), sim.total_downloads()), (1, 1));
    assert_eq!(proxy.get(&FACEBOOK.path()).await.header("cache-status"), Some("avatar-proxy; hit"));
}

#[tokio::test]
async fn a_stream_that_breaks_ends_short_and_stores_nothing() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, large(1));
    sim.cdn_fault(None, Some(Fault::Truncated));
    let proxy = Proxy::start(&sim, &clock, &FACEBOOK.entry("")).await;
    let answer = proxy.get(&FACEBOOK.path()).await;
    assert!(!answer.complete, "{}", answer.head);
    proxy.settled().await;
    sim.cdn_fault(None, None);
    clock.advance(Duration::from_secs(10));
    let answer = proxy.get(&FACEBOOK.path()).await;
    assert_eq!((answer.status, answer.complete, answer.hash()), (200, true, hash(&large(1).bytes)));
}
