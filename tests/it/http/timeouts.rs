//! Which clients are cut, and when.

use std::time::Duration;

use tokio::time::sleep;

use super::util::{Client, HEADER, IDLE, PING, PREFACE, SETTINGS, Server, limits};

const SLACK: Duration = Duration::from_millis(350);

async fn dripped(client: &mut Client, bytes: &[u8], pause: Duration) {
    let (mut reader, mut writer) = client.stream.split();
    let drip = async {
        for byte in bytes.iter().cycle() {
            if tokio::io::AsyncWriteExt::write_all(&mut writer, &[*byte]).await.is_err() {
                break;
            }
            sleep(pause).await;
        }
    };
    let mut all = Vec::new();
    tokio::select! {
        () = drip => {}
        _ = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut all) => {}
        () = sleep(Duration::from_secs(10)) => panic!("never closed"),
    }
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_closed_by_the_idle_timeout() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    assert!(client.read_to_end().await.is_empty());
    client.assert_closed_after(IDLE, IDLE + SLACK);
}

#[tokio::test]
async fn a_part_of_the_preface_is_cut_by_the_header_timeout() {
    for part in ["PRI *", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let server = Server::start(limits()).await;
        let mut client = server.client().await;
        client.send(part).await;
        client.read_to_end().await;
        client.assert_closed_after(HEADER, HEADER + SLACK);
    }
}

#[tokio::test]
async fn a_head_that_dribbles_in_is_cut_by_the_header_timeout() {
    let server = Server::start(limits()).await;
    for bytes in [
        b"GET / HTTP/1.1\r\nX-Long: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy".as_slice(),
        b"\r\n",
        PREFACE,
    ] {
        let mut client = server.client().await;
        dripped(&mut client, bytes, Duration::from_millis(50)).await;
        client.assert_closed_after(HEADER, HEADER + SLACK);
    }
}

#[tokio::test]
async fn a_request_after_an_idle_time_longer_than_the_header_timeout_is_answered() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    for _ in 0..3 {
        sleep(HEADER * 2).await;
        client.get("/").await;
        client.until("hello").await;
    }
}

#[tokio::test]
async fn an_http2_request_after_an_idle_time_is_answered() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    let longer = HEADER + Duration::from_millis(100);
    sleep(longer).await;
    client.send([PREFACE, SETTINGS].concat()).await;
    for stream in [1, 3] {
        sleep(longer).await;
        client.request_h2(stream).await;
        assert_eq!(client.frame_of(0).await, (u32::from(stream), b"hello".to_vec()));
    }
}

#[tokio::test]
async fn a_kept_connection_ends_when_it_has_been_idle() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.get("/sleep/300").await;
    client.until("slept").await;
    client.read_to_end().await;
    client.assert_closed_after(IDLE + Duration::from_millis(300), IDLE + Duration::from_millis(300) + SLACK);
}

#[tokio::test]
async fn an_answer_that_takes_longer_than_every_timeout_is_not_cut() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.get("/sleep/2000").await;
    client.until("slept").await;
}

#[tokio::test]
async fn http2_pings_do_not_keep_a_connection() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.send([PREFACE, SETTINGS].concat()).await;
    dripped_frames(&mut client, PING).await;
    // GOAWAY comes at the idle timeout; a client that stays is closed after the header timeout.
    client.assert_closed_after(IDLE, IDLE + HEADER + SLACK);
}

async fn dripped_frames(client: &mut Client, frame: &[u8]) {
    let (mut reader, mut writer) = client.stream.split();
    let drip = async {
        while tokio::io::AsyncWriteExt::write_all(&mut writer, frame).await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let mut all = Vec::new();
    tokio::select! {
        () = drip => {}
        _ = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut all) => {}
        () = sleep(Duration::from_secs(10)) => panic!("never closed"),
    }
}

#[tokio::test]
async fn http2_headers_without_an_end_are_cut_by_the_idle_timeout() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.send([PREFACE, SETTINGS].concat()).await;
    // HEADERS of 8 KiB, of which a byte comes now and then.
    client.send([0, 0x20, 0, 1, 5, 0, 0, 0, 1]).await;
    dripped(&mut client, &[0x82], Duration::from_millis(50)).await;
    client.assert_closed_after(IDLE, IDLE + HEADER + SLACK);
}

#[tokio::test]
async fn http2_continuations_without_an_end_are_cut_by_the_idle_timeout_at_the_latest() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.send([PREFACE, SETTINGS].concat()).await;
    // HEADERS with `:method GET` and no END_HEADERS, then CONTINUATIONs of one byte.
    client.send([0, 0, 1, 1, 1, 0, 0, 0, 1, 0x82]).await;
    dripped_frames(&mut client, &[0, 0, 1, 9, 0, 0, 0, 0, 1, 0x84]).await;
    client.assert_closed_after(Duration::ZERO, IDLE + HEADER + SLACK);
}

#[tokio::test]
async fn a_client_of_http2_that_died_is_found_while_its_answer_is_in_preparation() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.send([PREFACE, SETTINGS].concat()).await;
    client.request_h2_path(1, "/sleep/8000").await;
    // It answers no PING.
    client.read_to_end().await;
    client.assert_closed_after(IDLE + HEADER, IDLE + HEADER + SLACK * 2);
}

#[tokio::test]
async fn an_http2_answer_that_takes_longer_than_every_timeout_is_not_cut() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.send([PREFACE, SETTINGS].concat()).await;
    client.request_h2_path(1, "/sleep/3000").await;
    loop {
        match client.frame().await.expect("closed before the answer") {
            (0, 1, body) => break assert_eq!(body, b"slept"),
            (6, 0, ping) => client.send([&PING[..4], &[1], &PING[5..9], &ping].concat()).await,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.get("/full/50000000").await;
    sleep(IDLE * 2 + SLACK).await;
    let got = client.read_to_end().await;
    assert!(got.len() < 50_000_000, "all of it fitted into the buffers");
}

#[tokio::test]
async fn an_http2_client_that_opens_no_window_is_cut() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    // SETTINGS_INITIAL_WINDOW_SIZE = 0
    client.send([PREFACE, &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]].concat()).await;
    client.request_h2(1).await;
    client.read_to_end().await;
    client.assert_closed_after(IDLE, IDLE + SLACK);
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_not_cut() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.send("GET /full/2000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let mut got = 0;
    let mut buffer = vec![0; 100_000];
    loop {
        let read = tokio::io::AsyncReadExt::read(&mut client.stream, &mut buffer).await.unwrap();
        if read == 0 {
            break;
        }
        got += read;
        sleep(Duration::from_millis(100)).await;
    }
    assert!(got > 2_000_000, "only {got} bytes came");
    client.assert_closed_after(IDLE, Duration::from_secs(30));
}
