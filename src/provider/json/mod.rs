//! [`JsonProvider`]: any API that answers JSON with a picture's address in it, as a `[[providers.json]]` block describes it.
//!
//! In reading order:
//!
//! | file | |
//! |---|---|
//! | `config` | the block |
//! | `request`, `auth` | the address that is asked; where the token goes |
//! | `reply`, `pointer` | what a reply says; the place of a value in it |
//! | `url_template` | an address composed of members |
//! | `identity` | which picture an address leads to |
//! | `error` | what an error means |

mod auth;
mod config;
mod error;
mod identity;
mod pointer;
mod reply;
mod request;
mod url_template;

pub use config::{JsonConfig, JsonWritten};

use std::time::Duration;

use hyper::HeaderMap;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::api_app::ApiApp;
use super::error::ProviderError;
use super::meta::usage::Usage;
use super::resolution::Resolved;
use crate::model::{Address, Connection, Identity, Link, LinkConfig, Secret, Timestamp, end_of};
use crate::origin::{AllowedHosts, ApiCall, Origin};
use config::Errors;
use identity::identity_of;
use reply::ParsedReply;

/// One API.
pub(super) struct JsonProvider {
    config: JsonConfig,
    app: ApiApp,
}

impl JsonProvider {
    pub(super) fn new(config: JsonConfig) -> Self {
        Self { app: ApiApp::new(config.limits), config }
    }

    /// Asks for an account's picture.
    pub(super) async fn ask(
        &self,
        origin: &Origin,
        connection: &Connection,
        token: &Secret,
        now: Timestamp,
        links: &LinkConfig,
    ) -> Result<Resolved, ProviderError> {
        let JsonConfig { request, auth, headers, .. } = &self.config;
        let path_and_query = request.path_and_query(connection.account.as_deref())?;
        // SECURITY: with `query:NAME` it contains the token.
        let path_and_query = Zeroizing::new(auth.in_query(path_and_query, token));
        let mut headers = headers.clone();
        headers.extend(auth.in_header(token)?);
        let call = ApiCall {
            base: request.base(),
            path_and_query: &path_and_query,
            bearer: None,
            headers: &headers,
        };
        let permit = self.app.permit(now).await?;
        let reply = origin.call(call).await?;
        drop(permit);
        let rest = self.record_usage(&reply.headers, now);
        let parsed =
            self.config.parse(&reply, token, now).inspect_err(|error| self.app.record_error(error, now));
        let ParsedReply { picture, name, identity, expires_at, token_expires_at } =
            parsed.map_err(|error| ProviderError { rest, ..error })?;
        let resolution = picture.resolve(|address| {
            let ends = expires_at.and_then(|number| end_of(number, now));
            let is_secret = contains(address.expose(), token);
            Link { is_secret, ..self.link(address, identity, ends, now, links) }
        })?;
        let token_expires_at = token_expires_at.and_then(|number| end_of(number, now));
        Ok(Resolved { resolution, name, rest, token_expires_at })
    }

    /// The block's hosts. The API's own host may be plain HTTP and private where the block lists it, because the operator
    /// wrote it.
    pub(super) fn allowed_hosts(&self) -> AllowedHosts<'_> {
        AllowedHosts::ListedWithTrustedBase(&self.config.hosts, self.config.request.base())
    }

    /// Whether a row's token has to be opened.
    pub(super) fn needs_token(&self) -> bool {
        self.config.needs_token()
    }

    pub(super) fn app(&self) -> &ApiApp {
        &self.app
    }

    /// The row's own address as this API's link; `None` if it leads to the API's picture for accounts without one.
    pub(super) fn row_link(&self, link: Link) -> Option<Link> {
        let is_no_picture = |part: &String| link.address.expose().contains(part);
        if self.config.no_picture.iter().any(is_no_picture) {
            return None;
        }
        Some(Link { identity: identity_of(&link.address), ..link })
    }

    /// Records the quota from the reply's headers, and returns how long it asks to leave the account alone. An API with
    /// Meta's errors has Meta's headers; the headers of others have no common form.
    fn record_usage(&self, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
        if self.config.errors != Errors::Meta {
            return None;
        }
        let usage = Usage::of(headers);
        self.app.record(usage.app_percent, now);
        usage.account_rest
    }

    fn link(
        &self,
        address: Address,
        identity: Option<String>,
        ends: Option<Timestamp>,
        now: Timestamp,
        links: &LinkConfig,
    ) -> Link {
        // An address that ends is signed, under any name of its parameters, and so keeps its size.
        let address = if ends.is_none() { self.config.resized(address) } else { address };
        let identity = identity.map_or_else(|| identity_of(&address), Identity::named);
        let link = Link::new(address, identity, false, now, links);
        match ends {
            Some(end) => link.ending(end, links),
            None => link,
        }
    }
}

/// Whether an address contains the token, in any spelling of a query.
///
/// SECURITY: such an address is itself a credential, so it is not written back into a row that others may read.
fn contains(address: &str, token: &Secret) -> bool {
    let decoded = Zeroizing::new(percent_decode_str(address).collect::<Vec<u8>>());
    let token = token.expose();
    let in_bytes = |bytes: &[u8]| bytes.windows(token.len()).any(|window| window == token.as_bytes());
    !token.is_empty() && (address.contains(token) || in_bytes(&decoded))
}

#[cfg(test)]
mod tests;
