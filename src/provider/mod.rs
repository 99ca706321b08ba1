//! PROVIDERS: from a connection to its picture's address.
//!
//! | provider | what it is asked |
//! |---|---|
//! | Instagram | `/me`, or the account through Facebook Login |
//! | Facebook | the page's `picture` in the configured size |
//! | Telegram | `getChat` or `getUserProfilePhotos`, then `getFile` |
//! | any other | what its `[[providers.json]]` block says |

mod api_app;
mod config;
mod error;
mod json;
mod meta;
mod rate;
mod telegram;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub use config::{
    FacebookConfig, FacebookWritten, GraphConfig, InstagramConfig, InstagramWritten, ProvidersConfig,
    ProvidersWritten, TelegramConfig, TelegramWritten,
};
pub use error::ProviderError;
pub use json::{JsonConfig, JsonWritten};
pub use meta::usage::Quota;
pub use rate::CallLimits;

use crate::model::{
    Address, Connection, Identity, Link, LinkConfig, Provider, ProviderName, Secret, Timestamp, TroubleClass,
    expires_at,
};
use crate::origin::{AllowedHosts, BaseUrl, Download, FetchError, HostList, Origin};
use api_app::App;
use json::JsonProvider;
use meta::graph::Graph;
use meta::{facebook, instagram};
use telegram::Telegram;

/// Everything but the characters that RFC 3986 (2.3) calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// All providers that this server asks.
pub struct Providers {
    instagram: Graph,
    instagram_hosts: HostList,
    facebook: Graph,
    facebook_size: u16,
    facebook_hosts: HostList,
    telegram: Telegram,
    json: HashMap<ProviderName, JsonProvider>,
    limits: HashMap<Provider, CallLimits>,
    link: LinkConfig,
    origin: Arc<Origin>,
}

/// What a provider says about an account, its owner and its quota.
#[derive(Debug)]
pub struct Resolved {
    /// Whether there is a picture.
    pub resolution: Resolution,
    /// The account's name there, for a row that has none.
    pub name: Option<Arc<str>>,
    /// For how long it asks to leave the account alone, since its quota is nearly used up.
    pub rest: Option<Duration>,
    /// When the token ends, if it says.
    pub token_expires_at: Option<Timestamp>,
}

/// What a provider says about an account's picture.
#[derive(Debug)]
pub enum Resolution {
    /// Its picture is there.
    Picture(Link),
    /// It has none.
    NoPicture,
    /// The account is known, but the field is not in the reply: no proof that the picture is gone (DESIGN 3).
    FieldMissing,
}

/// What one of Meta's replies says, and for how long it asks to leave the account alone.
struct Asked {
    said: Said,
    rest: Option<Duration>,
}

/// What a reply says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Address(String),
    NoPicture,
    FieldMissing,
}

impl Providers {
    /// Nothing is asked yet.
    pub fn new(config: ProvidersConfig, link: LinkConfig, origin: Arc<Origin>) -> Self {
        let ProvidersConfig { instagram, facebook, telegram, json } = config;
        let of_json = json.iter().map(|config| (Provider::Json(config.name), config.limits));
        let limits = [
            (Provider::Instagram, instagram.graph.limits),
            (Provider::Facebook, facebook.graph.limits),
            (Provider::Telegram, telegram.limits),
        ];
        let limits = limits.into_iter().chain(of_json).collect();
        Self {
            limits,
            instagram: Graph::new(Provider::Instagram, instagram.graph),
            instagram_hosts: instagram.hosts,
            facebook: Graph::new(Provider::Facebook, facebook.graph),
            facebook_size: facebook.size,
            facebook_hosts: facebook.hosts,
            telegram: Telegram::new(telegram),
            json: json.into_iter().map(|config| (config.name, JsonProvider::new(config))).collect(),
            link,
            origin,
        }
    }

    /// What the operator wrote himself, which may be plain HTTP and private (DESIGN 6).
    pub fn trusted_bases(config: &ProvidersConfig) -> Vec<BaseUrl> {
        let ProvidersConfig { instagram, facebook, telegram, json } = config;
        let built_in = [&instagram.graph.base_url, &facebook.graph.base_url, &telegram.base_url];
        built_in.into_iter().chain(json.iter().map(JsonConfig::base)).cloned().collect()
    }

    /// Those that are configured.
    pub fn names(&self) -> Vec<Provider> {
        Provider::BUILT_IN.into_iter().chain(self.json.keys().copied().map(Provider::Json)).collect()
    }

    /// Whether a row's token has to be opened. An API that asks for none needs no right one.
    pub fn needs_token(&self, provider: Provider) -> bool {
        match provider {
            Provider::Instagram | Provider::Facebook | Provider::Telegram => true,
            Provider::Json(name) => self.json.get(&name).is_none_or(JsonProvider::needs_token),
        }
    }

    /// Asks the connection's provider where its picture is; `token` is the opened one.
    ///
    /// # Errors
    /// Whatever keeps the provider from saying; its class decides about the next attempt.
    pub async fn resolve(
        &self,
        connection: &Connection,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Resolved, ProviderError> {
        let Asked { said, rest } = match connection.provider {
            Provider::Instagram => {
                instagram::ask(&self.origin, &self.instagram, &self.facebook, connection, token, now).await?
            }
            Provider::Facebook => {
                facebook::ask(&self.origin, &self.facebook, self.facebook_size, connection, token, now)
                    .await?
            }
            Provider::Telegram => {
                let account = connection.account.as_deref();
                let asked = telegram::ask(&self.origin, &self.telegram, account, token, now, &self.link);
                return Ok(Resolved {
                    resolution: asked.await?,
                    name: None,
                    rest: None,
                    token_expires_at: None,
                });
            }
            Provider::Json(name) => {
                let provider = self.json.get(&name).ok_or_else(|| nobody(name))?;
                return provider.ask(&self.origin, connection, token, now, &self.link).await;
            }
        };
        let resolution = resolution(&said, now, &self.link)?;
        Ok(Resolved { resolution, name: None, rest, token_expires_at: None })
    }

    /// How much of its app's quota a provider says is used up, if it has said so lately. Instagram accounts may be asked by
    /// either of Meta's hosts, so the one that is fuller counts.
    pub fn quota(&self, provider: Provider, now: Timestamp) -> Option<Quota> {
        let apps = match provider {
            Provider::Instagram => vec![self.instagram.app(), self.facebook.app()],
            Provider::Facebook => vec![self.facebook.app()],
            Provider::Telegram => Vec::new(),
            Provider::Json(name) => self.json.get(&name).map(JsonProvider::app).into_iter().collect(),
        };
        apps.into_iter().filter_map(|app| app.usage().quota(now)).max_by_key(|quota| quota.percent)
    }

    /// Whose app must not be asked, and until when; told once. Instagram accounts may hang on either of Meta's two.
    pub fn stopped(&self) -> Vec<(Provider, Timestamp)> {
        let news = |app: &App| app.usage().take_news();
        let facebook = news(self.facebook.app()).into_iter();
        let mut stopped: Vec<_> = facebook
            .flat_map(|until| [(Provider::Facebook, until), (Provider::Instagram, until)])
            .chain(news(self.instagram.app()).map(|until| (Provider::Instagram, until)))
            .collect();
        let of_json = self.json.iter();
        stopped.extend(of_json.filter_map(|(name, json)| Some((Provider::Json(*name), news(json.app())?))));
        stopped
    }

    /// How many refreshes of each provider may ask at one time.
    pub fn at_once(&self) -> HashMap<Provider, usize> {
        self.limits.iter().map(|(provider, limits)| (*provider, limits.at_once)).collect()
    }

    /// Opens a picture's address as far as its provider's pictures may lie.
    ///
    /// # Errors
    /// As [`Origin::open`].
    pub async fn open(&self, provider: Provider, address: &Address) -> Result<Download, FetchError> {
        let reach = match provider {
            Provider::Instagram => AllowedHosts::Listed(&self.instagram_hosts),
            Provider::Facebook => AllowedHosts::Listed(&self.facebook_hosts),
            Provider::Telegram => AllowedHosts::TrustedBase(&self.telegram.base),
            Provider::Json(name) => match self.json.get(&name) {
                Some(provider) => provider.reach(),
                None => return Err(FetchError::HostNotAllowed(address.host().to_owned())),
            },
        };
        self.origin.open(address, reach).await
    }

    /// The address that the dashboard last stored, if it is one of its provider's and its own signature says that it
    /// still lives.
    pub fn stored_link(&self, connection: &Connection, now: Timestamp) -> Option<Link> {
        let link = self.stored_address(connection, now)?;
        expires_at(&link.address, now)?;
        Some(link).filter(|link| link.is_live(now))
    }

    /// The same, if it tells no end, or one that cannot be: nobody knows whether it lives, so it is for the time when nothing
    /// else is left.
    pub fn stored_link_without_end(&self, connection: &Connection, now: Timestamp) -> Option<Link> {
        self.stored_address(connection, now).filter(|link| expires_at(&link.address, now).is_none())
    }

    /// The address that the dashboard last stored, if it is one of its provider's. Telegram's hold a token and are never
    /// believed.
    fn stored_address(&self, connection: &Connection, now: Timestamp) -> Option<Link> {
        let hosts = match connection.provider {
            Provider::Instagram => &self.instagram_hosts,
            Provider::Facebook => &self.facebook_hosts,
            Provider::Telegram => return None,
            Provider::Json(name) => {
                let provider = self.json.get(&name)?;
                let link = stored_address(connection, provider.hosts(), now, &self.link)?;
                let identity = json::identity_of(&link.address);
                return Some(Link { identity, ..link })
                    .filter(|link| !provider.is_no_picture(link.address.expose()));
            }
        };
        stored_address(connection, hosts, now, &self.link)
    }
}

/// Rows of a provider that nobody configures are refused at start, so this is told of nothing but a mistake of ours.
fn nobody(name: ProviderName) -> ProviderError {
    let reason = format!("there is no [[providers.json]] block named {:?}", name.as_str());
    ProviderError::new(TroubleClass::Misconfigured, reason)
}

fn resolution(said: &Said, now: Timestamp, config: &LinkConfig) -> Result<Resolution, ProviderError> {
    let address = match said {
        Said::Address(text) => Address::parse(text)
            .map_err(|error| ProviderError::new(TroubleClass::Misconfigured, error.to_string()))?,
        Said::NoPicture => return Ok(Resolution::NoPicture),
        Said::FieldMissing => return Ok(Resolution::FieldMissing),
    };
    let identity = Identity::of(&address);
    Ok(Resolution::Picture(Link::new(address, identity, false, now, config)))
}

fn stored_address(
    connection: &Connection,
    hosts: &HostList,
    now: Timestamp,
    config: &LinkConfig,
) -> Option<Link> {
    let address = Address::parse(connection.picture_url.as_ref()?.expose()).ok()?;
    if !hosts.allows(address.host()) || instagram::is_anonymous(address.expose()) {
        return None;
    }
    let identity = Identity::of(&address);
    Some(Link::new(address, identity, false, now, config))
}

/// An account as one segment of a path; `None` where the row names none.
fn node(account: Option<&str>) -> Result<Option<String>, ProviderError> {
    match account {
        None | Some("") => Ok(None),
        // SECURITY: dots are unreserved, so encoding would not keep such a segment from climbing to another path.
        Some("." | "..") => Err(ProviderError::new(TroubleClass::Misconfigured, "the account is no id")),
        Some(account) => Ok(Some(encoded(account))),
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests;
