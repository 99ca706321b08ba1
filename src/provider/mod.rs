//! PROVIDERS: from a connection to its picture's address.
//!
//! | provider | what is asked |
//! |---|---|
//! | Instagram (`meta`) | `/me`, or the account through Facebook Login |
//! | Facebook (`meta`) | the page's `picture` in the configured size |
//! | Telegram (`telegram`) | `getChat` or `getUserProfilePhotos`, then `getFile` |
//! | any other (`json`) | what its `[[providers.json]]` block says |
//!
//! Each is a struct of one shape: `ask`, `allowed_hosts`, `needs_token`, `app`. They share `api_app` (the limits on an
//! app's calls), `rate`, `quota` (what an app says is used), `resolution` (what a reply comes to), `row_link` (the address
//! in the row), `path_segment` and `rules` (of settings).

mod api_app;
mod config;
mod error;
mod json;
mod meta;
mod path_segment;
mod quota;
mod rate;
mod resolution;
mod row_link;
mod rules;
mod telegram;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use config::{ProvidersConfig, ProvidersWritten};
pub use error::ProviderError;
pub use json::{JsonConfig, JsonWritten};
pub use meta::{FacebookConfig, FacebookWritten, GraphConfig, InstagramConfig, InstagramWritten};
pub use quota::Quota;
pub use rate::CallLimits;
pub use resolution::{Resolution, Resolved};
pub use telegram::{TelegramConfig, TelegramWritten};

use crate::model::{Address, Connection, Link, LinkConfig, Provider, Secret, Timestamp, TroubleClass};
use crate::origin::{AllowedHosts, Download, FetchError, Origin};
use api_app::ApiApp;
use json::JsonProvider;
use meta::{Facebook, Instagram};
use row_link::{is_valid, names_no_end, row_link};
use telegram::Telegram;

/// All configured providers.
pub struct Providers {
    apis: BTreeMap<Provider, Api>,
    links: LinkConfig,
    origin: Arc<Origin>,
}

/// The API behind a provider.
enum Api {
    Instagram(Instagram),
    Facebook(Facebook),
    Telegram(Telegram),
    Json(Box<JsonProvider>),
}

impl Providers {
    /// Nothing is asked yet.
    pub fn new(config: ProvidersConfig, links: LinkConfig, origin: Arc<Origin>) -> Self {
        let facebook = Facebook::new(config.facebook);
        let instagram = Instagram::new(config.instagram, &facebook);
        let telegram = Telegram::new(config.telegram);
        let built_in = [
            (Provider::Instagram, Api::Instagram(instagram)),
            (Provider::Facebook, Api::Facebook(facebook)),
            (Provider::Telegram, Api::Telegram(telegram)),
        ];
        let json = config.json.into_iter();
        let json =
            json.map(|block| (Provider::Json(block.name), Api::Json(Box::new(JsonProvider::new(block)))));
        Self { apis: built_in.into_iter().chain(json).collect(), links, origin }
    }

    /// The configured providers, the built-in ones first.
    pub fn names(&self) -> Vec<Provider> {
        self.apis.keys().copied().collect()
    }

    /// Whether a row's token has to be opened before [`Providers::resolve`].
    pub fn needs_token(&self, provider: Provider) -> bool {
        self.apis.get(&provider).is_none_or(Api::needs_token)
    }

    /// Asks the connection's provider where its picture is; `token` is the opened one.
    ///
    /// # Errors
    /// The provider gave no answer; the error's class decides about the next attempt.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn resolve(
        &self,
        connection: &Connection,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Resolved, ProviderError> {
        let api = self.apis.get(&connection.provider).ok_or_else(|| not_configured(connection.provider))?;
        let (origin, links) = (&*self.origin, &self.links);
        match api {
            Api::Instagram(api) => api.ask(origin, connection, token, now, links).await,
            Api::Facebook(api) => api.ask(origin, connection, token, now, links).await,
            Api::Telegram(api) => api.ask(origin, connection, token, now, links).await,
            Api::Json(api) => api.ask(origin, connection, token, now, links).await,
        }
    }

    /// The used share of the quota of the apps that are asked for this provider's accounts, where recent replies named
    /// it; of two apps the fuller one counts.
    pub fn quota(&self, provider: Provider, now: Timestamp) -> Option<Quota> {
        let apis = self.apis.iter().filter(|(owner, _)| uses_app(provider, **owner));
        apis.filter_map(|(_, api)| api.app().quota(now)).max_by_key(|quota| quota.percent)
    }

    /// The providers whose app was stopped since the last call, each with the end of its stop.
    pub fn take_new_stops(&self) -> Vec<(Provider, Timestamp)> {
        let stops = self.apis.iter().filter_map(|(owner, api)| Some((*owner, api.app().take_new_stop()?)));
        let of_users = |(owner, until)| {
            let users = self.apis.keys().copied().filter(move |user| uses_app(*user, owner));
            users.map(move |user| (user, until))
        };
        stops.flat_map(of_users).collect()
    }

    /// How many calls each provider's app may have running at one time.
    pub fn at_once(&self) -> HashMap<Provider, usize> {
        self.apis.iter().map(|(provider, api)| (*provider, api.app().limits().at_once)).collect()
    }

    /// Opens a picture's address, if it lies on one of the provider's hosts.
    ///
    /// # Errors
    /// As [`Origin::open`].
    pub async fn open(&self, provider: Provider, address: &Address) -> Result<Download, FetchError> {
        match self.apis.get(&provider) {
            Some(api) => self.origin.open(address, api.allowed_hosts()).await,
            None => Err(FetchError::HostNotAllowed(address.host().to_owned())),
        }
    }

    /// The address that the dashboard last stored, while its own signature is valid.
    pub fn stored_link(&self, connection: &Connection, now: Timestamp) -> Option<Link> {
        self.row_link(connection, now).filter(|link| is_valid(link, now))
    }

    /// The address that the dashboard last stored, if it names no plausible end. It may no longer show the picture, so
    /// it is for the case that nothing else is left.
    pub fn stored_link_without_end(&self, connection: &Connection, now: Timestamp) -> Option<Link> {
        self.row_link(connection, now).filter(|link| names_no_end(link, now))
    }

    fn row_link(&self, connection: &Connection, now: Timestamp) -> Option<Link> {
        let api = self.apis.get(&connection.provider)?;
        let hosts = match api.allowed_hosts() {
            AllowedHosts::Listed(hosts) | AllowedHosts::ListedWithTrustedBase(hosts, _) => hosts,
            // Such an address contains the token, and no signature says when it ends.
            AllowedHosts::TrustedBase(_) => return None,
        };
        let link = row_link(connection, hosts, now, &self.links)?;
        match api {
            Api::Instagram(_) | Api::Facebook(_) | Api::Telegram(_) => Some(link),
            Api::Json(api) => api.row_link(link),
        }
    }
}

impl Api {
    fn allowed_hosts(&self) -> AllowedHosts<'_> {
        match self {
            Self::Instagram(api) => api.allowed_hosts(),
            Self::Facebook(api) => api.allowed_hosts(),
            Self::Telegram(api) => api.allowed_hosts(),
            Self::Json(api) => api.allowed_hosts(),
        }
    }

    fn needs_token(&self) -> bool {
        match self {
            Self::Instagram(api) => api.needs_token(),
            Self::Facebook(api) => api.needs_token(),
            Self::Telegram(api) => api.needs_token(),
            Self::Json(api) => api.needs_token(),
        }
    }

    fn app(&self) -> &ApiApp {
        match self {
            Self::Instagram(api) => api.app(),
            Self::Facebook(api) => api.app(),
            Self::Telegram(api) => api.app(),
            Self::Json(api) => api.app(),
        }
    }
}

/// Whether calls for `provider`'s accounts may count for `owner`'s app: Instagram accounts with a token of Facebook Login
/// are asked for through Facebook's.
fn uses_app(provider: Provider, owner: Provider) -> bool {
    provider == owner || (provider, owner) == (Provider::Instagram, Provider::Facebook)
}

/// The server refuses rows of such a provider when it starts, so only a fault of its own leads here.
fn not_configured(provider: Provider) -> ProviderError {
    let reason = format!("there is no [[providers.json]] block named {:?}", provider.as_str());
    ProviderError::new(TroubleClass::Misconfigured, reason)
}

#[cfg(test)]
mod tests;
