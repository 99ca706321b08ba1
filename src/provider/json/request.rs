//! [`RequestTemplate`]: the address that a block asks, with a place for the account.

use crate::model::{Address, TroubleClass};
use crate::origin::BaseUrl;
use crate::provider::error::ProviderError;
use crate::provider::path_segment::path_segment;

/// Stands where the row's account goes.
const ACCOUNT: &str = "{account}";

/// The `url` of a block.
#[derive(Debug, Clone)]
pub(super) struct RequestTemplate {
    /// Scheme, host and port as the operator wrote them; no row can change them.
    base: BaseUrl,
    /// Path and query, split at the places of the account.
    parts: Vec<String>,
}

impl RequestTemplate {
    /// Parses an absolute address that no parser changes. The account may stand in its path and its query.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let authority = text.find("://")? + 3;
        let path = text[authority..].find(['/', '?', '#']).map_or(text.len(), |at| authority + at);
        let (base, tail) = text.split_at(path);
        let slash = if tail.starts_with('/') { "" } else { "/" };
        let parts: Vec<String> = format!("{slash}{tail}").split(ACCOUNT).map(str::to_owned).collect();
        let base = BaseUrl::parse(base)?;
        let is_plain = !parts.iter().any(|part| part.contains(['{', '}', '#']));
        let survives = Address::parse(&format!("{}{}", base.as_str(), parts.join("1"))).is_ok();
        (is_plain && survives).then_some(Self { base, parts })
    }

    pub(super) fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// Whether it names the account. Then a 404 may mean that the API does not know the account.
    pub(super) fn names_account(&self) -> bool {
        self.parts.len() > 1
    }

    /// Path and query for an account, percent-encoded.
    ///
    /// # Errors
    /// The address needs an account and the row has none, or one that is no segment of a path.
    pub(super) fn path_and_query(&self, account: Option<&str>) -> Result<String, ProviderError> {
        if !self.names_account() {
            return Ok(self.parts.concat());
        }
        let missing = || ProviderError::new(TroubleClass::Misconfigured, "the row has no account");
        Ok(self.parts.join(&path_segment(account)?.ok_or_else(missing)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_account_of_any_text_stays_in_its_place(account in r"[ -~]{1,40}|\PC{1,20}|\.{1,3}") {
            let request = RequestTemplate::parse("https://a.example/v1/{account}/me?id={account}&x=1").unwrap();
            if let Ok(path_and_query) = request.path_and_query(Some(&account)) {
                let address = Address::parse(&format!("{}{path_and_query}", request.base().as_str())).unwrap();
                let url = address.url();
                prop_assert_eq!(url.host_str(), Some("a.example"));
                prop_assert_eq!(url.path().split('/').count(), 4);
                prop_assert!(url.path().starts_with("/v1/") && url.path().ends_with("/me"));
                let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
                prop_assert_eq!(pairs, [("id".to_owned(), account), ("x".to_owned(), "1".to_owned())]);
            }
        }
    }

    #[test]
    fn the_account_is_encoded_wherever_it_stands() {
        for (url, account, expected) in [
            ("https://a.example/v1/me?fields=id,picture", None, "/v1/me?fields=id,picture"),
            ("https://a.example/{account}/p?user={account}", Some("x"), "/x/p?user=x"),
            (
                "https://a.example/get?actor={account}",
                Some("did:plc:a&b=c"),
                "/get?actor=did%3Aplc%3Aa%26b%3Dc",
            ),
            ("https://a.example/u/{account}", Some("../admin?x#y"), "/u/..%2Fadmin%3Fx%23y"),
            ("https://a.example/u/{account}", Some("{account}"), "/u/%7Baccount%7D"),
            ("https://a.example?u={account}", Some("1"), "/?u=1"),
            ("https://a.example", None, "/"),
            (
                "http://10.0.0.1:8080/o/{account}?projection=(logo(original~:streams))",
                Some("7"),
                "/o/7?projection=(logo(original~:streams))",
            ),
        ] {
            let request = RequestTemplate::parse(url).unwrap_or_else(|| panic!("{url}"));
            assert_eq!(request.path_and_query(account).unwrap(), expected, "{url}");
        }
    }

    #[test]
    fn without_a_usable_account_nothing_is_asked() {
        let request = RequestTemplate::parse("https://a.example/{account}").unwrap();
        for account in [None, Some(""), Some("."), Some("..")] {
            assert_eq!(
                request.path_and_query(account).unwrap_err().class,
                TroubleClass::Misconfigured,
                "{account:?}"
            );
        }
    }

    #[test]
    fn an_address_whose_host_a_row_could_change_is_refused() {
        for url in [
            "",
            "a.example/x",
            "ftp://a.example/x",
            "https://{account}.example/x",
            "https://a.example:{account}/x",
            "https://u:p@a.example/x",
            "https://a.example/{id}",
            "https://a.example/{account",
            "https://a.example/x#{account}",
            "https://a.example/a/../b",
            "https://a.example/a b",
        ] {
            assert!(RequestTemplate::parse(url).is_none(), "{url}");
        }
    }
}
