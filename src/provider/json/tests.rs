use hyper::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::model::{Invalid, Scope, TroubleClass};
use crate::origin::ApiReply;
use crate::provider::resolution::PictureField;
use TroubleClass::{Denied, Misconfigured, NeedsReauth, Throttled, Transient};

/// 2026-01-01 00:00 UTC.
const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
const NEEDED: &str = "name = 'x'\nurl = 'https://api.example/me'\nauth = 'bearer'\nhosts = ['cdn.example']\n";

fn written(block: &str) -> Result<JsonConfig, Invalid> {
    let mut table: toml::Table = NEEDED.parse().unwrap();
    table.extend(block.parse::<toml::Table>().unwrap());
    JsonConfig::try_from(table.try_into::<JsonWritten>().unwrap())
}

fn config(block: &str) -> JsonConfig {
    written(&format!("pointer = '/picture'\n{block}")).unwrap_or_else(|invalid| panic!("{block}: {invalid}"))
}

fn reply(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> ApiReply {
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    ApiReply { status, headers, body: body.to_vec().into() }
}

fn read(config: &JsonConfig, status: u16, body: &Value) -> Result<ParsedReply, ProviderError> {
    config.parse(&reply(status, &[], body.to_string().as_bytes()), &Secret::new("s3cret-token"), NOW)
}

#[track_caller]
fn assert_class(config: &JsonConfig, status: u16, body: &Value, class: TroubleClass, reason: &str) {
    let error = read(config, status, body).expect_err(reason);
    assert_eq!((error.class, error.reason.as_str()), (class, reason), "{status} {body}");
}

#[test]
fn null_and_empty_mean_no_picture_and_an_absent_member_only_where_the_block_says_so() {
    let said = |block: &str, body: Value| read(&config(block), 200, &body).unwrap().picture;
    for body in [json!({"picture": null}), json!({"picture": ""})] {
        assert_eq!(said("", body), PictureField::NoPicture);
    }
    for body in [json!({}), json!({"id": 1}), json!([])] {
        assert_eq!(said("", body.clone()), PictureField::Missing);
        assert_eq!(said("optional = true", body), PictureField::NoPicture);
    }
    let address = "https://cdn.example/default/missing.png";
    assert_eq!(said("", json!({"picture": address})), PictureField::Address(address.to_owned()));
    assert_eq!(
        said("no_picture = ['/x/', '/missing.png']", json!({"picture": address})),
        PictureField::NoPicture
    );
}

#[test]
fn a_value_other_than_text_is_no_address_and_a_body_other_than_json_is_no_reply() {
    for value in [json!(1), json!(true), json!({"url": "https://a"}), json!(["https://a"])] {
        assert_class(
            &config(""),
            200,
            &json!({"picture": value}),
            Misconfigured,
            "the pointer finds no text",
        );
    }
    for body in [&b""[..], b"<html>", b"{\"picture\":", b"null", b"1", b"\"x\"", b"\xff", &[b'['; 100_000]] {
        let error = config("").parse(&reply(200, &[], body), &Secret::new("t"), NOW).unwrap_err();
        assert_eq!((error.class, error.reason.as_str()), (Transient, "unexpected reply"));
    }
}

#[test]
fn name_identity_and_expiry_are_read_beside_the_address() {
    let all = config("name_pointer = '/n'\nidentity_pointer = '/i'\nexpires_pointer = '/e'");
    let with = |n: Value, i: Value, e: Value| {
        let read = read(&all, 200, &json!({"picture": "https://a", "n": n, "i": i, "e": e})).unwrap();
        (read.name.as_deref().map(str::to_owned), read.identity, read.expires_at)
    };
    let none = (None, None, None);
    assert_eq!(
        with(json!(" Ada\u{7}\nLovelace "), json!("v7"), json!(1_767_300_000)),
        (Some("AdaLovelace".to_owned()), Some("v7".to_owned()), Some(1_767_300_000))
    );
    assert_eq!(with(json!("x".repeat(200)), json!(7), json!("1767300000")).0.unwrap().len(), 100);
    assert_eq!(with(json!(null), json!("a".repeat(257)), json!("soon")), none);
    assert_eq!(with(json!(1), json!(""), json!(1.5)), none);
    assert_eq!(with(json!("  "), json!({}), json!([])), none);
}

#[test]
fn an_error_inside_a_200_is_an_error() {
    let slack = config(
        "error_pointer = '/error'\nerror_codes = { invalid_auth = 'needs_reauth', ratelimited = 'throttled' }",
    );
    let body = |error: Value| json!({"ok": false, "error": error, "picture": null});
    assert_class(&slack, 200, &body(json!("invalid_auth")), NeedsReauth, "HTTP 200, error invalid_auth");
    assert_class(&slack, 200, &body(json!("ratelimited")), Throttled, "HTTP 200, error ratelimited");
    assert_class(&slack, 200, &body(json!("fatal_error")), Transient, "HTTP 200, error fatal_error");
    assert_class(&slack, 200, &body(json!({"a": 1})), Transient, "HTTP 200, error unnamed");
    let numbers = config("error_pointer = '/code'\nerror_codes = { 40105 = 'needs_reauth' }");
    assert_class(&numbers, 200, &json!({"code": 40105}), NeedsReauth, "HTTP 200, error 40105");
    assert_class(&numbers, 200, &json!({"code": 50000}), Transient, "HTTP 200, error 50000");
}

#[test]
fn no_error_is_recognised_in_many_forms_and_with_error_ok_in_the_listed_ones() {
    let usual = config("error_pointer = '/e'");
    for value in [
        json!(null),
        json!(false),
        json!(0),
        json!(0.0),
        json!(""),
        json!("ok"),
        json!("OK"),
        json!([]),
        json!({}),
    ] {
        assert!(read(&usual, 200, &json!({"e": value, "picture": "https://a"})).is_ok(), "{value}");
    }
    assert!(read(&usual, 200, &json!({"picture": "https://a"})).is_ok());
    let strict = config("error_pointer = '/ok'\nerror_ok = [true, 1, 'yes']");
    for value in [json!(true), json!(1), json!("yes")] {
        assert!(read(&strict, 200, &json!({"ok": value, "picture": "https://a"})).is_ok(), "{value}");
    }
    assert_class(&strict, 200, &json!({"ok": false}), Transient, "HTTP 200, error false");
    assert_class(&strict, 200, &json!({"picture": null}), Transient, "HTTP 200, error null");
}

#[test]
fn without_a_code_the_status_decides() {
    let (me, named) = (config(""), config("url = 'https://api.example/{account}'"));
    let open = config("auth = 'none'");
    for (status, class) in [
        (301, Misconfigured),
        (400, Misconfigured),
        (401, NeedsReauth),
        (403, Denied),
        (404, Misconfigured),
        (405, Misconfigured),
        (408, Transient),
        (410, Misconfigured),
        (429, Throttled),
        (500, Transient),
        (503, Transient),
        (599, Transient),
    ] {
        assert_class(&me, status, &json!({}), class, &format!("HTTP {status}"));
    }
    assert_class(&named, 404, &json!({}), Denied, "HTTP 404");
    assert_class(&named, 410, &json!({}), Denied, "HTTP 410");
    assert_class(&open, 401, &json!({}), Misconfigured, "HTTP 401");
    // A picture beside an error does not count.
    assert_class(&me, 500, &json!({"picture": "https://a"}), Transient, "HTTP 500");
    let error = config("").parse(&reply(502, &[], b"<html>"), &Secret::new("t"), NOW).unwrap_err();
    assert_eq!((error.class, error.reason.as_str()), (Transient, "HTTP 502"));
}

#[test]
fn a_listed_code_overrides_the_status_and_an_unlisted_one_does_not() {
    let config = config("error_pointer = '/error/code'\nerror_codes = { scope_not_authorized = 'denied' }");
    let body = |code: &str| json!({"error": {"code": code}});
    assert_class(&config, 401, &body("scope_not_authorized"), Denied, "HTTP 401, error scope_not_authorized");
    assert_class(
        &config,
        401,
        &body("access_token_invalid"),
        NeedsReauth,
        "HTTP 401, error access_token_invalid",
    );
    assert_class(&config, 401, &body("ok"), NeedsReauth, "HTTP 401");
}

#[test]
fn a_code_is_repeated_only_if_it_is_plain_and_does_not_overlap_with_the_token() {
    let config = config("error_pointer = '/e'\nerror_codes = { 'too many' = 'throttled' }");
    for code in
        ["s3cret-token", "s3cret", "x.s3cret-token.x", "a b", "https://a.example/x", "<b>", &"a".repeat(41)]
    {
        assert_class(&config, 200, &json!({"e": code}), Transient, "HTTP 200, an error");
    }
    assert_class(&config, 200, &json!({"e": "too many"}), Throttled, "HTTP 200, error too many");
}

#[test]
fn a_throttle_lasts_as_long_as_its_reply_says() {
    let wait = |headers: &[(&'static str, &str)], status: u16| {
        config("").parse(&reply(status, headers, b"{}"), &Secret::new("t"), NOW).unwrap_err()
    };
    for (headers, seconds) in [
        (&[][..], None),
        (&[("retry-after", "17")], Some(17)),
        (&[("retry-after", "0.5")], Some(0)),
        (&[("retry-after", "Thu, 01 Jan 2026 00:02:00 GMT")], Some(120)),
        (&[("retry-after", "Wed, 31 Dec 2025 00:00:00 GMT")], Some(0)),
        (&[("retry-after", "soon")], None),
        (&[("retry-after", "-3")], None),
        (&[("retry-after", "99999999")], Some(7 * 86_400)),
        (&[("x-rate-limit-reset", "1767226500")], Some(900)),
        (&[("x-ratelimit-reset", "30")], Some(30)),
        (&[("ratelimit-reset", "1767225660")], Some(60)),
        (&[("retry-after", "5"), ("x-rate-limit-reset", "1767226500")], Some(5)),
        (&[("x-ratelimit-reset", "2026-01-01T00:05:00.000Z")], None),
    ] {
        let error = wait(headers, 429);
        assert_eq!(
            (error.class, error.retry_after.map(|wait| wait.as_secs())),
            (Throttled, seconds),
            "{headers:?}"
        );
        assert_eq!(error.scope, Scope::Account);
    }
    assert_eq!(wait(&[("retry-after", "17")], 503).retry_after.map(|wait| wait.as_secs()), Some(17));
    assert_eq!(wait(&[("retry-after", "17")], 401).retry_after, None, "a dead token does not come back");
    for name in ["x-rate-limit-reset", "x-ratelimit-reset", "ratelimit-reset"] {
        let error = wait(&[(name, "900")], 503);
        assert_eq!((error.class, error.retry_after), (Transient, None), "{name} tells of the quota alone");
    }
}

#[test]
fn without_a_token_a_throttle_stops_the_whole_app() {
    let error = read(&config("auth = 'none'"), 429, &json!({})).unwrap_err();
    assert_eq!((error.class, error.scope), (Throttled, Scope::App));
}

#[test]
fn metas_errors_are_classified_as_for_facebook() {
    let meta = config("errors = 'meta'");
    let body =
        |code: i64, subcode: i64| json!({"error": {"code": code, "error_subcode": subcode, "message": ""}});
    assert_class(&meta, 400, &body(190, 463), NeedsReauth, "code 190/463");
    assert_class(&meta, 400, &body(80_008, 1), Throttled, "code 80008/1");
    assert_class(&meta, 200, &body(10, 1), Denied, "code 10/1");
    assert!(read(&meta, 200, &json!({"picture": "https://a"})).is_ok());
}

#[test]
fn the_size_is_replaced_only_where_it_occurs_once_in_the_last_segment() {
    let x = config("resize = ['_normal.', '_400x400.']");
    let google = config("resize = ['=s88-', '=s320-']");
    for (config, given, resized) in [
        (&x, "https://pbs.twimg.com/p/1/a_normal.jpg", "https://pbs.twimg.com/p/1/a_400x400.jpg"),
        (
            &x,
            "https://pbs.twimg.com/p/1/a_normal.jpg?x=_normal.y",
            "https://pbs.twimg.com/p/1/a_400x400.jpg?x=_normal.y",
        ),
        (&x, "https://pbs.twimg.com/_normal.d/a.jpg", "https://pbs.twimg.com/_normal.d/a.jpg"),
        (&x, "https://pbs.twimg.com/p/_normal._normal.jpg", "https://pbs.twimg.com/p/_normal._normal.jpg"),
        (&x, "https://pbs.twimg.com/p/a_bigger.jpg", "https://pbs.twimg.com/p/a_bigger.jpg"),
        (&x, "https://pbs.twimg.com/p/?a_normal.jpg", "https://pbs.twimg.com/p/?a_normal.jpg"),
        (
            &x,
            "https://pbs.twimg.com/p/a_normal.jpg?x-expires=1767300000",
            "https://pbs.twimg.com/p/a_normal.jpg?x-expires=1767300000",
        ),
        (
            &x,
            "https://a.example/p/a_normal.jpg?verify=1767200000-mac",
            "https://a.example/p/a_normal.jpg?verify=1767200000-mac",
        ),
        (
            &google,
            "https://yt3.ggpht.com/ytc/A-b_=s88-c-k-c0x00ffffff-no-rj",
            "https://yt3.ggpht.com/ytc/A-b_=s320-c-k-c0x00ffffff-no-rj",
        ),
        (&google, "https://yt3.ggpht.com/a=s880-c", "https://yt3.ggpht.com/a=s880-c"),
    ] {
        assert_eq!(config.resized(Address::parse(given).unwrap()).expose(), resized);
    }
    let breaks = config_with_resize("b.", "/../");
    assert_eq!(
        breaks.resized(Address::parse("https://a.example/x/b.jpg").unwrap()).expose(),
        "https://a.example/x/b.jpg"
    );
}

fn config_with_resize(from: &str, to: &str) -> JsonConfig {
    config(&format!("resize = ['{from}', '{to}']"))
}

#[test]
fn the_identity_ignores_the_signature_and_nothing_else() {
    let of = |text: &str| identity_of(&Address::parse(text).unwrap());
    for (one, two, same) in [
        // TikTok: the path is a hash, the rest rotates.
        (
            "https://p16.tiktokcdn.com/a/0af~c5.jpeg?x-expires=1767300000&x-signature=a",
            "https://p19.tiktokcdn.com/a/0af~c5.jpeg?x-expires=1767400000&x-signature=b&t=1",
            true,
        ),
        (
            "https://p16.tiktokcdn.com/a/0af~c5.jpeg?x-expires=1767300000",
            "https://p16.tiktokcdn.com/a/1bf~c5.jpeg?x-expires=1767300000",
            false,
        ),
        // LinkedIn: the last segment is a number.
        (
            "https://media.licdn.com/dms/image/D4/x/0/17?e=1773878400&t=a",
            "https://media.licdn.com/dms/image/D4/x/0/17?e=1784000000&t=b",
            true,
        ),
        (
            "https://media.licdn.com/dms/image/D4/x/0/17?e=1773878400&t=a",
            "https://media.licdn.com/dms/image/D5/x/0/17?e=1773878400&t=a",
            false,
        ),
        (
            "https://a.fbcdn.net/v/1_n.jpg?stp=s100&oe=69570000",
            "https://a.fbcdn.net/v/1_n.jpg?stp=s200&oe=69570000",
            false,
        ),
        // Lookaside: one path for all.
        (
            "https://b.fbsbx.com/platform/profilepic/?asid=1&ext=1767300000",
            "https://b.fbsbx.com/platform/profilepic/?asid=1&ext=1767300000",
            false,
        ),
        // Discord's attachments.
        (
            "https://cdn.discordapp.com/attachments/1/2/a.png?ex=69557900&is=69542780&hm=a",
            "https://cdn.discordapp.com/attachments/1/2/a.png?ex=6956ca80&is=69557900&hm=b",
            true,
        ),
        // General storage: a path that stays while its bytes change, or a version in the query.
        (
            "https://b.s3.amazonaws.com/avatars/7.png?X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600&X-Amz-Signature=a",
            "https://b.s3.amazonaws.com/avatars/7.png?X-Amz-Date=20260101T040000Z&X-Amz-Expires=3600&X-Amz-Signature=b",
            false,
        ),
        (
            "https://storage.example/7.png?versionId=A&X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600",
            "https://storage.example/7.png?versionId=B&X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600",
            false,
        ),
        ("https://a.example/7.png?oe=69570000", "https://a.example/7.png?oe=69580000", false),
        // Unsigned: the same file name in another folder, or another query, is another picture.
        (
            "https://lh3.googleusercontent.com/-a/photo.jpg",
            "https://lh3.googleusercontent.com/-b/photo.jpg",
            false,
        ),
        ("https://a.example/image?id=1", "https://a.example/image?id=2", false),
        ("https://a.example/image?id=1", "https://a.example/image?id=1", true),
    ] {
        assert_eq!(of(one).same(&of(two)), same, "{one} {two}");
    }
    assert!(!format!("{:?}", of("https://a.example/image?token=hunter2")).contains("hunter2"));
}

#[test]
fn an_address_that_contains_the_token_in_any_encoding_is_a_secret() {
    let token = Secret::new("a+b/c=%41");
    for (address, is_inside) in [
        ("https://a.example/x?t=a+b/c=%41", true),
        ("https://a.example/x?t=a%2Bb%2Fc%3D%2541", true),
        ("https://a.example/x?t=a%2bb/c%3d%2541", true),
        ("https://a.example/a+b/c=%2541/x.jpg", true),
        ("https://a.example/x?t=a%2Bb%2Fc", false),
        ("https://a.example/%", false),
    ] {
        assert_eq!(contains(address, &token), is_inside, "{address}");
    }
    assert!(!contains("https://a.example/x", &Secret::new("")), "an API that needs none");
}

#[test]
fn a_broken_rule_is_reported_with_its_key_and_value() {
    for (block, key, value) in [
        ("name = 'facebook'", "name", "\"facebook\""),
        ("name = 'My API'", "name", "\"My API\""),
        ("url = 'api.example/me'", "url", "\"api.example/me\""),
        ("url = 'https://{account}.example/'", "url", "\"https://{account}.example/\""),
        ("auth = 'basic'", "auth", "\"basic\""),
        ("pointer = ''", "pointer", "\"\""),
        ("pointer = 'picture'", "pointer", "\"picture\""),
        ("pointer = '/original~/x'", "pointer", "\"/original~/x\""),
        ("address = 'https://a/{/x}'", "address", "\"https://a/{/x}\""),
        ("pointer = ''\naddress = 'https://a/x'", "address", "\"https://a/x\""),
        ("name_pointer = 'n'", "name_pointer", "\"n\""),
        ("identity_pointer = 'n'", "identity_pointer", "\"n\""),
        ("expires_pointer = 'n'", "expires_pointer", "\"n\""),
        ("token_expires_pointer = 'n'", "token_expires_pointer", "\"n\""),
        ("error_pointer = 'n'", "error_pointer", "\"n\""),
        ("error_ok = [true]", "error_pointer", "\"\""),
        ("error_codes = { a = 'denied' }", "error_pointer", "\"\""),
        ("errors = 'meta'\nerror_pointer = '/e'", "errors", "\"meta\""),
        ("resize = ['a']", "resize", "[\"a\"]"),
        ("resize = ['', 'b']", "resize", "[\"\", \"b\"]"),
        ("no_picture = ['']", "no_picture", "\"\""),
        ("headers = { Host = 'x' }", "headers", "\"Host\""),
        ("headers = { 'X-A' = \"a\\nb\" }", "headers", "\"X-A\""),
        ("hosts = []", "hosts", "[]"),
        ("hosts = ['*.example']", "hosts", "*.example"),
        ("max_calls = 0", "max_calls", "0"),
        ("calls_per_second = 10001", "calls_per_second", "10001"),
    ] {
        let mut table: toml::Table = format!("{NEEDED}pointer = '/picture'").parse().unwrap();
        table.extend(block.parse::<toml::Table>().unwrap());
        let invalid = JsonConfig::try_from(table.try_into::<JsonWritten>().unwrap()).expect_err(block);
        assert_eq!((invalid.key, invalid.value.as_str()), (key, value), "{block}");
    }
    for block in ["poiner = '/x'", "error_codes = { a = 'dead' }", "errors = 'graph'", "error_ok = [1.5]"] {
        let mut table: toml::Table = NEEDED.parse().unwrap();
        table.extend(block.parse::<toml::Table>().unwrap());
        assert!(table.try_into::<JsonWritten>().is_err(), "{block}");
    }
}

#[test]
fn debug_hides_the_configured_headers() {
    let config = config("headers = { 'X-Api-Key' = 'hunter2' }");
    assert!(!format!("{config:?}").contains("hunter2"));
}

proptest::proptest! {
    #[test]
    fn no_reply_causes_a_panic(status in 100u16..600, body in r#"[\[\]{}":,0-9a-z/.\\ ]{0,60}|\PC{0,40}"#, header in "[ -~]{0,30}") {
        let all = config(
            "name_pointer = '/n'\nidentity_pointer = '/0'\nexpires_pointer = '/e'\nerror_pointer = '/e'\nresize = ['a', 'b']",
        );
        let reply = reply(status, &[("retry-after", &header), ("x-rate-limit-reset", &header)], body.as_bytes());
        let read = all.parse(&reply, &Secret::new("t"), NOW);
        proptest::prop_assert!(read.is_err() || (200..300).contains(&status));
    }
}
