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

fn stored(picture_url: Option<&str>, now: Timestamp) -> Option<Link> {
    let hosts = HostList::parse(&["fbcdn.net".to_owned()]).unwrap();
    stored_link(&row(Provider::Facebook, picture_url), &hosts, now, &config())
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

#[test]
fn the_rows_own_address_is_used_while_its_signature_lives() {
    let link = stored(Some(LIVE), NOW).unwrap();
    assert_eq!(link.address.expose(), LIVE);
    assert!(link.is_live(NOW) && !link.is_secret);
    let end = Timestamp::from_secs(0x675F_45D2);
    assert!(stored(Some(LIVE), end - Duration::from_secs(60)).is_some());
    for now in [end, end + Duration::from_secs(1)] {
        assert!(stored(Some(LIVE), now).is_none());
    }
}

#[test]
fn the_rows_own_address_is_not_used_where_it_proves_nothing() {
    for address in [
        None,
        Some(""),
        Some("https://scontent.xx.fbcdn.net/v/1_n.jpg"),
        Some("https://notfbcdn.net/v/1_n.jpg?oe=675F45D2"),
        Some("https://fbcdn.net.evil.example/v/1_n.jpg?oe=675F45D2"),
        Some("https://a.fbcdn.net/v/44884218_345707102882519_2446069589734326272_n.jpg?oe=675F45D2"),
        Some("https://a.fbcdn.net/v/../1_n.jpg?oe=675F45D2"),
    ] {
        assert!(stored(address, NOW).is_none(), "{address:?}");
    }
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
