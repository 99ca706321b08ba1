//! The requests that each provider sends through a real socket, and what its replies become.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::error::error;
use super::*;
use crate::model::{AvatarId, ImagesConfig, SealedToken};
use crate::origin::{BaseUrl, HostList, OriginConfig};

const NOW: Timestamp = Timestamp::from_secs(1_734_000_000);
/// 675F45D2 is 2024-12-15 21:10:42.
const LIVE: &str =
    "https://scontent-fra3-1.xx.fbcdn.net/v/t39.30808-1/1_n.jpg?stp=dst-jpg_s100x100&oe=675F45D2";
const BOT: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

/// Providers whose three hosts are one listener below different paths.
fn providers(base: &str, app_secret: Option<&str>) -> Providers {
    let base = |path: &str| BaseUrl::parse(&format!("{base}/{path}")).unwrap();
    let hosts = HostList::parse(&["fbcdn.net".to_owned()]).unwrap();
    let limits = CallLimits { at_once: 8, per_second: 10_000 };
    let graph = |path: &str, version: &str| GraphConfig {
        base_url: base(path),
        version: version.to_owned(),
        app_secret: app_secret.map(Secret::new),
        limits,
    };
    let config = ProvidersConfig {
        instagram: InstagramConfig { graph: graph("ig", "v25.0"), hosts: hosts.clone() },
        facebook: FacebookConfig { graph: graph("fb", "v24.0"), size: 320, hosts },
        telegram: TelegramConfig { base_url: base("tg"), limits },
        json: Vec::new(),
    };
    let origin = OriginConfig {
        ca: None,
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(5),
        max_bytes: 1 << 20,
        max_redirects: 0,
        stream_above: 1 << 16,
        allow_http: false,
        allow_private: Vec::new(),
    };
    let origin =
        Origin::new(origin, ImagesConfig { max_pixels: 1_000_000 }, &config.trusted_bases()).unwrap();
    let links = LinkConfig { margin: Duration::from_secs(3600), default_ttl: Duration::from_secs(86_400) };
    Providers::new(config, links, Arc::new(origin))
}

fn row(provider: Provider, account: Option<&str>) -> Connection {
    Connection {
        id: AvatarId::parse("acme").unwrap(),
        provider,
        account: account.map(str::to_owned),
        token: SealedToken::of("sealed"),
        name: None,
        picture_url: None,
        token_expires_at: None,
        table: None,
    }
}

/// Answers one connection after the other with `replies`, and returns the heads of the requests.
async fn answer(listener: &TcpListener, replies: &[&str]) -> Vec<String> {
    let mut heads = Vec::new();
    for reply in replies {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        heads.push(String::from_utf8(head).unwrap());
        let length = reply.len();
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{reply}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    heads
}

/// The heads of the requests that resolving `connection` sends, and what it resolves to.
async fn ask(
    connection: &Connection,
    token: &str,
    app_secret: Option<&str>,
    replies: &[&str],
) -> (Vec<String>, Result<Resolution, ProviderError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (providers, token) = (providers(&base, app_secret), Secret::new(token));
    let (heads, resolved) =
        tokio::join!(answer(&listener, replies), providers.resolve(connection, &token, NOW));
    (heads, resolved.map(|resolved| resolved.resolution))
}

#[track_caller]
fn assert_asked(head: &str, path_and_query: &str, bearer: Option<&str>) {
    assert_eq!(head.lines().next(), Some(&*format!("GET {path_and_query} HTTP/1.1")));
    let sent = head.lines().find_map(|line| line.strip_prefix("authorization: "));
    assert_eq!(sent, bearer.map(|token| format!("Bearer {token}")).as_deref());
}

#[tokio::test]
async fn instagram_is_asked_about_the_owner_of_its_token() {
    let reply = format!(r#"{{"data":[{{"user_id":"2","profile_picture_url":"{LIVE}"}}]}}"#);
    let (heads, resolved) = ask(&row(Provider::Instagram, Some("1")), "IGAAx", None, &[&reply]).await;
    assert_asked(&heads[0], "/ig/v25.0/me?fields=id,user_id,username,profile_picture_url", Some("IGAAx"));
    let Ok(Resolution::Picture(link)) = resolved else { panic!("no picture") };
    assert_eq!(link.address.expose(), LIVE);
    assert_eq!(
        link.expires_at,
        Timestamp::from_secs(0x675F_45D2 - 3600),
        "its signature's end less the margin"
    );
    assert_eq!(link.resolved_at, NOW);
    assert_eq!(link.identity.as_deref(), Some("1_n.jpg?stp=dst-jpg_s100x100"));
    assert!(!link.is_secret);
}

#[tokio::test]
async fn an_instagram_account_with_a_facebook_token_is_asked_at_facebook_and_signed_with_its_secret() {
    let reply = r#"{"id":"17841","profile_picture_url":null}"#;
    let connection = row(Provider::Instagram, Some("17841"));
    let (heads, resolved) = ask(&connection, "EAAx", Some("secret"), &[reply]).await;
    // printf EAAx | openssl dgst -sha256 -hmac secret
    let proof = "dd30d14a329ebba55566e2eb0b990864998f38cad370fe8bbd0b9c6fa8dac2e6";
    let expected = format!("/fb/v24.0/17841?fields=id,profile_picture_url,username&appsecret_proof={proof}");
    assert_asked(&heads[0], &expected, Some("EAAx"));
    assert!(matches!(resolved, Ok(Resolution::NoPicture)));
}

#[tokio::test]
async fn a_page_is_asked_for_its_picture_in_the_configured_size() {
    let reply = r#"{"error":{"message":"(#4) token EAAx","type":"OAuthException","code":4}}"#;
    let (heads, resolved) = ask(&row(Provider::Facebook, Some("42")), "EAAx", None, &[reply]).await;
    let expected = "/fb/v24.0/42?fields=picture.width(320).height(320)%7Burl,is_silhouette,width,height%7D";
    assert_asked(&heads[0], expected, Some("EAAx"));
    let throttled = error(TroubleClass::Throttled, Some(3600), "code 4");
    assert_eq!(resolved.unwrap_err(), ProviderError { scope: crate::model::Scope::App, ..throttled });
}

#[tokio::test]
async fn a_telegram_chat_takes_two_calls_and_its_link_is_secret_and_lives_an_hour() {
    let chat = r#"{"ok":true,"result":{"id":-1,"photo":{"big_file_id":"AQ-_1","big_file_unique_id":"u1"}}}"#;
    let file = r#"{"ok":true,"result":{"file_id":"AQ-_1","file_path":"photos/file_7.jpg"}}"#;
    let (heads, resolved) = ask(&row(Provider::Telegram, Some("-100")), BOT, None, &[chat, file]).await;
    assert_asked(&heads[0], &format!("/tg/bot{BOT}/getChat?chat_id=-100"), None);
    assert_asked(&heads[1], &format!("/tg/bot{BOT}/getFile?file_id=AQ-_1"), None);
    let Ok(Resolution::Picture(link)) = resolved else { panic!("no picture") };
    assert!(link.address.expose().ends_with(&format!("/tg/file/bot{BOT}/photos/file_7.jpg")));
    assert_eq!(link.identity.as_deref(), Some("u1"));
    assert_eq!(link.expires_at, NOW + Duration::from_secs(3600));
    assert!(link.is_secret);
    assert!(!format!("{link:?}").contains("AAHdqTcv"));
}

#[tokio::test]
async fn a_bot_without_a_photo_takes_one_call() {
    let photos = r#"{"ok":true,"result":{"total_count":0,"photos":[]}}"#;
    for account in [None, Some("")] {
        let (heads, resolved) = ask(&row(Provider::Telegram, account), BOT, None, &[photos]).await;
        assert_asked(
            &heads[0],
            &format!("/tg/bot{BOT}/getUserProfilePhotos?user_id=110201543&limit=1"),
            None,
        );
        assert!(matches!(resolved, Ok(Resolution::NoPicture)));
    }
}

#[tokio::test]
async fn the_rows_own_address_is_used_by_what_its_signature_says_and_never_for_telegram() {
    let providers = providers("http://127.0.0.1:1", None);
    let used = |provider, address: &str| {
        let row = Connection { picture_url: Some(Secret::new(address)), ..row(provider, None) };
        [providers.stored_link(&row, NOW), providers.stored_link_without_end(&row, NOW)]
            .map(|link| link.map(|link| link.address.expose().to_owned()))
    };
    let unsigned = "https://scontent.xx.fbcdn.net/v/1_n.jpg";
    for provider in [Provider::Instagram, Provider::Facebook] {
        assert_eq!(used(provider, LIVE), [Some(LIVE.to_owned()), None]);
        assert_eq!(used(provider, unsigned), [None, Some(unsigned.to_owned())]);
    }
    let of_telegram = format!("http://127.0.0.1:1/tg/file/bot{BOT}/photos/file_1.jpg");
    for address in [LIVE, unsigned, &of_telegram] {
        assert_eq!(used(Provider::Telegram, address), [None, None], "{address}");
    }
}

#[tokio::test]
async fn a_throttled_app_at_facebook_stops_instagram_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let providers = providers(&format!("http://{}", listener.local_addr().unwrap()), None);
    let ask = async |provider, token: &str, reply: &str| {
        let (connection, token, replies) = (row(provider, Some("1")), Secret::new(token), [reply]);
        let (_, resolved) =
            tokio::join!(answer(&listener, &replies), providers.resolve(&connection, &token, NOW));
        resolved
    };
    let hour = NOW + Duration::from_secs(3600);
    let throttled = r#"{"error":{"message":"","code":4}}"#;
    ask(Provider::Instagram, "EAAx", throttled).await.unwrap_err();
    let both = vec![(Provider::Instagram, hour), (Provider::Facebook, hour)];
    assert_eq!(providers.take_new_stops(), both);
    assert_eq!(providers.take_new_stops(), []);
    let paused = providers.resolve(&row(Provider::Facebook, None), &Secret::new("EAAx"), NOW).await;
    assert_eq!(paused.unwrap_err().reason, "the whole app is paused");
    ask(Provider::Instagram, "IGAAx", r#"{"id":"1"}"#).await.unwrap();
    assert_eq!(providers.take_new_stops(), [], "graph.instagram.com has an app of its own");
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_transient_and_the_reason_holds_no_token() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let providers = providers(&format!("http://{}", listener.local_addr().unwrap()), None);
    drop(listener);
    for (provider, token) in [(Provider::Facebook, "EAAx"), (Provider::Telegram, BOT)] {
        let failed = providers.resolve(&row(provider, None), &Secret::new(token), NOW).await.unwrap_err();
        assert_eq!(failed.class, TroubleClass::Transient);
        assert!(!format!("{failed} {failed:?}").contains(token), "{failed}");
    }
}
