//! [`row_link`]: the address that the dashboard stored with a connection.

use super::meta::instagram::is_anonymous;
use crate::model::{Address, Connection, Identity, Link, LinkConfig, Timestamp, expires_at};
use crate::origin::HostList;

/// The row's own address as a link, if it lies on one of the provider's hosts and its signature is still valid. Without
/// a signature nothing proves that the address still shows the picture.
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
    expires_at(&address, now)?;
    let identity = Identity::of(&address);
    Some(Link::new(address, identity, false, now, links)).filter(|link| link.is_live(now))
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
        let links =
            LinkConfig { margin: Duration::from_secs(3600), default_ttl: Duration::from_secs(86_400) };
        row_link(&connection, &hosts, now, &links)
    }

    #[test]
    fn the_rows_own_address_is_used_while_its_signature_is_valid() {
        let link = stored(Some(LIVE), NOW).unwrap();
        assert_eq!(link.address.expose(), LIVE);
        assert_eq!(link.expires_at, Timestamp::from_secs(0x675F_45D2 - 3600));
        assert_eq!(link.resolved_at, NOW);
        assert_eq!(link.identity.as_deref(), Some("1_n.jpg?stp=dst-jpg_s100x100"));
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
}
