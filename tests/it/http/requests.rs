//! Which requests are answered and which are refused.

use std::time::Duration;

use avatar_proxy::http::{BodyLimit, Limits};

use super::util::{PREFACE, SETTINGS, Server, limits};

const RST_STREAM: u8 = 3;

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client
        .send(
            "GET /sleep/50 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        .await;
    let text = client.text_to_end().await;
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
    assert!(text.find("slept").unwrap() < text.find("hello").unwrap());
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.send("HEAD /full/70000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let text = client.text_to_end().await;
    assert!(text.contains("content-length: 70000\r\n") && text.ends_with("\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn a_body_on_get_is_refused_and_ends_the_connection() {
    for (method, fields, body) in [
        ("GET", "Content-Length: 5", "hello"),
        ("HEAD", "Content-Length: 5", ""),
        ("GET", "Transfer-Encoding: chunked", "0\r\n\r\n"),
        ("GET", "Transfer-Encoding: chunked\r\nContent-Length: 3", "0\r\n\r\n"),
        ("GET", "Content-Length: 5000000", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        let server = Server::start(limits()).await;
        let mut client = server.client().await;
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}")).await;
        let text = client.text_to_end().await.to_lowercase();
        assert!(text.starts_with("http/1.1 400 "), "{fields}: {text}");
        assert!(text.contains("connection: close\r\n"), "{fields}: {text}");
        assert_eq!(text.matches("http/1.1").count(), 1, "the body was taken for a request: {text}");
    }
}

#[tokio::test]
async fn the_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n").await;
    for _ in 0..20 {
        client.send([b'x'; 1000]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(client.text_to_end().await.contains("body_not_allowed"));
}

#[tokio::test]
async fn a_length_of_zero_is_no_body() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    client.until("hello").await;
    client.get("/").await;
    client.until("hello").await;
}

#[tokio::test]
async fn another_method_with_a_body_reaches_the_handler_and_ends_the_connection() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    let text = client.text_to_end().await;
    assert!(text.starts_with("HTTP/1.1 405 ") && text.contains("connection: close"), "{text}");
}

#[tokio::test]
async fn where_bodies_are_allowed_they_are_collected_up_to_the_limit_and_in_time() {
    let server = Server::start(Limits { body: BodyLimit::UpTo(10), ..limits() }).await;
    let mut client = server.client().await;
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length:";
    for _ in 0..2 {
        client.send(format!("{post} 10\r\n\r\n0123456789")).await;
        client.until("0123456789").await;
    }
    client.send(format!("{post} 11\r\n\r\n0123456789a")).await;
    assert!(client.text_to_end().await.starts_with("HTTP/1.1 413 "));

    let mut slow = server.client().await;
    slow.send(format!("{post} 10\r\n\r\n01234")).await;
    assert!(slow.text_to_end().await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let server = Server::start(limits()).await;
    for fields in [format!("X: {}\r\n", "y".repeat(20_000)), "X: y\r\n".repeat(100)] {
        let mut client = server.client().await;
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
        let text = client.text_to_end().await;
        assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
    }
}

#[tokio::test]
async fn a_malformed_request_is_400() {
    let server = Server::start(limits()).await;
    for text in ["hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nA : b\r\n\r\n"] {
        let mut client = server.client().await;
        client.send(text).await;
        let text = client.text_to_end().await;
        assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    }
}

#[tokio::test]
async fn a_broken_body_closes_http1_short() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.get("/failed").await;
    let text = client.text_to_end().await;
    assert!(text.contains("content-length: 10\r\n") && text.ends_with("\r\n\r\n01234"), "{text}");

    // What breaks before anything was flushed is not even begun.
    let mut client = server.client().await;
    client.get("/short").await;
    let text = client.text_to_end().await;
    assert!(text.is_empty() || text.ends_with("\r\n\r\n01234"), "{text}");
}

#[tokio::test]
async fn a_broken_body_resets_the_http2_stream_and_not_the_connection() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.send([PREFACE, SETTINGS].concat()).await;
    client.request_h2_path(1, "/failed").await;
    assert_eq!(client.frame_of(RST_STREAM).await.0, 1);
    client.request_h2(3).await;
    assert_eq!(client.frame_of(0).await, (3, b"hello".to_vec()));
}

#[tokio::test]
async fn a_panic_is_answered_with_500_and_the_connection_goes_on() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    client.get("/panic").await;
    let text = client.until("}").await;
    assert!(text.starts_with("HTTP/1.1 500 ") && !text.contains("planted"), "{text}");
    client.get("/").await;
    client.until("hello").await;
}
