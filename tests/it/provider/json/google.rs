//! YouTube and Google accounts: the size stands in the address.

use serde_json::{Value, json};

use super::entry::{BEARER, Entry, dead_token, fails, no_picture, no_proof, unchanged};

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
        header: BEARER,
        picture: "https://yt3.ggpht.com/ytc/AIdro_k=s88-c-k-c0x00ffffff-no-rj",
        fetched: "/ytc/AIdro_k=s320-c-k-c0x00ffffff-no-rj",
        reply: |url| channel(url.into()),
        ends: None,
        initials: "AL",
    }
    .proves([
        unchanged(),
        dead_token(error(401, "authError"), "HTTP 401, error authError"),
        fails(403, error(403, "quotaExceeded"), "throttled", "HTTP 403, error quotaExceeded"),
        fails(403, error(403, "forbidden"), "denied", "HTTP 403, error forbidden"),
        // A token without a channel.
        no_proof(json!({"items": []})),
        no_picture(channel(json!(null))),
    ])
    .await;
}

#[tokio::test]
async fn a_google_account_shows_the_picture_in_the_size_that_is_asked_for() {
    Entry {
        file: include_str!("../../../../providers/google.toml"),
        account: "",
        asked: "/oauth2/v3/userinfo",
        header: BEARER,
        picture: "https://lh3.googleusercontent.com/a/ACg8oc-x_1=s96-c",
        fetched: "/a/ACg8oc-x_1=s320-c",
        reply: |url| json!({"sub": "1", "name": "Ada Lovelace", "picture": url}),
        ends: None,
        initials: "AL",
    }
    .proves([
        unchanged(),
        dead_token(
            json!({"error": "invalid_request", "error_description": "Invalid Credentials"}),
            "HTTP 401",
        ),
        fails(503, json!({}), "transient", "HTTP 503"),
        // As a token without the scope is answered.
        no_proof(json!({"sub": "1", "name": "Ada Lovelace"})),
        no_picture(json!({"sub": "1", "name": "Ada Lovelace", "picture": null})),
    ])
    .await;
}
