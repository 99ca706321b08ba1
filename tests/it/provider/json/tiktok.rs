//! TikTok's two APIs: addresses that live for hours, errors that come as HTTP 200.

use serde_json::{Value, json};

use super::entry::{BEARER, Entry, dead_token, fails, no_picture};

/// 2026-01-01 06:00 UTC.
const X_EXPIRES: i64 = 1_767_247_200;

fn user(url: Value) -> Value {
    json!({
        "data": {"user": {"open_id": "o1", "avatar_large_url": url, "display_name": "Ada Lovelace"}},
        "error": {"code": "ok", "message": "", "log_id": "20"},
    })
}

fn error(code: &str) -> Value {
    json!({"data": {}, "error": {"code": code, "message": "no", "log_id": "20"}})
}

#[tokio::test]
async fn tiktok_login_kit_shows_the_picture_and_its_codes_decide() {
    Entry {
        file: include_str!("../../../../providers/tiktok.toml"),
        account: "",
        asked: "/v2/user/info/?fields=open_id,avatar_large_url,display_name",
        header: BEARER,
        picture: "https://p16-sign-va.tiktokcdn.com/tos-maliva-avt-0068/accb~c5_1080x1080.jpeg?x-expires=1767247200&x-signature=MmX%3D",
        fetched: "/tos-maliva-avt-0068/accb~c5_1080x1080.jpeg?x-expires=1767247200&x-signature=MmX%3D",
        reply: |url| user(url.into()),
        ends: Some(X_EXPIRES),
        initials: "AL",
    }
    .proves([
        dead_token(error("access_token_invalid"), "HTTP 401, error access_token_invalid"),
        fails(401, error("scope_not_authorized"), "denied", "HTTP 401, error scope_not_authorized"),
        fails(429, error("rate_limit_exceeded"), "throttled", "HTTP 429, error rate_limit_exceeded"),
        fails(500, error("internal_error"), "transient", "HTTP 500, error internal_error"),
    // Without "ok" it is no good reply, even as 200.
        fails(200, json!({"data": {"user": {}}}), "transient", "HTTP 200, error null"),
        no_picture(user(json!(""))),
    ])
    .await;
}

#[tokio::test]
async fn tiktok_business_shows_the_picture_and_its_errors_are_errors_although_they_come_as_200() {
    let error = |code: i64| json!({"code": code, "message": "no", "request_id": "1", "data": {}});
    Entry {
        file: include_str!("../../../../providers/tiktok-business.toml"),
        account: "b-7/1",
        asked: "/open_api/v1.3/business/get/?business_id=b-7%2F1&fields=%5B%22display_name%22%2C%22profile_image%22%5D",
        header: Some(("Access-Token", "token-of-the-account-51c7")),
        picture: "https://p16-sign-va.tiktokcdn.com/tos-maliva-avt-0068/accb~c5_168x168.jpeg?x-expires=1767247200&x-signature=a",
        fetched: "/tos-maliva-avt-0068/accb~c5_168x168.jpeg?x-expires=1767247200&x-signature=a",
        reply: |url| json!({"code": 0, "message": "OK", "data": {"display_name": "Ada", "profile_image": url}}),
        ends: Some(X_EXPIRES),
        initials: "A",
    }
    .proves([
        fails(200, error(40_105), "needs_reauth", "HTTP 200, error 40105"),
        fails(200, error(40_100), "throttled", "HTTP 200, error 40100"),
        fails(200, error(40_001), "denied", "HTTP 200, error 40001"),
        fails(200, error(50_000), "transient", "HTTP 200, error 50000"),
        no_picture(json!({"code": 0, "data": {"display_name": "Ada", "profile_image": ""}})),
    ])
    .await;
}
