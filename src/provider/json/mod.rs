//! [`JsonProvider`]: any API that answers JSON with a picture's address in it, as a `[[providers.json]]` block describes it.
//!
//! Reading order: `config` (the block), `question` (what is asked), `reply` (what a reply says), `made` (an address that is
//! made of members), `trouble` (what an error means).

mod auth;
mod config;
mod made;
mod pointer;
mod question;
mod reply;
mod trouble;

pub use config::{JsonConfig, JsonWritten};

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::api_app::App;
use super::error::ProviderError;
use super::{Resolution, Resolved, Said};
use crate::model::{
    Address, Connection, Identity, Link, LinkConfig, Secret, Timestamp, TroubleClass, end_of, is_signed,
};
use crate::origin::{AllowedHosts, ApiCall, HostList, Origin};
use config::Errors;
use reply::Read;

/// One API.
pub(super) struct JsonProvider {
    config: JsonConfig,
    app: App,
}

impl JsonProvider {
    pub(super) fn new(config: JsonConfig) -> Self {
        Self { app: App::new(config.limits), config }
    }

    /// Whose calls these are.
    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// Whether a row's token has to be opened.
    pub(super) fn needs_token(&self) -> bool {
        self.config.auth.needs_token()
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
        let JsonConfig { question, auth, headers, .. } = &self.config;
        // SECURITY: with `query:NAME` it holds the token.
        let path_and_query =
            Zeroizing::new(auth.in_query(question.about(connection.account.as_deref())?, token));
        let mut headers = headers.clone();
        headers.extend(auth.in_header(token)?);
        let call = ApiCall {
            base: question.base(),
            path_and_query: &path_and_query,
            bearer: None,
            headers: &headers,
        };
        let turn = self.app.turn(now).await?;
        let reply = origin.call(call).await?;
        drop(turn);
        // Where its errors are Meta's, so are its headers; of others' nothing is known.
        let is_meta = self.config.errors == Errors::Meta;
        let rest = is_meta.then(|| self.app.heard(&reply.headers, now)).flatten();
        let read = self.config.read(&reply, token, now).inspect_err(|error| self.app.failed(error, now));
        let Read { said, name, identity, ends, token_ends } =
            read.map_err(|error| ProviderError { rest, ..error })?;
        let resolution = match said {
            Said::NoPicture => Resolution::NoPicture,
            Said::FieldMissing => Resolution::FieldMissing,
            Said::Address(text) => {
                let ends = ends.and_then(|number| end_of(number, now));
                let mut link = self.link(&text, identity, ends, now, links)?;
                link.is_secret = holds(&text, token);
                Resolution::Picture(link)
            }
        };
        let token_expires_at = token_ends.and_then(|number| end_of(number, now));
        Ok(Resolved { resolution, name, rest, token_expires_at })
    }

    /// Where a picture may be fetched from. The API's own host counts as what the operator wrote, if he lists it.
    pub(super) fn reach(&self) -> AllowedHosts<'_> {
        AllowedHosts::ListedWithTrustedBase(&self.config.hosts, self.config.question.base())
    }

    /// Where its pictures may lie.
    pub(super) fn hosts(&self) -> &HostList {
        &self.config.hosts
    }

    /// Whether an address leads to the picture of those who have none.
    pub(super) fn is_no_picture(&self, address: &str) -> bool {
        self.config.no_picture.iter().any(|part| address.contains(part))
    }

    fn link(
        &self,
        text: &str,
        identity: Option<String>,
        ends: Option<Timestamp>,
        now: Timestamp,
        links: &LinkConfig,
    ) -> Result<Link, ProviderError> {
        let address = Address::parse(text)
            .map_err(|error| ProviderError::new(TroubleClass::Misconfigured, error.to_string()))?;
        // What ends is signed, whatever its parameters are called.
        let address = if ends.is_none() { self.config.resized(address) } else { address };
        let identity = identity.map_or_else(|| identity_of(&address), Identity::named);
        let link = Link::new(address, identity, false, now, links);
        Ok(match ends {
            Some(end) => link.ending(end, links),
            None => link,
        })
    }
}

/// Whether an address holds the token, in any spelling of a query. SECURITY: what holds the credential itself is not
/// written back into a row that others may read.
fn holds(address: &str, token: &Secret) -> bool {
    let decoded = Zeroizing::new(percent_decode_str(address).collect::<Vec<u8>>());
    let token = token.expose();
    let in_bytes = |bytes: &[u8]| bytes.windows(token.len()).any(|window| window == token.as_bytes());
    !token.is_empty() && (address.contains(token) || in_bytes(&decoded))
}

/// Where another picture has another path, as far as is known: the hosts of Meta, TikTok, LinkedIn and Discord
/// (PROVIDERS 5.4, 7). Lookaside is none of them: it has one path for all.
const NAMED_BY_PATH: [&str; 8] = [
    "fbcdn.net",
    "cdninstagram.com",
    "whatsapp.net",
    "tiktokcdn.com",
    "tiktokcdn-us.com",
    "tiktokcdn-eu.com",
    "licdn.com",
    "cdn.discordapp.com",
];

/// Which picture an address leads to. Of one that is not signed every character counts: it may name the picture in its
/// query. A signature changes while the picture stays, so a signed one tells only where its path is known to name the
/// picture, together with `stp`; elsewhere the path may be that of the account, and only the bytes tell.
pub(in crate::provider) fn identity_of(address: &Address) -> Identity {
    if !is_signed(address) {
        return Identity::hashed(address.expose());
    }
    if !NAMED_BY_PATH.iter().any(|domain| address.is_at(domain)) {
        return Identity::UNKNOWN;
    }
    let stp = address.parameters("stp").next().unwrap_or("");
    Identity::hashed(&format!("{}?stp={stp}", address.path_and_query().0))
}

#[cfg(test)]
mod tests;
