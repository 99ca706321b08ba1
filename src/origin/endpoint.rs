//! [`Endpoint`]: the receiver of webhooks, as the operator wrote it.

use std::fmt;

use url::Url;

use super::base_url::BaseUrl;
use crate::model::Secret;

/// The operator's own address, with path and query. Like [`BaseUrl`] it may be plain HTTP and private. It is never printed:
/// many receivers authenticate their senders by a secret part of it.
#[derive(Clone)]
pub struct Endpoint {
    base: BaseUrl,
    address: Secret,
}

impl Endpoint {
    /// Parses `http` or `https` with a host, without credentials and fragment.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let base = BaseUrl::parse(&url.origin().ascii_serialization())?;
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        plain.then(|| Self { base, address: Secret::new(url.as_str()) })
    }

    /// Scheme, host and port, which may be plain HTTP and private.
    pub fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// The whole address.
    pub(super) fn address(&self) -> &str {
        self.address.expose()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_keeps_path_and_query_and_prints_neither() {
        let endpoint = Endpoint::parse("http://dashboard:3000/hooks/avatars?key=hunter2").unwrap();
        assert_eq!(endpoint.address(), "http://dashboard:3000/hooks/avatars?key=hunter2");
        assert_eq!(endpoint.base().as_str(), "http://dashboard:3000");
        assert_eq!(format!("{endpoint:?}"), "http://dashboard:3000");
    }

    #[test]
    fn an_unusable_address_of_a_receiver_is_refused() {
        for text in
            ["", "dashboard", "ftp://a/b", "https://u:p@a/b", "https://u@a/b", "https://a/b#c", "unix:/a"]
        {
            assert!(Endpoint::parse(text).is_none(), "{text}");
        }
    }
}
