//! LinkedIn, X, Slack, Discord, Pinterest, Bluesky, Mastodon.

use std::time::Duration;

use serde_json::{Value, json};

use super::entry::{
    BEARER, Entry, dead_token, fails, fails_with, no_picture, no_picture_after_a_day, no_proof, throttle,
    unchanged,
};

#[tokio::test]
async fn linkedin_shows_a_persons_picture() {
    Entry {
        file: include_str!("../../../../providers/linkedin.toml"),
        account: "",
        asked: "/v2/userinfo",
        header: BEARER,
        picture: "https://media.licdn.com/dms/image/v2/D4E03AQ/profile-displayphoto-shrink_200_200/0/17?e=1773878400&v=beta&t=x",
        fetched: "/dms/image/v2/D4E03AQ/profile-displayphoto-shrink_200_200/0/17?e=1773878400&v=beta&t=x",
        reply: |url| json!({"sub": "1", "name": "Ada Lovelace", "picture": url}),
        // `e` counts at licdn.com alone, which the stand-in is not.
        ends: None,
        initials: "AL",
    }
    .proves([
        unchanged(),
        dead_token(json!({"status": 401, "code": "REVOKED_ACCESS_TOKEN", "message": "no"}), "HTTP 401"),
        fails(403, json!({"status": 403, "code": "ACCESS_DENIED"}), "denied", "HTTP 403"),
        fails(429, json!({"status": 429}), "throttled", "HTTP 429"),
        no_proof(json!({"sub": "1", "name": "Ada Lovelace"})),
        no_picture(json!({"sub": "1", "name": "Ada Lovelace", "picture": null})),
    ])
    .await;
}

#[tokio::test]
async fn linkedin_shows_an_organisations_logo_until_the_reply_says_that_its_address_ends() {
    fn organisation(url: &str) -> Value {
        organisation_with(url.into())
    }
    fn organisation_with(url: Value) -> Value {
        let identifier = json!({"identifier": url, "identifierExpiresInSeconds": 1_773_878_400});
        let logo = json!({"original": "urn:li:digitalmediaAsset:C4", "original~": {"elements": [{"identifiers": [identifier]}]}});
        json!({"localizedName": "Analytical Engines", "logoV2": logo})
    }
    Entry {
        file: include_str!("../../../../providers/linkedin-organisation.toml"),
        account: "1337",
        asked: "/v2/organizations/1337?projection=(localizedName,logoV2(original~:playableStreams))",
        header: BEARER,
        picture: "https://media.licdn.com/dms/image/C4/company-logo_200_200/0/1519?e=1773878400&v=beta&t=x",
        fetched: "/dms/image/C4/company-logo_200_200/0/1519?e=1773878400&v=beta&t=x",
        reply: organisation,
        ends: Some(1_773_878_400),
        initials: "AE",
    }
    .proves([
        unchanged(),
        dead_token(json!({"status": 401}), "HTTP 401"),
        fails(404, json!({"status": 404}), "denied", "HTTP 404"),
        no_proof(json!({"localizedName": "Analytical Engines"})),
        no_picture(organisation_with(Value::Null)),
    ])
    .await;
}

#[tokio::test]
async fn x_shows_the_picture_in_400_pixels_and_takes_the_default_one_for_none() {
    let shown = Entry {
        file: include_str!("../../../../providers/x.toml"),
        account: "",
        asked: "/2/users/me?user.fields=profile_image_url",
        header: BEARER,
        picture: "https://pbs.twimg.com/profile_images/1/a-B_normal.jpg",
        fetched: "/profile_images/1/a-B_400x400.jpg",
        reply: |url| json!({"data": {"id": "1", "name": "Ada Lovelace", "profile_image_url": url}}),
        ends: None,
        initials: "AL",
    }
    .proves([
        unchanged(),
        dead_token(json!({"title": "Unauthorized", "type": "about:blank", "status": 401}), "HTTP 401"),
        fails(403, json!({"title": "Forbidden", "status": 403}), "denied", "HTTP 403"),
        fails(200, json!({"errors": [{"title": "Not Found Error"}]}), "transient", "HTTP 200, error unnamed"),
        // 2026-01-01 00:15 UTC.
        fails_with(429, json!({}), &[("x-rate-limit-reset", "1767226500")], "throttled", "HTTP 429"),
    ])
    .await;
    assert_eq!((shown.pause().await, shown.app_pause().await), (Duration::from_secs(900), None));
    let default = "https://abs.twimg.com/sticky/default_profile_images/default_profile_normal.png";
    shown
        .replies([no_picture(json!({"data": {"name": "Ada Lovelace", "profile_image_url": default}}))])
        .await;
}

#[tokio::test]
async fn slack_shows_the_picture_and_its_errors_are_errors_although_they_come_as_200() {
    fn user(url: &str) -> Value {
        json!({"ok": true, "user": {"id": "U1", "profile": {"real_name": "Ada Lovelace", "image_512": url}}})
    }
    let error = |name: &str| json!({"ok": false, "error": name});
    let shown = Entry {
        file: include_str!("../../../../providers/slack.toml"),
        account: "U012AB3CD",
        asked: "/api/users.info?user=U012AB3CD",
        header: BEARER,
        picture: "https://avatars.slack-edge.com/2025-01-01/123_abc_512.jpg",
        fetched: "/2025-01-01/123_abc_512.jpg",
        reply: user,
        ends: None,
        initials: "AL",
    }
    .proves([
        unchanged(),
        fails(200, error("token_revoked"), "needs_reauth", "HTTP 200, error token_revoked"),
        fails(200, error("missing_scope"), "denied", "HTTP 200, error missing_scope"),
        fails(200, error("something_new"), "transient", "HTTP 200, error something_new"),
        fails_with(
            429,
            error("ratelimited"),
            &[("Retry-After", "300")],
            "throttled",
            "HTTP 429, error ratelimited",
        ),
    ])
    .await;
    assert_eq!(shown.pause().await, Duration::from_secs(300));
    shown
        .replies([no_picture(user(
            "https://secure.gravatar.com/avatar/0af.jpg?s=512&d=https%3A%2F%2Fa.slack-edge.com",
        ))])
        .await;
}

#[tokio::test]
async fn discord_makes_the_address_of_two_members_and_its_hash_is_the_identity() {
    Entry {
        file: include_str!("../../../../providers/discord.toml"),
        account: "",
        asked: "/api/v10/users/@me",
        header: BEARER,
        picture: "https://cdn.discordapp.com/avatars/80351110224678912/8342729096ea3675442027381ff50dfe.png?size=256",
        fetched: "/avatars/80351110224678912/8342729096ea3675442027381ff50dfe.png?size=256",
        reply: |_| json!({"id": "80351110224678912", "username": "ada", "avatar": "8342729096ea3675442027381ff50dfe"}),
        ends: None,
        initials: "A",
    }
    .proves([
        unchanged(),
        dead_token(json!({"message": "401: Unauthorized", "code": 0}), "HTTP 401"),
        fails_with(
        429,
        json!({"message": "You are being rate limited.", "retry_after": 1.5, "global": false}),
        &[("Retry-After", "2")],
        "throttled",
        "HTTP 429",
    ),
        no_picture(json!({"id": "80351110224678912", "username": "ada", "avatar": null})),
    ])
    .await;
}

#[tokio::test]
async fn pinterest_shows_the_picture() {
    Entry {
        file: include_str!("../../../../providers/pinterest.toml"),
        account: "",
        asked: "/v5/user_account",
        header: BEARER,
        picture: "https://i.pinimg.com/600x600_R/0a/1b/2c/0a1b2c.jpg",
        fetched: "/600x600_R/0a/1b/2c/0a1b2c.jpg",
        reply: |url| json!({"account_type": "BUSINESS", "username": "ada", "profile_image": url}),
        ends: None,
        initials: "A",
    }
    .proves([
        unchanged(),
        dead_token(json!({"code": 2, "message": "Authentication failed."}), "HTTP 401"),
        fails(429, json!({"code": 8, "message": "no"}), "throttled", "HTTP 429"),
        no_proof(json!({"username": "ada"})),
        no_picture_after_a_day(),
        no_picture(json!({"username": "ada", "profile_image": ""})),
    ])
    .await;
}

#[tokio::test]
async fn bluesky_shows_the_picture_without_a_token_and_its_limit_stops_the_whole_app() {
    let error = |name: &str| json!({"error": name, "message": "no"});
    let shown = Entry {
        file: include_str!("../../../../providers/bluesky.toml"),
        account: "did:plc:z72i7hdynmk6r22z27h6tvur",
        asked: "/xrpc/app.bsky.actor.getProfile?actor=did%3Aplc%3Az72i7hdynmk6r22z27h6tvur",
        header: None,
        picture: "https://cdn.bsky.app/img/avatar/plain/did:plc:z72i7hdynmk6r22z27h6tvur/bafkreig@jpeg",
        fetched: "/img/avatar/plain/did:plc:z72i7hdynmk6r22z27h6tvur/bafkreig@jpeg",
        reply: |url| json!({"did": "did:plc:1", "handle": "ada.example", "displayName": "Ada Lovelace", "avatar": url}),
        ends: None,
        initials: "AL",
    }
    .proves([
        unchanged(),
        fails(400, error("InvalidRequest"), "denied", "HTTP 400, error InvalidRequest"),
        fails(502, error("UpstreamFailure"), "transient", "HTTP 502, error UpstreamFailure"),
        no_picture(json!({"did": "did:plc:1", "displayName": "Ada Lovelace"})),
    ])
    .await;
    assert_eq!(shown.app_pause().await, None);
    let shown = shown.replies([throttle(&[("ratelimit-reset", "1767225900")])]).await;
    assert_eq!(shown.app_pause().await, Some(Duration::from_secs(300)));
}

#[tokio::test]
async fn mastodon_shows_the_picture_and_takes_the_missing_one_for_none() {
    Entry {
        file: include_str!("../../../../providers/mastodon.toml"),
        account: "",
        asked: "/api/v1/accounts/verify_credentials",
        header: BEARER,
        picture: "https://files.mastodon.social/accounts/avatars/000/000/001/static/d96d39a0abb45b92.png",
        fetched: "/accounts/avatars/000/000/001/static/d96d39a0abb45b92.png",
        reply: |url| json!({"id": "1", "display_name": "Ada Lovelace", "avatar_static": url}),
        ends: None,
        initials: "AL",
    }
    .proves([
        unchanged(),
        dead_token(json!({"error": "The access token is invalid"}), "HTTP 401"),
        fails(403, json!({"error": "This action is outside the authorized scopes"}), "denied", "HTTP 403"),
        fails(503, json!({}), "transient", "HTTP 503"),
        no_picture(json!({
            "display_name": "Ada Lovelace",
            "avatar_static": "https://mastodon.social/avatars/original/missing.png",
        })),
    ])
    .await;
}
