//! The headers of pictures and of placeholders, all of them.

use graphsim::Fault;

use super::util::{assert_fields, fields, proxy};
use crate::support::accounts::{FACEBOOK, INSTAGRAM, large, small};
use crate::support::client::{Answer, hash};
use avatar_proxy::clock::Clock;

use crate::support::proxy::{Proxy, START, stand_in};

const CACHE: &str = "public, max-age=300, stale-while-revalidate=86400, stale-if-error=604800";
const CDN: &str = "public, max-age=3600, stale-while-revalidate=86400, stale-if-error=604800";
const SHORT: &str = "public, max-age=60";

/// The headers that every answer to a view has, before its own.
fn with_common<'a>(own: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let common = [
        ("accept-ranges", "none"),
        ("connection", "close"),
        ("content-disposition", "inline"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("x-content-type-options", "nosniff"),
    ];
    [&common[..], own].concat()
}

/// None of the origin's own headers, and none that this server must not send.
#[track_caller]
fn assert_nothing_foreign(answer: &Answer) {
    for name in ["age", "vary", "set-cookie", "server", "via", "x-powered-by", "transfer-encoding"] {
        assert_eq!(answer.header(name), None, "{}", answer.head);
    }
    assert!(!answer.head.contains("s-maxage"), "{}", answer.head);
}

#[tokio::test]
async fn a_picture_has_exactly_these_headers() {
    let (_sim, proxy) = proxy("").await;
    let answer = proxy.get(&FACEBOOK.path()).await;
    let etag = format!("\"{}\"", answer.header("etag").unwrap().trim_matches('"'));
    let length = small(1).bytes.len().to_string();
    let modified = answer.header("last-modified").unwrap().to_owned();
    assert!(httpdate::parse_http_date(&modified).unwrap() <= START.to_system_time());
    let own = [
        ("avatar-state", "fresh"),
        ("cache-control", CACHE),
        ("cache-status", "avatar-proxy; hit"),
        ("cache-tag", "avatar-clx3facebook,facebook"),
        ("cdn-cache-control", CDN),
        ("content-length", &length),
        ("content-type", "image/jpeg"),
        ("etag", &etag),
        ("last-modified", &modified),
        ("surrogate-key", "avatar-clx3facebook facebook"),
    ];
    assert_eq!((answer.status, answer.hash()), (200, hash(&small(1).bytes)));
    assert_fields(&answer, &with_common(&own));
    assert_nothing_foreign(&answer);
}

#[tokio::test]
async fn the_etag_is_the_hash_of_the_bytes_and_survives_a_restart() {
    let (sim, proxy) = proxy("").await;
    let before = proxy.get(&FACEBOOK.path()).await.header("etag").map(str::to_owned).unwrap();
    assert!(before.starts_with('"') && before.ends_with('"'), "strong: {before}");
    let (clock, folder) = (proxy.clock.clone(), proxy.stop().await);
    let entries = FACEBOOK.entry("") + &INSTAGRAM.entry("");
    let proxy = Proxy::start_in(&sim, &clock, &entries, folder).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.header("etag"), Some(before.as_str()));
    sim.set_picture(FACEBOOK.account, Some(small(9)));
    proxy.admin("DELETE", &format!("/api/avatars/{}", FACEBOOK.id)).await;
    assert_ne!(proxy.get(&FACEBOOK.path()).await.header("etag"), Some(before.as_str()));
}

#[tokio::test]
async fn a_placeholder_is_short_lived_and_has_no_validators() {
    let (_sim, proxy) = proxy("").await;
    let answer = proxy.get(&INSTAGRAM.path()).await;
    let length = answer.body.len().to_string();
    let own = [
        ("avatar-state", "placeholder"),
        ("cache-control", SHORT),
        ("cache-status", "avatar-proxy; hit; detail=no-picture"),
        ("cache-tag", "avatar-clx3instagram,instagram"),
        ("cdn-cache-control", SHORT),
        ("content-length", &length),
        ("content-type", "image/svg+xml"),
        ("surrogate-key", "avatar-clx3instagram instagram"),
    ];
    assert_eq!(answer.status, 200);
    assert!(String::from_utf8_lossy(&answer.body).starts_with("<svg "));
    assert_fields(&answer, &with_common(&own));
    assert_nothing_foreign(&answer);
}

#[tokio::test]
async fn an_unknown_id_is_a_404_with_a_neutral_picture_that_a_cdn_may_keep() {
    let (_sim, proxy) = proxy("").await;
    let answer = proxy.get("/avatar/nobody").await;
    let length = answer.body.len().to_string();
    let own = [
        ("avatar-state", "placeholder"),
        ("cache-control", SHORT),
        ("cache-status", "avatar-proxy; fwd=uri-miss; detail=unknown-connection"),
        ("cdn-cache-control", SHORT),
        ("content-length", &length),
        ("content-type", "image/svg+xml"),
    ];
    assert_eq!(answer.status, 404);
    assert_fields(&answer, &with_common(&own));
    assert!(!String::from_utf8_lossy(&answer.body).contains("<text"), "no name is known");
    assert_eq!(answer.hash(), proxy.get("/avatar/nobody-else").await.hash());
}

#[tokio::test]
async fn with_d_404_a_missing_picture_is_json_so_that_onerror_fires() {
    let (_sim, proxy) = proxy("").await;
    for (target, code) in
        [("/avatar/nobody?d=404", "unknown_connection"), ("/avatar/clx3instagram?d=404", "no_picture")]
    {
        let answer = proxy.get(target).await;
        assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/json")));
        assert_eq!(answer.header("cache-control"), Some(SHORT));
        assert_eq!(answer.header("cdn-cache-control"), Some(SHORT));
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["error"], code);
    }
    // A picture that there is does not care.
    assert_eq!(proxy.get("/avatar/clx3facebook?d=404").await.status, 200);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let (_sim, proxy) = proxy("").await;
    for target in [
        "/avatar/clx3facebook",
        "/avatar/clx3instagram",
        "/avatar/clx3instagram?d=blank",
        "/avatar/nobody",
        "/avatar/nobody?d=404",
        "/avatar/clx3facebook?s=0",
        "/avatar/no.gif",
        "/no-such-page",
        "/healthz",
        "/readyz",
    ] {
        let get = proxy.get(target).await;
        let head = proxy.request("HEAD", target, "").await;
        assert_eq!((head.status, fields(&head)), (get.status, fields(&get)), "{target}");
        assert_eq!(get.header("content-length"), Some(get.body.len().to_string().as_str()), "{target}");
        assert!(head.body.is_empty() && !get.body.is_empty(), "{target}");
    }
}

#[tokio::test]
async fn head_of_a_picture_that_is_still_coming_in_has_no_body_either() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, large(1));
    sim.cdn_fault(None, Some(Fault::Slow { chunk: 60_000, pause: std::time::Duration::from_millis(30) }));
    let proxy = Proxy::start(&sim, &clock, &(FACEBOOK.entry("") + "[origin]\ntimeout = \"9s\"\n")).await;
    let head = proxy.request("HEAD", &FACEBOOK.path(), "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(large(1).bytes.len().to_string().as_str()));
    assert_eq!((head.header("etag"), head.header("cache-control")), (None, Some(SHORT)));
}

#[tokio::test]
async fn ranges_are_ignored() {
    let (_sim, proxy) = proxy("").await;
    for headers in ["Range: bytes=0-9\r\n", "Range: bytes=99999999-\r\n", "Range: lines=1-2\r\n"] {
        let answer = proxy.request("GET", &FACEBOOK.path(), headers).await;
        assert_eq!((answer.status, answer.hash()), (200, hash(&small(1).bytes)), "{headers}");
        assert_eq!(answer.header("content-range"), None);
    }
}

#[tokio::test]
async fn nothing_that_the_origin_sends_is_passed_on() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let account = graphsim::Account {
        corp_same_origin: true,
        ..graphsim::Account::new(INSTAGRAM.kind, INSTAGRAM.account, INSTAGRAM.token, small(1))
    };
    sim.add(account);
    let foreign = [("Set-Cookie", "a=b"), ("Age", "77"), ("Vary", "*"), ("X-Planted", "1")];
    let foreign = foreign.map(|(name, value)| (name, value.to_owned()));
    sim.cdn_fault(None, Some(Fault::Headers(foreign.to_vec())));
    let proxy = Proxy::start(&sim, &clock, &INSTAGRAM.entry("")).await;
    for status in ["avatar-proxy; fwd=uri-miss; stored", "avatar-proxy; hit"] {
        let answer = proxy.get(&INSTAGRAM.path()).await;
        assert_eq!(answer.header("cache-status"), Some(status));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
        assert_eq!(answer.header("x-planted"), None);
        assert_nothing_foreign(&answer);
    }
}
