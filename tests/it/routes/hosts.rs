//! The host that a request names, on both ports.

use std::net::SocketAddr;

use avatar_proxy::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::util::{assert_error, proxy};
use crate::support::accounts::FACEBOOK;
use crate::support::client::{Answer, raw};
use crate::support::process::Process;
use crate::support::proxy::{START, stand_in};

const LOCAL: [&str; 9] = [
    "localhost",
    "LocalHost:9180",
    "localhost:1",
    "127.0.0.1",
    "127.0.0.1:9180",
    "127.255.1.2:80",
    "[::1]",
    "[::1]:9180",
    "[::ffff:127.0.0.1]:80",
];
const FOREIGN: [&str; 9] = [
    "evil.example",
    "evil.example:9180",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "10.0.0.1",
    "0.0.0.0:9180",
    "[::]",
    "[2001:db8::1]:9180",
    "xlocalhost",
];

async fn get(address: SocketAddr, target: &str, host: &str, fields: &str) -> Answer {
    raw(address, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n")).await
}

#[tokio::test]
async fn without_a_token_the_admin_port_answers_to_names_of_this_machine_alone() {
    let (_sim, proxy) = proxy("").await;
    for target in ["/api/avatars/clx3facebook", "/readyz", "/no-such-page"] {
        for host in LOCAL {
            assert_ne!(get(proxy.admin, target, host, "").await.status, 421, "{host}");
        }
        for host in FOREIGN {
            assert_error(&get(proxy.admin, target, host, "").await, 421, "foreign_host");
        }
    }
    let deletion =
        "DELETE /api/avatars/clx3facebook HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_error(&raw(proxy.admin, deletion).await, 421, "foreign_host");
    assert_eq!(get(proxy.admin, "/api/avatars/clx3facebook", "localhost", "").await.status, 200);
}

#[tokio::test]
async fn the_authority_in_the_request_line_comes_before_the_header() {
    let (_sim, proxy) = proxy("").await;
    let foreign = get(proxy.admin, "http://evil.example/readyz", "localhost", "").await;
    assert_error(&foreign, 421, "foreign_host");
    assert_eq!(get(proxy.admin, "http://localhost/readyz", "evil.example", "").await.status, 200);
    let plain = raw(proxy.admin, "GET /readyz HTTP/1.0\r\n\r\n").await;
    assert_eq!(plain.status, 200, "HTTP/1.0 names no host");
}

#[tokio::test]
async fn with_a_token_the_admin_port_answers_under_any_name() {
    let (_sim, proxy) = proxy("[admin]\ntoken = \"the-admins-own-token-41c7\"\n").await;
    let bearer = "Authorization: Bearer the-admins-own-token-41c7\r\n";
    for host in [LOCAL, FOREIGN].concat() {
        assert_eq!(get(proxy.admin, "/api/avatars/clx3facebook", host, bearer).await.status, 200, "{host}");
    }
    assert_error(&get(proxy.admin, "/readyz", "a/b", bearer).await, 400, "invalid_host");
}

#[tokio::test]
async fn the_public_port_answers_under_any_valid_name() {
    let (_sim, proxy) = proxy("").await;
    for host in [LOCAL, FOREIGN].concat() {
        for target in [FACEBOOK.path().as_str(), "/healthz"] {
            assert_eq!(get(proxy.address, target, host, "").await.status, 200, "{host} {target}");
        }
    }
    for head in ["GET /healthz HTTP/1.1\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"] {
        for address in [proxy.address, proxy.admin] {
            let answer = raw(address, head).await;
            assert_error(&answer, 400, "invalid_host");
            assert_eq!(answer.header("connection"), Some("close"), "{head}");
        }
    }
}

#[tokio::test]
async fn behind_a_unix_socket_the_admin_port_answers_under_any_name() {
    let (folder, sim) = (tempfile::tempdir().unwrap(), stand_in(&Clock::manual(START)).await);
    let socket = folder.path().join("admin.sock");
    let extra = format!("[admin]\nlisten = \"unix:{}\"\n", socket.display());
    let _process = Process::start(&sim, folder.path(), &extra, &[]).await;
    for host in ["localhost", "evil.example"] {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        let head = format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200 "), "{host}: {text}");
    }
}
