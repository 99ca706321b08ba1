//! A shutdown.

use std::time::Duration;

use avatar_proxy::clock::Stopwatch;
use avatar_proxy::http::{Drained, Limits};
use tokio::net::TcpStream;

use super::util::{PREFACE, SETTINGS, Server, limits};

const GOAWAY: u8 = 7;

#[tokio::test]
async fn answers_under_way_are_finished_and_idle_connections_end_at_once() {
    let server = Server::start(limits()).await;
    let (mut fresh, mut idle, mut busy) =
        (server.client().await, server.client().await, server.client().await);
    idle.get("/").await;
    idle.until("hello").await;
    busy.get("/sleep/600").await;
    server.has_begun(2).await;

    server.begin_stop();
    let began = Stopwatch::start();
    fresh.read_to_end().await;
    idle.read_to_end().await;
    assert!(began.elapsed() < Duration::from_millis(300));
    assert!(TcpStream::connect(server.address).await.is_err(), "still accepting");
    let answer = busy.text_to_end().await;
    assert!(answer.ends_with("slept") && answer.contains("connection: close"), "{answer}");
    assert_eq!(server.stop().await, Drained { ended: 3, cut: 0 });
}

#[tokio::test]
async fn http2_gets_a_goaway_and_its_answers_are_finished() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.send([PREFACE, SETTINGS].concat()).await;
    client.request_h2_path(1, "/sleep/400").await;
    server.has_begun(1).await;
    server.begin_stop();
    client.frame_of(GOAWAY).await;
    assert_eq!(client.frame_of(0).await, (1, b"slept".to_vec()));
    drop(client);
    assert_eq!(server.stop().await, Drained { ended: 1, cut: 0 });
}

#[tokio::test]
async fn an_answer_that_is_not_finished_in_time_is_cut_and_counted() {
    let server = Server::start(Limits { drain_timeout: Duration::from_millis(300), ..limits() }).await;
    let (mut slow, mut quick) = (server.client().await, server.client().await);
    slow.get("/sleep/5000").await;
    quick.get("/sleep/200").await;
    server.has_begun(2).await;
    let began = Stopwatch::start();
    assert_eq!(server.stop().await, Drained { ended: 1, cut: 1 });
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(slow.text_to_end().await, "");
    assert!(quick.text_to_end().await.ends_with("slept"));
}
