use crate::support::accounts::{FACEBOOK, small};
use crate::support::client::{Answer, hash};
use crate::support::proxy::{Proxy, START, stand_in};
use avatar_proxy::clock::Clock;

async fn held() -> (graphsim::Graphsim, Proxy) {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    let proxy = Proxy::start(&sim, &clock, &FACEBOOK.entry("")).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.status, 200);
    (sim, proxy)
}

#[track_caller]
fn assert_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.head);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["error"], code);
}

#[tokio::test]
async fn what_is_no_id_is_refused() {
    let (_sim, proxy) = held().await;
    let long = "a".repeat(65);
    for id in ["", "a.b", "a%00", "..", "%2e%2e", "a%2Fb", "%C3%A4", "a.jpg.png", "a.svg", long.as_str()] {
        assert_error(&proxy.get(&format!("/avatar/{id}")).await, 400, "invalid_id");
    }
    for path in ["/avatar", "/avatars/a", "/", "/favicon.ico", "//avatar/a"] {
        assert_error(&proxy.get(path).await, 404, "not_found");
    }
    assert_error(&proxy.get("/avatar/a/b").await, 400, "invalid_id");
}

#[tokio::test]
async fn unknown_parameters_are_ignored_and_broken_ones_refused() {
    let (_sim, proxy) = held().await;
    let path = FACEBOOK.path();
    for query in ["?utm_source=x", "?v=1&&", "?s=80&size=640", "?d=blank&f=n", "?sig=abc&expires=1"] {
        assert_eq!(proxy.get(&(path.clone() + query)).await.hash(), hash(&small(1).bytes), "{query}");
    }
    for (query, code) in [
        ("?s=0", "invalid_size"),
        ("?s=2049", "invalid_size"),
        ("?size=big", "invalid_size"),
        ("?d=https://example.com/a.png", "invalid_default"),
        ("?f=maybe", "invalid_force"),
        ("?d=%ff", "invalid_query"),
    ] {
        assert_error(&proxy.get(&(path.clone() + query)).await, 400, code);
    }
}

#[tokio::test]
async fn nothing_but_get_and_head_is_answered() {
    let (_sim, proxy) = held().await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE"] {
        for path in [FACEBOOK.path().as_str(), "/healthz"] {
            let answer = proxy.request(method, path, "").await;
            assert_error(&answer, 405, "method_not_allowed");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method}");
        }
    }
}

#[tokio::test]
async fn a_picture_has_exactly_these_headers() {
    let (_sim, proxy) = held().await;
    let answer = proxy.get(&FACEBOOK.path()).await;
    let etag = format!("\"{}\"", &hash(&small(1).bytes)[..32]);
    let length = small(1).bytes.len().to_string();
    let expected = [
        ("accept-ranges", "none"),
        ("avatar-state", "fresh"),
        ("cache-control", "public, max-age=300, stale-while-revalidate=86400, stale-if-error=604800"),
        ("cache-status", "avatar-proxy; hit"),
        ("cache-tag", "avatar-clx3facebook,facebook"),
        ("cdn-cache-control", "public, max-age=3600, stale-while-revalidate=86400, stale-if-error=604800"),
        ("connection", "close"),
        ("content-disposition", "inline"),
        ("content-length", length.as_str()),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("content-type", "image/jpeg"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("etag", etag.as_str()),
        ("last-modified", "Wed, 24 Dec 2025 10:00:00 GMT"),
        ("surrogate-key", "avatar-clx3facebook facebook"),
        ("x-content-type-options", "nosniff"),
    ];
    for (name, value) in expected {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let mut names: Vec<String> = answer
        .head
        .lines()
        .skip(1)
        .filter_map(|line| Some(line.split_once(':')?.0.to_lowercase()))
        .filter(|name| name != "date")
        .collect();
    names.sort();
    assert_eq!(names, expected.map(|(name, _)| name));
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let (_sim, proxy) = held().await;
    let unknown = "/avatar/nobody".to_owned();
    for path in
        [FACEBOOK.path(), FACEBOOK.path() + "?f=y", unknown.clone(), unknown + "?d=404", "/healthz".into()]
    {
        let get = proxy.get(&path).await;
        let head = proxy.request("HEAD", &path, "").await;
        let without_date =
            |head: &str| head.lines().filter(|line| !line.starts_with("date")).collect::<Vec<_>>().join("\n");
        assert_eq!(without_date(&head.head), without_date(&get.head), "{path}");
        assert!(head.body.is_empty() && !get.body.is_empty());
    }
}

#[tokio::test]
async fn conditions_are_answered_in_their_order() {
    let (_sim, proxy) = held().await;
    let path = FACEBOOK.path();
    let etag = proxy.get(&path).await.header("etag").unwrap().to_owned();
    let modified = "Wed, 24 Dec 2025 10:00:00 GMT";
    for (conditions, status) in [
        (format!("If-None-Match: {etag}\r\n"), 304),
        (format!("If-None-Match: W/{etag}\r\n"), 304),
        (format!("If-None-Match: \"x\", {etag}\r\n"), 304),
        ("If-None-Match: *\r\n".into(), 304),
        ("If-None-Match: \"x\"\r\n".into(), 200),
        (format!("If-Modified-Since: {modified}\r\n"), 304),
        ("If-Modified-Since: Wed, 24 Dec 2025 09:59:59 GMT\r\n".into(), 200),
        ("If-Modified-Since: yesterday\r\n".into(), 200),
        (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {modified}\r\n"), 200),
        ("If-Match: \"x\"\r\n".into(), 412),
        (format!("If-Match: {etag}\r\nIf-None-Match: {etag}\r\n"), 304),
        ("If-Unmodified-Since: Wed, 24 Dec 2025 09:59:59 GMT\r\n".into(), 412),
    ] {
        let answer = proxy.request("GET", &path, &conditions).await;
        assert_eq!(answer.status, status, "{conditions}");
        if status == 304 {
            // RFC 9110, 15.4.5: what a cache needs to go on with what it holds, and no description of a body.
            for name in ["cache-control", "cdn-cache-control", "etag", "last-modified"] {
                assert!(answer.header(name).is_some(), "{name} in {}", answer.head);
            }
            assert_eq!((answer.header("content-type"), answer.header("content-length")), (None, None));
            assert!(answer.body.is_empty());
        }
    }
    let ranged = proxy.request("GET", &path, "Range: bytes=0-9\r\n").await;
    assert_eq!((ranged.status, ranged.hash()), (200, hash(&small(1).bytes)));
}

#[tokio::test]
async fn an_unknown_id_is_a_404_that_a_cdn_absorbs() {
    let (_sim, proxy) = held().await;
    let answer = proxy.get("/avatar/nobody").await;
    assert_eq!((answer.status, answer.state()), (404, "placeholder"));
    assert_eq!(answer.header("content-type"), Some("image/svg+xml"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=60"));
    assert_eq!(answer.header("cdn-cache-control"), Some("public, max-age=60"));
    assert_eq!((answer.header("surrogate-key"), answer.header("etag")), (None, None));
    let json = proxy.get("/avatar/nobody?d=404").await;
    assert_eq!((json.status, json.header("content-type")), (404, Some("application/json")));
    assert_eq!(json.header("cache-control"), Some("public, max-age=60"));
}

#[tokio::test]
async fn the_admin_port_asks_for_its_token_and_tells_no_secret() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    let settings = FACEBOOK.entry("") + "[admin]\ntoken = \"the-admin-token-31c9\"\n";
    let proxy = Proxy::start(&sim, &clock, &settings).await;
    proxy.get(&FACEBOOK.path()).await;
    let target = format!("/api/avatars/{}", FACEBOOK.id);
    let ask = async |method: &str, target: &str, headers: &str| {
        crate::support::client::request(proxy.admin, method, target, headers).await
    };
    for headers in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic dGhlOmFkbWlu\r\n"] {
        let refused = ask("GET", &target, headers).await;
        assert_error(&refused, 401, "unauthorized");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    let bearer = "Authorization: bearer the-admin-token-31c9\r\n";
    let shown = ask("GET", &target, bearer).await;
    let facts: serde_json::Value = serde_json::from_slice(&shown.body).unwrap();
    assert_eq!(
        (shown.status, &facts["state"], &facts["provider"]),
        (200, &"fresh".into(), &"facebook".into())
    );
    assert_eq!(facts["picture"]["bytes"], small(1).bytes.len());
    let text = String::from_utf8_lossy(&shown.body);
    assert!(!text.contains(FACEBOOK.token) && !text.contains("http") && !text.contains("oh="), "{text}");
    assert_error(&ask("GET", "/api/avatars/nobody", bearer).await, 404, "not_held");
    assert_error(&ask("POST", "/api/avatars/nobody/purge", bearer).await, 404, "not_held");
    assert_error(&ask("PUT", &target, bearer).await, 405, "method_not_allowed");
    assert_error(&ask("GET", "/api/avatars/a.b", bearer).await, 400, "invalid_id");
    assert_eq!(ask("GET", "/readyz", "").await.status, 200);
}

#[tokio::test]
async fn without_a_token_no_foreign_page_may_use_the_admin_port() {
    let (_sim, proxy) = held().await;
    let target = format!("/api/avatars/{}", FACEBOOK.id);
    for headers in ["Origin: https://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        let refused = crate::support::client::request(proxy.admin, "DELETE", &target, headers).await;
        assert_error(&refused, 403, "cross_site");
    }
    assert_eq!(proxy.admin("GET", &target).await.status, 200);
}
