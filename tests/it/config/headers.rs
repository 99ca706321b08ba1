//! `[avatar.headers]` and `[fallback]`.

use super::util::{facebook, first, one, set};
use crate::support::accounts::FACEBOOK;

/// The named header of a picture, without the key and with it.
async fn both(key: &str, value: &str, header: &str) -> [Option<String>; 2] {
    let (sim, clock) = one(&FACEBOOK).await;
    let mut seen = [None, None];
    for (seen, extra) in seen.iter_mut().zip([String::new(), set(key, value)]) {
        let answer = first(&sim, &clock, &extra).await;
        assert_eq!((answer.status, answer.state()), (200, "fresh"));
        *seen = answer.header(header).map(str::to_owned);
    }
    seen
}

fn texts(seen: &[Option<String>; 2]) -> [Option<&str>; 2] {
    [seen[0].as_deref(), seen[1].as_deref()]
}

#[tokio::test]
async fn browsers_and_cdns_get_the_lifetimes_that_are_configured() {
    const BROWSER: &str = "public, max-age=300, stale-while-revalidate=86400, stale-if-error=604800";
    const CDN: &str = "public, max-age=3600, stale-while-revalidate=86400, stale-if-error=604800";
    for (key, header, before, after) in [
        ("avatar.headers.max_age", "cache-control", BROWSER, BROWSER.replace("=300", "=7")),
        ("avatar.headers.cdn_max_age", "cdn-cache-control", CDN, CDN.replace("=3600", "=7")),
        ("avatar.headers.stale_while_revalidate", "cache-control", BROWSER, BROWSER.replace("=86400", "=7")),
        ("avatar.headers.stale_while_revalidate", "cdn-cache-control", CDN, CDN.replace("=86400", "=7")),
        ("avatar.headers.stale_if_error", "cache-control", BROWSER, BROWSER.replace("=604800", "=7")),
        ("avatar.headers.stale_if_error", "cdn-cache-control", CDN, CDN.replace("=604800", "=7")),
    ] {
        let seen = both(key, "\"7s\"", header).await;
        assert_eq!(texts(&seen), [Some(before), Some(&after)], "{key}");
    }
}

#[tokio::test]
async fn a_placeholder_lives_as_long_as_is_configured() {
    let (sim, clock) = one(&FACEBOOK).await;
    sim.set_picture(FACEBOOK.account, None);
    for (value, expected) in [("\"60s\"", "public, max-age=60"), ("\"7s\"", "public, max-age=7")] {
        let answer = first(&sim, &clock, &set("avatar.headers.fallback_max_age", value)).await;
        assert_eq!(answer.state(), "placeholder");
        assert_eq!(answer.header("cache-control"), Some(expected));
        assert_eq!(answer.header("cdn-cache-control"), Some(expected));
    }
}

#[tokio::test]
async fn other_sites_get_the_permissions_that_are_configured() {
    let seen =
        both("avatar.headers.cross_origin_resource_policy", "\"same-site\"", "cross-origin-resource-policy")
            .await;
    assert_eq!(texts(&seen), [Some("cross-origin"), Some("same-site")]);
    let origin = "https://dashboard.example";
    let seen =
        both("avatar.headers.allow_origin", &format!("\"{origin}\""), "access-control-allow-origin").await;
    assert_eq!(texts(&seen), [None, Some(origin)]);
}

#[tokio::test]
async fn the_tags_that_are_configured_are_sent() {
    for (value, sent) in [("[\"cache-tag\"]", [false, true]), ("[]", [false, false])] {
        for (header, sent) in ["surrogate-key", "cache-tag"].into_iter().zip(sent) {
            let seen = both("avatar.headers.cache_tags", value, header).await;
            assert_eq!([seen[0].is_some(), seen[1].is_some()], [true, sent], "{value} {header}");
        }
    }
}

#[tokio::test]
async fn the_placeholder_is_of_the_kind_and_the_status_that_are_configured() {
    let (sim, clock) = one(&FACEBOOK).await;
    sim.set_picture(FACEBOOK.account, None);
    for (key, value, status, content_type) in [
        ("fallback.default", "\"initials\"", 200, "image/svg+xml"),
        ("fallback.default", "\"blank\"", 200, "image/png"),
        ("fallback.default", "\"404\"", 404, "application/json"),
        ("fallback.status", "200", 200, "image/svg+xml"),
        ("fallback.status", "404", 404, "image/svg+xml"),
    ] {
        let proxy = facebook(&sim, &clock, &set(key, value)).await;
        let answer = proxy.get(&FACEBOOK.path()).await;
        assert_eq!(answer.status, status, "{key} = {value}");
        let sent = answer.header("content-type").unwrap();
        assert!(sent.starts_with(content_type), "{key} = {value}: {sent}");
    }
}
