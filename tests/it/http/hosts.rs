//! The host that a request names, or fails to name (RFC 9112 3.2, RFC 9113 8.3.1).

use super::util::{PREFACE, SETTINGS, Server, limits};

/// The whole answer to one request; the server must close the connection.
async fn answer(server: &Server, request: &str) -> String {
    let mut client = server.client().await;
    client.send(request).await;
    client.text_to_end().await
}

#[tokio::test]
async fn http1_without_one_valid_host_is_400_and_ends_the_connection() {
    let server = Server::start(limits()).await;
    let long = format!("Host: {}\r\n", "a".repeat(1000) + "/");
    for fields in [
        "",
        "Host:\r\n",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host: a, b\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: user@a\r\n",
        "Host: a:b\r\n",
        "Host: a:65536\r\n",
        "Host: :80\r\n",
        "Host: http://a\r\n",
        "Host: [::1\r\n",
        "Host: [nonsense]\r\n",
        "Host: \u{e4}\r\n",
        &long,
    ] {
        // The second request must not be answered: the connection ends with the first.
        let head = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        let text = answer(&server, &(head + "GET / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert!(text.starts_with("HTTP/1.1 400 ") && text.contains("invalid_host"), "{fields}: {text}");
        assert!(text.contains("connection: close\r\n"), "{fields}: {text}");
        assert_eq!(text.matches("HTTP/1.1").count(), 1, "{fields}: {text}");
    }
}

#[tokio::test]
async fn http1_with_a_valid_host_is_answered() {
    let server = Server::start(limits()).await;
    for host in [
        "a",
        "a.example:8080",
        "a:",
        "under_score",
        "192.0.2.7",
        "192.0.2.7:80",
        "[2001:db8::1]",
        "[::1]:8080",
    ] {
        let text =
            answer(&server, &format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
        assert!(text.ends_with("hello"), "{host}: {text}");
    }
}

#[tokio::test]
async fn http10_needs_no_host_but_may_not_name_a_wrong_one() {
    let server = Server::start(limits()).await;
    for (fields, status) in
        [("", 200), ("Host: a\r\n", 200), ("Host: a\r\nHost: a\r\n", 400), ("Host: a/b\r\n", 400)]
    {
        let text = answer(&server, &format!("GET / HTTP/1.0\r\n{fields}\r\n")).await;
        assert!(text.starts_with(&format!("HTTP/1.0 {status} ")), "{fields}: {text}");
    }
}

#[tokio::test]
async fn a_whole_address_in_the_request_line_needs_the_header_as_well() {
    let server = Server::start(limits()).await;
    for (target, fields, status) in [
        ("http://a/", "Host: a\r\n", 200),
        ("http://a/", "Host: b\r\n", 200),
        ("http://a:80/", "Host: a\r\n", 200),
        ("http://a/", "", 400),
        ("http://a/", "Host: a\r\nHost: a\r\n", 400),
        ("http://a/", "Host: b/c\r\n", 400),
        ("http://user@a/", "Host: a\r\n", 400),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n");
        let text = answer(&server, &request).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{target} {fields}: {text}");
    }
}

#[tokio::test]
async fn http2_names_its_host_as_authority_or_in_the_header() {
    // The indexed `:status` of the answer (RFC 7541 A).
    const OK: u8 = 0x88;
    const BAD_REQUEST: u8 = 0x8c;
    let get = [0x82, 0x84, 0x86];
    let authority = |value: &str| [&[0x41, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    let host = |value: &str| [&[0x0f, 0x17, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    let server = Server::start(limits()).await;
    for (block, status) in [
        (authority("a"), OK),
        (authority("[::1]:80"), OK),
        (host("a"), OK),
        ([authority("a"), host("a")].concat(), OK),
        (Vec::new(), BAD_REQUEST),
        (authority("user@a"), BAD_REQUEST),
        (host("a/b"), BAD_REQUEST),
        ([authority("a"), host("a b")].concat(), BAD_REQUEST),
        ([authority("a"), host("a"), host("a")].concat(), BAD_REQUEST),
    ] {
        let mut client = server.client().await;
        client.send([PREFACE, SETTINGS].concat()).await;
        let length = u8::try_from(get.len() + block.len()).unwrap();
        client.send([&[0, 0, length, 1, 5, 0, 0, 0, 1][..], &get, &block].concat()).await;
        let (_, head) = client.frame_of(1).await;
        assert_eq!(head[0], status, "{:?}", String::from_utf8_lossy(&block));
    }
}
