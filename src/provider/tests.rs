mod asked;

use std::time::Duration;

use super::error::error;
use super::*;
use crate::model::{AvatarId, SealedToken};

const NOW: Timestamp = Timestamp::from_secs(1_734_000_000);
/// 675F45D2 is 2024-12-15 21:10:42.
const LIVE: &str =
    "https://scontent-fra3-1.xx.fbcdn.net/v/t39.30808-1/1_n.jpg?stp=dst-jpg_s100x100&oe=675F45D2";

fn config() -> LinkConfig {
    LinkConfig { margin: Duration::from_secs(3600), default_ttl: Duration::from_secs(86_400) }
}

fn row(provider: Provider, picture_url: Option<&str>) -> Connection {
    Connection {
        id: AvatarId::parse("acme").unwrap(),
        provider,
        account: None,
        token: SealedToken::of("sealed"),
        name: None,
        picture_url: picture_url.map(Secret::new),
        token_expires_at: None,
        table: None,
    }
}

/// The row's own address as it is known to live, and as nobody knows whether it does.
fn stored(picture_url: Option<&str>, now: Timestamp) -> [Option<Link>; 2] {
    let (providers, row) =
        (asked::providers("http://127.0.0.1:1", None), row(Provider::Facebook, picture_url));
    [providers.stored_link(&row, now), providers.stored_link_without_end(&row, now)]
}

fn said(address: &str) -> Result<Resolution, ProviderError> {
    resolution(&Said::Address(address.to_owned()), NOW, &config())
}

#[test]
fn an_address_becomes_a_link_that_ends_with_its_signature() {
    let Resolution::Picture(link) = said(LIVE).unwrap() else { panic!("no picture") };
    assert_eq!(link.address.expose(), LIVE);
    assert_eq!(link.expires_at, Timestamp::from_secs(0x675F_45D2 - 3600));
    assert_eq!(link.resolved_at, NOW);
    assert_eq!(link.identity.as_deref(), Some("1_n.jpg?stp=dst-jpg_s100x100"));
    assert!(!link.is_secret);
}

#[test]
fn an_address_that_cannot_be_sent_as_it_is_is_named() {
    for (address, reason) in [
        (
            "https://a.fbcdn.net/a b.jpg",
            "the address would change by parsing, so its signature would not hold",
        ),
        ("data:image/png;base64,AA", "not an absolute http or https address"),
        ("https://u:p@a.fbcdn.net/", "the address holds credentials"),
    ] {
        assert_eq!(said(address).unwrap_err(), error(TroubleClass::Misconfigured, None, reason));
    }
}

#[tokio::test]
async fn the_rows_own_address_is_used_while_its_signature_lives() {
    let [Some(link), None] = stored(Some(LIVE), NOW) else { panic!("it lives") };
    assert_eq!(link.address.expose(), LIVE);
    assert!(link.is_live(NOW) && !link.is_secret);
    let end = Timestamp::from_secs(0x675F_45D2);
    assert!(stored(Some(LIVE), end - Duration::from_secs(60))[0].is_some());
    for now in [end, end + Duration::from_secs(1)] {
        assert!(stored(Some(LIVE), now).iter().all(Option::is_none), "it is over");
    }
}

#[tokio::test]
async fn of_an_address_without_an_end_that_can_be_nobody_knows_whether_it_lives() {
    for address in [
        "https://scontent.xx.fbcdn.net/v/1_n.jpg",
        "https://scontent.xx.fbcdn.net/v/1_n.jpg?oe=1",
        "https://scontent.xx.fbcdn.net/v/1_n.jpg?oe=FFFFFFFFFF",
        "https://scontent.xx.fbcdn.net/v/1_n.jpg?oe=soon",
    ] {
        let [None, Some(link)] = stored(Some(address), NOW) else { panic!("{address}") };
        assert_eq!((link.address.expose(), link.expires_at), (address, NOW + config().default_ttl));
    }
}

#[tokio::test]
async fn an_address_that_is_none_of_its_providers_is_never_used() {
    for address in [
        None,
        Some(""),
        Some("https://notfbcdn.net/v/1_n.jpg?oe=675F45D2"),
        Some("https://notfbcdn.net/v/1_n.jpg"),
        Some("https://fbcdn.net.evil.example/v/1_n.jpg?oe=675F45D2"),
        Some("https://fbcdn.net.evil.example/v/1_n.jpg"),
        Some("https://a.fbcdn.net/v/44884218_345707102882519_2446069589734326272_n.jpg?oe=675F45D2"),
        Some("https://a.fbcdn.net/v/44884218_345707102882519_2446069589734326272_n.jpg"),
        Some("https://a.fbcdn.net/v/../1_n.jpg?oe=675F45D2"),
    ] {
        assert!(stored(address, NOW).iter().all(Option::is_none), "{address:?}");
    }
}

#[tokio::test]
async fn an_address_of_telegram_holds_a_token_and_is_never_used() {
    let providers = asked::providers("http://127.0.0.1:1", None);
    let row = row(Provider::Telegram, Some("http://127.0.0.1:1/tg/file/bot1:A/photos/file_1.jpg"));
    assert!(
        providers.stored_link(&row, NOW).is_none() && providers.stored_link_without_end(&row, NOW).is_none()
    );
}

#[test]
fn an_account_is_one_segment_of_the_path() {
    for (account, expected) in [
        (None, None),
        (Some(""), None),
        (Some("17841400008460056"), Some("17841400008460056")),
        (Some("page_1-a.b~c"), Some("page_1-a.b~c")),
        (Some("a/../me?fields=x&y#z%2F"), Some("a%2F..%2Fme%3Ffields%3Dx%26y%23z%252F")),
        (Some("ä"), Some("%C3%A4")),
    ] {
        assert_eq!(node(account).unwrap().as_deref(), expected);
    }
    for account in [".", ".."] {
        let expected = error(TroubleClass::Misconfigured, None, "the account is no id");
        assert_eq!(node(Some(account)).unwrap_err(), expected);
    }
}
