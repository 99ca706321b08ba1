//! Rules of settings that several providers have.

use crate::model::Invalid;
use crate::origin::{BaseUrl, HostList};

/// The address of an API.
pub(super) fn base_url(key: &'static str, text: String) -> Result<BaseUrl, Invalid> {
    BaseUrl::parse(&text).ok_or_else(|| {
        Invalid::new(key, text, "an address without a query, such as \"https://graph.facebook.com\"")
    })
}

/// The hosts that may serve a provider's pictures. `example` completes the error.
pub(super) fn hosts(key: &'static str, written: &[String], example: &str) -> Result<HostList, Invalid> {
    HostList::parse(written)
        .map_err(|bad| Invalid::new(key, bad, format!("names of hosts, such as \"{example}\"")))
}
