//! YouTube and Google accounts: the size stands in the address.

use serde_json::{Value, json};

use super::entry::Entry;

fn error(status: u16, reason: &str) -> Value {
    json!({"error": {"code": status, "message": "no", "errors": [{"domain": "youtube.quota", "reason": reason}]}})
}

fn channel(url: Value) -> Value {
    let snippet = json!({"title": "Ada Lovelace", "thumbnails": {"default": {"url": url, "width": 88}}});
    json!({"kind": "youtube#channelListResponse", "items": [{"id": "UC1", "snippet": snippet}]})
}

#[tokio::test]
async fn youtube_shows_the_picture_in_the_size_that_is_asked_for() {
    Entry {
        file: include_str!("../../../../providers/youtube.toml"),
        account: "",
        asked: "/youtube/v3/channels?part=snippet&mine=true",
        header: Some(("Authorization", "Bearer token-of-the-account-51c7")),
        picture: "https://yt3.ggpht.com/ytc/AIdro_k=s88-c-k-c0x00ffffff-no-rj",
        fetched: "/ytc/AIdro_k=s320-c-k-c0x00ffffff-no-rj",
        reply: |url| channel(url.into()),
        ends: None,
        initials: "AL",
    }
    .shows_the_picture()
    .await
    .fetches_only_what_is_new()
    .await
    .takes_a_dead_token(error(401, "authError"), "HTTP 401, error authError")
    .await
    .takes(403, error(403, "quotaExceeded"), "throttled", "HTTP 403, error quotaExceeded")
    .await
    .takes(403, error(403, "forbidden"), "denied", "HTTP 403, error forbidden")
    .await
    // A token without a channel.
    .takes_for_no_proof(json!({"items": []}))
    .await
    .has_none_with(channel(json!(null)))
    .await;
}

#[tokio::test]
async fn a_google_account_shows_the_picture_in_the_size_that_is_asked_for() {
    Entry {
        file: include_str!("../../../../providers/google.toml"),
        account: "",
        asked: "/oauth2/v3/userinfo",
        header: Some(("Authorization", "Bearer token-of-the-account-51c7")),
        picture: "https://lh3.googleusercontent.com/a/ACg8oc-x_1=s96-c",
        fetched: "/a/ACg8oc-x_1=s320-c",
        reply: |url| json!({"sub": "1", "name": "Ada Lovelace", "picture": url}),
        ends: None,
        initials: "AL",
    }
    .shows_the_picture()
    .await
    .fetches_only_what_is_new()
    .await
    .takes_a_dead_token(
        json!({"error": "invalid_request", "error_description": "Invalid Credentials"}),
        "HTTP 401",
    )
    .await
    .takes(503, json!({}), "transient", "HTTP 503")
    .await
    // As a token without the scope is answered.
    .takes_for_no_proof(json!({"sub": "1", "name": "Ada Lovelace"}))
    .await
    .has_none_with(json!({"sub": "1", "name": "Ada Lovelace", "picture": null}))
    .await;
}
