//! Threads and WhatsApp: Meta's errors, Meta's addresses.

use serde_json::{Value, json};

use super::entry::{BEARER, Entry, fails, no_picture};

/// 2026-01-05 02:00 UTC.
const OE: i64 = 0x695B_1E20;

fn error(code: i64, subcode: i64) -> Value {
    json!({"error": {"message": "(#1) no", "type": "OAuthException", "code": code, "error_subcode": subcode}})
}

#[tokio::test]
async fn threads_shows_the_picture_and_speaks_metas_errors() {
    let shown = Entry {
        file: include_str!("../../../../providers/threads.toml"),
        account: "",
        asked: "/v1.0/me?fields=id,username,threads_profile_picture_url",
        header: BEARER,
        picture: "https://scontent-fra3-1.cdninstagram.com/v/t51.2885-15/4_n.jpg?stp=dst-jpg_s640x640&oh=00_AfC&oe=695B1E20",
        fetched: "/v/t51.2885-15/4_n.jpg?stp=dst-jpg_s640x640&oh=00_AfC&oe=695B1E20",
        reply: |url| json!({"id": "1", "username": "ada lovelace", "threads_profile_picture_url": url}),
        ends: Some(OE),
        initials: "AL",
    }
    .proves([
        fails(400, error(190, 463), "needs_reauth", "code 190/463"),
        fails(400, error(17, 1), "throttled", "code 17/1"),
        fails(400, error(10, 1), "denied", "code 10/1"),
        fails(500, json!({"error": {"code": 2}}), "transient", "code 2"),
        no_picture(json!({"id": "1", "username": "ada lovelace", "threads_profile_picture_url": null})),
    ])
    .await;
    let anonymous = shown.at(
        "https://scontent.cdninstagram.com/v/t51.2885-19/44884218_345707102882519_2446069589734326272_n.jpg?oe=695B1E20",
    );
    shown
        .replies([no_picture(json!({"username": "ada lovelace", "threads_profile_picture_url": anonymous}))])
        .await;
}

#[tokio::test]
async fn whatsapp_shows_the_picture_and_takes_a_missing_member_for_none() {
    Entry {
        file: include_str!("../../../../providers/whatsapp.toml"),
        account: "106540352242922",
        asked: "/v25.0/106540352242922/whatsapp_business_profile?fields=profile_picture_url",
        header: BEARER,
        picture: "https://pps.whatsapp.net/v/t61.24694-24/5_n.jpg?ccb=11-4&oh=01_A&oe=695B1E20&_nc_sid=5e03e0",
        fetched: "/v/t61.24694-24/5_n.jpg?ccb=11-4&oh=01_A&oe=695B1E20&_nc_sid=5e03e0",
        reply: |url| json!({"data": [{"profile_picture_url": url, "messaging_product": "whatsapp"}]}),
        ends: Some(OE),
        initials: "",
    }
    .proves([
        fails(400, error(80_008, 1), "throttled", "code 80008/1"),
        fails(400, error(100, 33), "misconfigured", "code 100/33"),
        fails(401, error(190, 460), "needs_reauth", "code 190/460"),
        no_picture(json!({"data": [{"messaging_product": "whatsapp"}]})),
    ])
    .await;
}
