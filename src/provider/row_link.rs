//! [`row_link`]: the address that the dashboard stored with a connection, and what its signature says.

use super::meta::instagram::is_anonymous;
use crate::model::{Address, Connection, Identity, Link, LinkConfig, Timestamp, expires_at};
use crate::origin::HostList;

/// The row's own address as a link, if it lies on one of the provider's hosts.
pub(super) fn row_link(
    connection: &Connection,
    hosts: &HostList,
    now: Timestamp,
    links: &LinkConfig,
) -> Option<Link> {
    let address = Address::parse(connection.picture_url.as_ref()?.expose()).ok()?;
    if !hosts.allows(address.host()) || is_anonymous(address.expose()) {
        return None;
    }
    let identity = Identity::of(&address);
    Some(Link::new(address, identity, false, now, links))
}

/// Whether the link's signature names an end that has not come. Without one nothing proves that the address still shows the
/// picture.
pub(super) fn is_valid(link: &Link, now: Timestamp) -> bool {
    expires_at(&link.address, now).is_some() && link.is_live(now)
}

/// Whether the link names no end, or none that is plausible.
pub(super) fn names_no_end(link: &Link, now: Timestamp) -> bool {
    expires_at(&link.address, now).is_none()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{AvatarId, Provider, SealedToken, Secret};

    const NOW: Timestamp = Timestamp::from_secs(1_734_000_000);
    /// 675F45D2 is 2024-12-15 21:10:42.
    const LIVE: &str =
        "https://scontent-fra3-1.xx.fbcdn.net/v/t39.30808-1/1_n.jpg?stp=dst-jpg_s100x100&oe=675F45D2";

    fn links() -> LinkConfig {
        LinkConfig { margin: Duration::from_secs(3600), default_ttl: Duration::from_secs(86_400) }
    }

    fn stored(picture_url: Option<&str>, now: Timestamp) -> Option<Link> {
        let connection = Connection {
            id: AvatarId::parse("acme").unwrap(),
            provider: Provider::Facebook,
            account: None,
            token: SealedToken::of("sealed"),
            name: None,
            picture_url: picture_url.map(Secret::new),
            token_expires_at: None,
            table: None,
        };
        let hosts = HostList::parse(&["fbcdn.net".to_owned()]).unwrap();
        row_link(&connection, &hosts, now, &links())
    }

    #[test]
    fn the_rows_own_address_is_valid_until_its_signature_ends() {
        let link = stored(Some(LIVE), NOW).unwrap();
        assert_eq!(link.address.expose(), LIVE);
        assert_eq!(link.expires_at, Timestamp::from_secs(0x675F_45D2 - 3600));
        assert_eq!(link.resolved_at, NOW);
        assert_eq!(link.identity.as_deref(), Some("1_n.jpg?stp=dst-jpg_s100x100"));
        assert!(is_valid(&link, NOW) && !names_no_end(&link, NOW) && !link.is_secret);
        let end = Timestamp::from_secs(0x675F_45D2);
        for (now, expected) in
            [(end - Duration::from_secs(60), true), (end, false), (end + Duration::from_secs(1), false)]
        {
            let link = stored(Some(LIVE), now).unwrap();
            assert_eq!((is_valid(&link, now), names_no_end(&link, now)), (expected, false), "{now:?}");
        }
    }

    #[test]
    fn an_address_without_a_plausible_end_is_not_known_to_be_valid() {
        for address in [
            "https://scontent.xx.fbcdn.net/v/1_n.jpg",
            "https://scontent.xx.fbcdn.net/v/1_n.jpg?oe=1",
            "https://scontent.xx.fbcdn.net/v/1_n.jpg?oe=FFFFFFFFFF",
            "https://scontent.xx.fbcdn.net/v/1_n.jpg?oe=soon",
        ] {
            let link = stored(Some(address), NOW).unwrap();
            assert_eq!((is_valid(&link, NOW), names_no_end(&link, NOW)), (false, true), "{address}");
            assert_eq!((link.address.expose(), link.expires_at), (address, NOW + links().default_ttl));
        }
    }

    #[test]
    fn an_address_of_another_host_or_of_an_anonymous_picture_is_never_used() {
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
            assert!(stored(address, NOW).is_none(), "{address:?}");
        }
    }
}
