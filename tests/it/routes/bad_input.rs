//! What clients may not ask: ids, parameters, methods and bodies.

use super::util::{assert_error, proxy};
use crate::support::accounts::{FACEBOOK, small};
use crate::support::client::hash;

#[tokio::test]
async fn an_id_is_1_to_64_characters_of_a_small_alphabet() {
    let (sim, proxy) = proxy("").await;
    sim.reset_counters();
    let (longest, too_long) = ("a".repeat(64), "a".repeat(65));
    for id in [
        "",
        "a/b",
        "a/",
        "/a",
        "..",
        "../avatar/clx3facebook",
        "..%2fclx3facebook",
        "%2e%2e%2fclx3facebook",
        "a.b",
        ".jpg",
        "a.gif",
        "a.jpg.png",
        "a.JPG",
        "a.",
        "%00",
        "clx3facebook%00",
        "clx3facebook%20",
        "clx3%66acebook",
        "clx3facebook;x",
        "clx3facebook+",
        "a'or'1'='1",
        "caf%C3%A9",
        "%F0%9F%A6%80",
        "\u{e9}",
        "%",
        &too_long,
    ] {
        let answer = proxy.get(&format!("/avatar/{id}")).await;
        assert_error(&answer, 400, "invalid_id");
    }
    assert_eq!(proxy.get(&format!("/avatar/{longest}")).await.status, 404);
    assert_eq!(sim.total_api_calls(), 0);
}

#[tokio::test]
async fn pages_that_do_not_exist_are_404() {
    let (_sim, proxy) = proxy("").await;
    for target in
        ["/", "/avatar", "/avatars/x", "/Avatar/clx3facebook", "//avatar/clx3facebook", "/api/avatars/x"]
    {
        assert_error(&proxy.get(target).await, 404, "not_found");
    }
}

#[tokio::test]
async fn an_extension_is_accepted_and_the_bytes_stay_what_they_are() {
    let (_sim, proxy) = proxy("").await;
    for extension in ["", ".jpg", ".png", ".webp", ".avif"] {
        let answer = proxy.get(&format!("{}{extension}", FACEBOOK.path())).await;
        assert_eq!((answer.status, answer.hash()), (200, hash(&small(1).bytes)), "{extension}");
        assert_eq!(answer.header("content-type"), Some("image/jpeg"), "{extension}");
    }
}

#[tokio::test]
async fn unknown_parameters_are_ignored() {
    let (_sim, proxy) = proxy("").await;
    for query in ["", "v=3", "utm_source=%ff%00", "&&=&x", "r=pg", "s=80&size=640", "sig=x&expires=1", "f=n"]
    {
        let answer = proxy.get(&format!("{}?{query}", FACEBOOK.path())).await;
        assert_eq!((answer.status, answer.hash()), (200, hash(&small(1).bytes)), "{query}");
    }
}

#[tokio::test]
async fn broken_parameters_are_400_by_name() {
    let (_sim, proxy) = proxy("").await;
    for (query, code) in [
        ("s=", "invalid_size"),
        ("s=0", "invalid_size"),
        ("s=-1", "invalid_size"),
        ("s=2049", "invalid_size"),
        ("s=1e3", "invalid_size"),
        ("size=99999999999999999999", "invalid_size"),
        ("s=80&s=x", "invalid_size"),
        ("d=robohash", "invalid_default"),
        ("default=https%3A%2F%2Fexample.com%2Fa.png", "invalid_default"),
        ("d", "invalid_default"),
        ("f=1", "invalid_force"),
        ("forcedefault=", "invalid_force"),
        ("d=%ff", "invalid_query"),
    ] {
        for path in [FACEBOOK.path(), "/avatar/nobody".to_owned()] {
            assert_error(&proxy.get(&format!("{path}?{query}")).await, 400, code);
        }
    }
}

#[tokio::test]
async fn nothing_but_get_and_head() {
    let (sim, proxy) = proxy("").await;
    sim.reset_counters();
    for target in ["/avatar/clx3facebook", "/avatar/nobody", "/avatar/..", "/healthz", "/livez", "/readyz"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE", "get", "X"] {
            let answer = proxy.request(method, target, "").await;
            assert_error(&answer, 405, "method_not_allowed");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method} {target}");
        }
    }
    assert_eq!(sim.total_api_calls(), 0);
    assert_eq!(proxy.get("/avatar/clx3facebook").await.hash(), hash(&small(1).bytes));
}

#[tokio::test]
async fn a_body_on_get_is_400_and_ends_the_connection() {
    let (_sim, proxy) = proxy("").await;
    for headers in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        // The harness asks for `Connection: close`; the answer must say it without being asked.
        let answer = crate::support::client::raw(
            proxy.address,
            &format!("GET {} HTTP/1.1\r\nHost: a\r\n{headers}\r\n5\r\nhello\r\n0\r\n\r\n", FACEBOOK.path()),
        )
        .await;
        assert_error(&answer, 400, "body_not_allowed");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(answer.head.matches("HTTP/1.1").count(), 1);
    }
    let empty = proxy.request("GET", &FACEBOOK.path(), "Content-Length: 0\r\n").await;
    assert_eq!(empty.status, 200);
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let (_sim, proxy) = proxy("").await;
    for (head, status) in [
        ("GET /avatar/a HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(), 400),
        ("GET /avatar/a\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET /avatar/a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy".to_owned(), 400),
        (format!("GET /avatar/{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(70_000)), 431),
    ] {
        let answer = crate::support::client::raw(proxy.address, &head).await;
        assert_eq!(answer.status, status, "{}", &head[..40]);
    }
}
