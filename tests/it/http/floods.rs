//! Clients that try to fill the log. Each test floods the server with one cause of a line, of a library or of our own.

use std::net::SocketAddr;

use avatar_proxy::clock::Clock;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::util::{Client, PING, PREFACE, SETTINGS};
use crate::support::client;
use crate::support::process::Process;
use crate::support::proxy::{START, stand_in};

/// RFC 9113 6.
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING_FRAME: u8 = 6;
/// The most lines of one kind after a flood of a few seconds, which touches two windows of ten lines.
const LIBRARY_LINES: usize = 20;
/// The same for a line of our own.
const OWN_LINES: usize = 200;

struct Server {
    process: Process,
    _folder: TempDir,
}

impl Server {
    async fn start(extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sim = stand_in(&Clock::manual(START)).await;
        Self { process: Process::start(&sim, folder.path(), extra, &[]).await, _folder: folder }
    }

    /// Stops it, and fails unless the log has few lines with `text` and a line that counts the rest.
    async fn assert_few(mut self, text: &str, most: usize) {
        self.process.signal("TERM");
        self.process.ended().await;
        let log = self.process.log();
        let lines = log.matches(text).count();
        assert!((1..=most).contains(&lines), "{lines} lines with {text:?}");
        assert!(log.contains("too many lines of one kind"), "nothing says that lines were left out");
        assert!(log.len() < 100_000, "{} bytes", log.len());
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[a, b, c, kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// `GET /` of HTTP/2 with `:authority a`.
fn request(stream: u32) -> Vec<u8> {
    frame(HEADERS, 5, stream, &[0x82, 0x84, 0x86, 0x41, 1, b'a'])
}

async fn http2(address: SocketAddr) -> Client {
    let mut client = Client::of(TcpStream::connect(address).await.unwrap());
    client.send([PREFACE, SETTINGS].concat()).await;
    client
}

#[tokio::test]
async fn acknowledgements_of_pings_that_were_never_sent_do_not_fill_the_log() {
    let server = Server::start("").await;
    let mut client = http2(server.process.address).await;
    let flood = frame(PING_FRAME, 1, 0, &[7; 8]).repeat(1000);
    for _ in 0..100 {
        client.send(&flood).await;
    }
    client.send(PING).await;
    client.frame_of(PING_FRAME).await;
    server.assert_few("recv PING ack", LIBRARY_LINES).await;
}

#[tokio::test]
async fn connections_that_end_by_too_many_resets_do_not_fill_the_log() {
    let server = Server::start("").await;
    let resets: Vec<u8> = (1..400)
        .step_by(2)
        .flat_map(|stream| [request(stream), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat())
        .collect();
    for _ in 0..50 {
        let mut client = http2(server.process.address).await;
        client.send(&resets).await;
        client.read_to_end().await;
    }
    server.assert_few("remotely-reset pending-accept streams", LIBRARY_LINES).await;
}

#[tokio::test]
async fn connections_that_make_us_reset_too_many_streams_do_not_fill_the_log() {
    let server = Server::start("").await;
    // `content-length: 5` and no body is an error of the stream (RFC 9113 8.1.1).
    let malformed = [0x82, 0x84, 0x86, 0x41, 1, b'a', 0x0f, 0x0d, 1, b'5'];
    for _ in 0..50 {
        let mut client = http2(server.process.address).await;
        // One after the other: streams beyond the hundred that may be open are refused, which is no error of theirs.
        for stream in (1..).step_by(2) {
            client.send(frame(HEADERS, 5, stream, &malformed)).await;
            if client.frame_unless_closed(RST_STREAM).await.is_none() {
                break;
            }
        }
    }
    server.assert_few("locally-reset streams reached limit", LIBRARY_LINES).await;
}

#[tokio::test]
async fn unknown_ids_while_the_database_is_down_do_not_fill_the_log() {
    let server =
        Server::start("[directory]\nurl = \"postgres://nobody@127.0.0.1:1/none\"\ntimeout = \"50ms\"\n")
            .await;
    let views = (0..8).map(|hand| {
        let address = server.process.address;
        async move {
            for n in 0..100 {
                client::request(address, "GET", &format!("/avatar/flood-{hand}-{n}"), "").await;
            }
        }
    });
    futures_util::future::join_all(views).await;
    server.assert_few("the directory cannot be asked", OWN_LINES).await;
}
