//! How many connections, and on which addresses.

use std::time::Duration;

use avatar_proxy::http::{Body, Limits, ListenAddress, ListenError, Listener, serve};
use hyper::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::util::{IDLE, PREFACE, SETTINGS, Server, limits};

#[tokio::test]
async fn a_connection_beyond_the_limit_waits_until_another_ends() {
    let server = Server::start(Limits { max_connections: 2, ..limits() }).await;
    let (first, mut second, mut third) =
        (server.client().await, server.client().await, server.client().await);
    second.get("/").await;
    second.until("hello").await;
    third.get("/").await;
    let early = timeout(Duration::from_millis(300), third.stream.readable()).await;
    assert!(early.is_err(), "a third connection was served");
    drop(first);
    third.until("hello").await;
}

#[tokio::test]
async fn rapid_resets_end_the_connection_and_no_other() {
    let server = Server::start(limits()).await;
    let mut attacker = server.client().await;
    attacker.send([PREFACE, SETTINGS].concat()).await;
    let mut flood = Vec::new();
    for stream in (1..20_000u32).step_by(2) {
        let id = stream.to_be_bytes();
        flood.extend([0, 0, 6, 1, 5]);
        flood.extend(id);
        flood.extend([0x82, 0x84, 0x86, 0x41, 1, b'a']);
        flood.extend([0, 0, 4, 3, 0]);
        flood.extend(id);
        flood.extend([0, 0, 0, 8]);
    }
    attacker.send(flood).await;
    attacker.read_to_end().await;
    // At once, and not by the idle timeout.
    attacker.assert_closed_after(Duration::ZERO, IDLE);
    let mut client = server.client().await;
    client.get("/").await;
    client.until("hello").await;
}

#[tokio::test]
async fn a_unix_socket_is_served_and_its_file_is_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    let address = ListenAddress::Unix(path.clone());
    let listener = Listener::bind(&address).await.unwrap();
    assert_eq!(listener.local_address(), address);
    let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
    let handler = |_| async { Response::new(Body::full("hello")) };
    let served = tracker.spawn(serve(listener, limits(), handler, stop.clone(), tracker.clone()));

    let mut client = UnixStream::connect(&path).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("hello"), "{text}");

    let taken = Listener::bind(&address).await;
    assert!(matches!(taken, Err(ListenError::InUse(_))), "{taken:?}");
    stop.cancel();
    served.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_dead_processs_socket_is_replaced_and_any_other_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let stale = folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    Listener::bind(&ListenAddress::Unix(stale)).await.unwrap();

    let file = folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let refused = Listener::bind(&ListenAddress::Unix(file.clone())).await;
    assert!(matches!(refused, Err(ListenError::NotASocket(_))), "{refused:?}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "precious");
}

#[tokio::test]
async fn a_port_in_use_is_refused() {
    let server = Server::start(limits()).await;
    let taken = Listener::bind(&ListenAddress::Tcp(server.address)).await;
    assert!(matches!(taken, Err(ListenError::InUse(_))), "{taken:?}");
}
