//! [`Auth`]: how a request carries the token.

use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::model::{Secret, TroubleClass};
use crate::provider::error::ProviderError;
use crate::provider::path_segment::encode;

/// Headers that frame or route the message. The client sets them itself.
const RESERVED_HEADERS: [&str; 9] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "accept-encoding",
];

/// Where the token goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Auth {
    /// `Authorization: Bearer <token>`.
    Bearer,
    /// A header of that name, with the token alone.
    Header(HeaderName),
    /// A parameter of the query, with its name encoded.
    Query(String),
    /// The API needs no token.
    None,
}

impl Auth {
    /// What would be right, as the end of a sentence.
    pub(super) const EXPECTED: &'static str = "\"bearer\", \"header:NAME\", \"query:NAME\" or \"none\", where NAME is the header's or the parameter's";

    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "bearer" => Some(Self::Bearer),
            None if text == "none" => Some(Self::None),
            Some(("header", name)) => header_name(name).map(Self::Header),
            Some(("query", name)) if !name.is_empty() => Some(Self::Query(encode(name))),
            _ => None,
        }
    }

    pub(super) fn needs_token(&self) -> bool {
        *self != Self::None
    }

    /// As the operator wrote it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Bearer => "bearer".to_owned(),
            Self::Header(name) => format!("header:{name}"),
            Self::Query(name) => format!("query:{name}"),
            Self::None => "none".to_owned(),
        }
    }

    /// The header that carries the token, if the token goes into one.
    ///
    /// # Errors
    /// The token fits into no header.
    pub(super) fn in_header(
        &self,
        token: &Secret,
    ) -> Result<Option<(HeaderName, HeaderValue)>, ProviderError> {
        let (name, text) = match self {
            Self::Bearer => (AUTHORIZATION, zeroize::Zeroizing::new(format!("Bearer {}", token.expose()))),
            Self::Header(name) => (name.clone(), zeroize::Zeroizing::new(token.expose().to_owned())),
            Self::Query(_) | Self::None => return Ok(None),
        };
        // A key or layout that opens the wrong value yields such a token; then the row is at fault, not the network.
        let visible =
            !token.is_empty() && token.expose().bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let value = HeaderValue::from_str(&text).ok().filter(|_| visible).ok_or_else(|| {
            let reason = "the token holds characters that no header can carry";
            ProviderError::new(TroubleClass::Misconfigured, reason)
        })?;
        Ok(Some((name, secret(value))))
    }

    /// Path and query, with the token added where the query carries it.
    pub(super) fn in_query(&self, path_and_query: String, token: &Secret) -> String {
        match self {
            Self::Query(name) => {
                let separator = if path_and_query.contains('?') { '&' } else { '?' };
                format!("{path_and_query}{separator}{name}={}", encode(token.expose()))
            }
            Self::Bearer | Self::Header(_) | Self::None => path_and_query,
        }
    }
}

/// A header that a block may set.
pub(super) fn header_name(text: &str) -> Option<HeaderName> {
    text.parse().ok().filter(|name: &HeaderName| !RESERVED_HEADERS.contains(&name.as_str()))
}

/// Marks a value as sensitive: `Debug` hides it and HTTP/2 keeps it out of its tables.
pub(super) fn secret(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(text: &str) -> Auth {
        Auth::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn the_token_goes_to_its_configured_place_alone() {
        let token = Secret::new("a+b/c=");
        for (text, header, query) in [
            ("bearer", Some(("authorization", "Bearer a+b/c=")), "/me?x=1"),
            ("header:Access-Token", Some(("access-token", "a+b/c=")), "/me?x=1"),
            ("query:access_token", None, "/me?x=1&access_token=a%2Bb%2Fc%3D"),
            ("none", None, "/me?x=1"),
        ] {
            let sent = auth(text).in_header(&token).unwrap();
            let shown = sent.as_ref().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
            assert_eq!(shown, header, "{text}");
            assert!(sent.is_none_or(|(_, value)| value.is_sensitive()), "{text}");
            assert_eq!(auth(text).in_query("/me?x=1".to_owned(), &token), query, "{text}");
        }
        assert_eq!(auth("query:k y").in_query("/me".to_owned(), &Secret::new("t")), "/me?k%20y=t");
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_the_rows_fault() {
        for token in ["", "a\r\nHost: b", "ä", "a\0"] {
            for way in ["bearer", "header:X-Token"] {
                let error = auth(way).in_header(&Secret::new(token)).unwrap_err();
                assert_eq!(error.class, TroubleClass::Misconfigured, "{token:?}");
            }
        }
    }

    #[test]
    fn an_unknown_way_is_refused() {
        for text in
            ["", "Bearer", "basic", "header:", "header:a b", "header:Host", "header:Content-Length", "query:"]
        {
            assert_eq!(Auth::parse(text), None, "{text}");
        }
    }
}
