//! [`BaseUrl`]: the address of an API, as the operator wrote it.

use url::Url;

/// The `base_url` of a provider. It may be plain HTTP and private, with exactly this scheme, host and port. Addresses from
/// replies, rows and redirects never profit from that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    url: Url,
}

impl BaseUrl {
    /// Parses `http` or `https` with a host, without credentials, query or fragment. A slash at the end is dropped.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('/').to_owned();
        let url = Url::parse(&text).ok()?;
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        let good =
            matches!(url.scheme(), "http" | "https") && url.has_host() && plain && url.fragment().is_none();
        good.then_some(Self { text, url })
    }

    /// The text, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, as [`Url`] normalises it.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or("")
    }

    /// Whether an address has this scheme, host and port.
    pub fn is_origin_of(&self, url: &Url) -> bool {
        self.url.scheme() == url.scheme()
            && self.url.host_str() == url.host_str()
            && self.url.port_or_known_default() == url.port_or_known_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operators_address_may_be_plain_and_private_without_credentials_query_or_fragment() {
        assert_eq!(
            BaseUrl::parse("http://telegram-bot-api:8081/").unwrap().as_str(),
            "http://telegram-bot-api:8081"
        );
        for text in ["", "telegram", "ftp://a", "https://u:p@a", "https://a?x=1", "https://a#b", "unix:/a"] {
            assert_eq!(BaseUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_an_address_with_its_scheme_host_and_port_is_trusted() {
        let base = BaseUrl::parse("http://bots:8081").unwrap();
        for (text, same) in [
            ("http://bots:8081/file/x", true),
            ("http://bots/file/x", false),
            ("https://bots:8081/file/x", false),
            ("http://bots.evil:8081/", false),
        ] {
            assert_eq!(base.is_origin_of(&Url::parse(text).unwrap()), same, "{text}");
        }
    }
}
