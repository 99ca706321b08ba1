//! [`Address`]: a picture's address that is sent byte for byte.

use std::fmt;

use url::Url;
use zeroize::Zeroizing;

/// An `http` or `https` address whose text does not change by parsing.
///
/// A signed address must reach the CDN exactly as the provider gave it: re-encoding, a lost `&` or a resolved `..` breaks its
/// signature (docs/providers.md, "Signed addresses"). So a text that the parser would change, beyond the host's case, a
/// default port and an empty path, is refused here. A signed address is as secret as a token, so `Debug` shows only the
/// host.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    text: Zeroizing<String>,
    url: Url,
}

/// The text is no usable address. The message never contains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an absolute `http` or `https` address with a host.
    #[error("not an absolute http or https address")]
    NotAnAddress,
    /// It contains a user name or password.
    #[error("the address contains credentials")]
    Credentials,
    /// Parsing would change it.
    #[error("parsing would change the address and break its signature")]
    WouldChange,
    /// Longer than [`Address::MAX_LEN`].
    #[error("the address is longer than {} bytes", Address::MAX_LEN)]
    TooLong,
}

impl Address {
    /// The longest accepted address, in bytes; Meta's often pass 512.
    pub const MAX_LEN: usize = 8192;

    /// Checks the text.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > Self::MAX_LEN {
            return Err(AddressError::TooLong);
        }
        let url = Url::parse(text).map_err(|_| AddressError::NotAnAddress)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(AddressError::NotAnAddress);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        if !survives(text, &url) {
            return Err(AddressError::WouldChange);
        }
        Ok(Self { text: Zeroizing::new(text.to_owned()), url })
    }

    /// The text as given. It must never be logged.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The parsed form. Its text differs at most in the host's case, a default port and an empty path.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host in lower case: a name, or an IPv4 or bracketed IPv6 literal.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or("")
    }

    /// Whether the host is this domain or a name below it.
    pub fn is_at(&self, domain: &str) -> bool {
        let below = self.host().strip_suffix(domain);
        below.is_some_and(|label| label.is_empty() || label.ends_with('.'))
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Path and query as given; an absent query is empty.
    pub fn path_and_query(&self) -> (&str, &str) {
        (self.url.path(), self.url.query().unwrap_or(""))
    }

    /// The values of a query parameter as given, not decoded.
    pub fn parameters<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.path_and_query().1.split('&').filter_map(move |pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then_some(value)
        })
    }
}

/// Whether parsing kept everything after the authority, and the scheme was written in lower case.
fn survives(text: &str, url: &Url) -> bool {
    let Some(rest) = text.strip_prefix(url.scheme()).and_then(|rest| rest.strip_prefix("://")) else {
        return false;
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    // SECURITY: different parsers read `http://a\b` and `http://a<TAB>b` differently. The authority must not contain anything
    // that the URL parser skips or reinterprets.
    let plain = authority
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']'));
    let parsed = &url[url::Position::BeforePath..];
    let same_tail = if tail.is_empty() || tail.starts_with(['?', '#']) {
        parsed.strip_prefix('/') == Some(tail)
    } else {
        parsed == tail
    };
    let host = authority.strip_suffix(|c: char| c.is_ascii_digit()).map_or(authority, |_| {
        authority.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map_or(authority, |(host, _)| host)
    });
    plain && same_tail && url.host_str().is_some_and(|parsed| parsed.eq_ignore_ascii_case(host))
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/<secret>", self.url.scheme(), self.host())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn signed_addresses_of_every_family_survive() {
        for text in [
            "https://scontent-fra3-1.xx.fbcdn.net/v/t39.30808-1/1_2_3_n.jpg?stp=dst-jpg_s100x100_tt6&_nc_cat=1&oh=00_AfC&oe=675F45D2",
            "https://scontent.cdninstagram.com/v/t51.2885-19/4_n.jpg?stp=dst-jpg_s200x200&efg=eyJ2ZW5jb2RlX3RhZyI6InByb2ZpbGUifQ%3D%3D&oe=66648E8A",
            "https://p16-sign-va.tiktokcdn.com/tos-a-avt-0068/0a~c5_100x100.jpeg?x-expires=1700000000&x-signature=a%2Bb%3D",
            "https://Example.COM/a.jpg",
            "https://example.com:443/a.jpg",
            "https://example.com?x=1",
            "http://127.0.0.1:8081/file/bot1:A/photos/file_0.jpg",
            "http://[::1]:8080/a.png",
        ] {
            let address = Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(address.expose(), text);
        }
    }

    #[test]
    fn an_address_that_parsing_would_change_is_refused() {
        for text in [
            "https://example.com/a/../b.jpg",
            "https://example.com/./a.jpg",
            "https://example.com/a b.jpg",
            "https://example.com/ä.jpg",
            "https://example.com/a.jpg?x=\"1\"",
            "https://example.com/a\\b.jpg",
            "https://example.com/a\tb.jpg",
            " https://example.com/a.jpg",
            "https://example.com/%2e%2e/a.jpg",
            "HTTPS://example.com/a.jpg",
            "https:/example.com/a.jpg",
            "https://exam\tple.com/a.jpg",
            "https://0x7f000001/a.jpg",
            "https://127.1/a.jpg",
            "https://2130706433/a.jpg",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        assert_eq!(Address::parse("https://u:p@example.com/"), Err(AddressError::Credentials));
        assert_eq!(Address::parse("file:///etc/passwd"), Err(AddressError::NotAnAddress));
        assert_eq!(Address::parse("data:image/png;base64,AAAA"), Err(AddressError::NotAnAddress));
    }

    #[test]
    fn a_domain_covers_itself_and_names_below_it() {
        for (text, is_at) in [
            ("https://licdn.com/a", true),
            ("https://media.LICDN.com/a", true),
            ("https://notlicdn.com/a", false),
            ("https://licdn.com.evil.example/a", false),
        ] {
            assert_eq!(Address::parse(text).unwrap().is_at("licdn.com"), is_at, "{text}");
        }
    }

    #[test]
    fn debug_shows_no_path_and_no_query() {
        let address = Address::parse("https://api.telegram.org/file/bot1:SECRET/p.jpg?oe=SIGNED").unwrap();
        assert_eq!(format!("{address:?}"), "https://api.telegram.org/<secret>");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics_and_an_accepted_one_is_unchanged(
            text in r"\PC{0,80}|https?:(/|\\){0,3}[a-zA-Z0-9.:@\[\]%_-]{0,30}[/?#][!-~ ]{0,60}|https://[a-z.]{1,20}/[!-~]{0,60}",
        ) {
            if let Ok(address) = Address::parse(&text) {
                prop_assert_eq!(address.expose(), &text);
                // The request line gets the end of the given text.
                let sent = &address.url()[url::Position::BeforePath..url::Position::AfterQuery];
                let given = text.split('#').next().unwrap_or("");
                prop_assert!(given.ends_with(sent) || given.ends_with(&sent[1..]), "{}", text);
            }
        }

        #[test]
        fn ordinary_signed_addresses_are_accepted(
            path in r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,20}){1,4}",
            query in r"([a-z_]{1,8}=([A-Za-z0-9._~:/-]|%[0-9A-F]{2}){0,20}&?){0,6}",
        ) {
            let text = format!("https://scontent.xx.fbcdn.net{path}?{query}");
            prop_assert!(Address::parse(&text).is_ok(), "{}", text);
        }
    }
}
