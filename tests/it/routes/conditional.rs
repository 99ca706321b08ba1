//! Conditional requests in the order of RFC 9110 13.2.2, and what a 304 carries.

use std::time::Duration;

use super::util::{assert_error, assert_fields, fields, proxy};
use crate::support::accounts::{FACEBOOK, INSTAGRAM, small};
use crate::support::client::hash;

#[tokio::test]
async fn each_condition_and_their_precedence() {
    let (_sim, proxy) = proxy("").await;
    let whole = proxy.get(&FACEBOOK.path()).await;
    let etag = whole.header("etag").unwrap();
    let modified = whole.header("last-modified").unwrap();
    let at = httpdate::parse_http_date(modified).unwrap();
    let before = httpdate::fmt_http_date(at - Duration::from_secs(1));
    let after = httpdate::fmt_http_date(at + Duration::from_secs(1));
    for (headers, status) in [
        (format!("If-None-Match: {etag}\r\n"), 304),
        (format!("If-None-Match: W/{etag}\r\n"), 304),
        (format!("If-None-Match: \"x\", W/\"y\" ,{etag}\r\n"), 304),
        (format!("If-None-Match: \"x\"\r\nIf-None-Match: {etag}\r\n"), 304),
        ("If-None-Match: *\r\n".to_owned(), 304),
        ("If-None-Match: \"x\"\r\n".to_owned(), 200),
        (format!("If-None-Match: {}\r\n", etag.trim_matches('"')), 200),
        (format!("If-Modified-Since: {modified}\r\n"), 304),
        (format!("If-Modified-Since: {after}\r\n"), 304),
        (format!("If-Modified-Since: {before}\r\n"), 200),
        ("If-Modified-Since: yesterday\r\n".to_owned(), 200),
        // With If-None-Match the date is not looked at.
        (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {after}\r\n"), 200),
        (format!("If-None-Match: {etag}\r\nIf-Modified-Since: {before}\r\n"), 304),
        (format!("If-Match: {etag}\r\n"), 200),
        ("If-Match: *\r\n".to_owned(), 200),
        ("If-Match: \"x\"\r\n".to_owned(), 412),
        (format!("If-Match: W/{etag}\r\n"), 412),
        (format!("If-Unmodified-Since: {modified}\r\n"), 200),
        (format!("If-Unmodified-Since: {before}\r\n"), 412),
        // With If-Match the date is not looked at; and a failed one comes before everything else.
        (format!("If-Match: {etag}\r\nIf-Unmodified-Since: {before}\r\n"), 200),
        (format!("If-Match: \"x\"\r\nIf-None-Match: {etag}\r\n"), 412),
        (format!("If-Match: {etag}\r\nIf-None-Match: {etag}\r\n"), 304),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = proxy.request(method, &FACEBOOK.path(), &headers).await;
            assert_eq!(answer.status, status, "{method} {headers}");
            if method == "GET" && status == 200 {
                assert_eq!(answer.hash(), hash(&small(1).bytes), "{headers}");
            }
        }
    }
}

#[tokio::test]
async fn a_304_carries_what_a_cache_needs_to_go_on_and_no_more() {
    let (_sim, proxy) = proxy("").await;
    let whole = proxy.get(&FACEBOOK.path()).await;
    let headers = format!("If-None-Match: {}\r\n", whole.header("etag").unwrap());
    let mut expected = fields(&whole);
    // RFC 9110 15.4.5: the representation's own metadata stays away.
    expected.remove("content-length");
    expected.remove("content-type");
    let expected: Vec<(&str, &str)> = expected.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    for method in ["GET", "HEAD"] {
        let answer = proxy.request(method, &FACEBOOK.path(), &headers).await;
        assert_eq!((answer.status, answer.body.len()), (304, 0));
        assert_fields(&answer, &expected);
        for name in ["cache-control", "cdn-cache-control", "etag", "last-modified"] {
            assert!(answer.header(name).is_some(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_failed_precondition_is_an_error_that_nobody_keeps() {
    let (_sim, proxy) = proxy("").await;
    let answer = proxy.request("GET", &FACEBOOK.path(), "If-Match: \"x\"\r\n").await;
    assert_error(&answer, 412, "precondition_failed");
}

#[tokio::test]
async fn a_placeholder_has_no_validator_so_that_no_tag_keeps_it_alive() {
    let (_sim, proxy) = proxy("").await;
    let headers = "If-None-Match: \"x\"\r\nIf-Modified-Since: Fri, 01 Jan 2038 00:00:00 GMT\r\n";
    for target in [INSTAGRAM.path(), "/avatar/nobody".to_owned()] {
        let answer = proxy.request("GET", &target, headers).await;
        assert!(matches!(answer.status, 200 | 404), "{}", answer.head);
        assert!(!answer.body.is_empty());
    }
}
