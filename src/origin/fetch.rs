//! [`Origin`]: the one client, and the two things that are asked of it: an API call and a picture.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hyper::HeaderMap;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Response, redirect};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::base_url::BaseUrl;
use super::config::OriginConfig;
use super::download::{Bounds, Download, deadline};
use super::error::{FetchError, OriginError};
use super::guard::Guard;
use super::hosts::HostList;
use super::resolver::Resolver;
use crate::model::{Address, Secret};

/// The largest reply of an API call. A profile is a few hundred bytes.
const MAX_REPLY: usize = 1 << 20;
/// Fixed, since whether it changes the picture is unknown (PROVIDERS 5.7).
const PICTURES: HeaderValue = HeaderValue::from_static("image/jpeg,image/png,image/webp;q=0.9");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const USER_AGENT: &str = concat!("avatar-proxy/", env!("CARGO_PKG_VERSION"));

/// A call of a provider's API.
#[derive(Debug, Clone, Copy)]
pub struct ApiCall<'a> {
    /// Where, as the operator wrote it.
    pub base: &'a BaseUrl,
    /// What, from its slash on, encoded already. It may hold a secret (Telegram's holds the token).
    pub path_and_query: &'a str,
    /// The token for the `Authorization` header.
    pub bearer: Option<&'a Secret>,
    /// Further headers. They may hold a secret.
    pub headers: &'a [(HeaderName, HeaderValue)],
}

/// A provider's reply, whatever its status.
#[derive(Debug, Clone)]
pub struct ApiReply {
    /// The HTTP status. It decides nothing (PROVIDERS 4).
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// At most 1 MiB.
    pub body: Bytes,
}

/// Where a picture may come from.
#[derive(Debug, Clone, Copy)]
pub enum AllowedHosts<'a> {
    /// From these hosts: the address is foreign.
    Listed(&'a HostList),
    /// From what the operator wrote, by exactly its scheme, host and port.
    TrustedBase(&'a BaseUrl),
    /// From these hosts; one of them that the operator wrote as well is his own, by exactly its scheme, host and port.
    ListedWithTrustedBase(&'a HostList, &'a BaseUrl),
}

impl AllowedHosts<'_> {
    /// Whether an address, the first one or one that a redirect leads to, is the operator's own.
    ///
    /// SECURITY: it may be plain HTTP and private, so nothing but scheme, host and port decides, each time anew.
    fn trusts(self, address: &Address) -> bool {
        match self {
            Self::Listed(_) => false,
            Self::TrustedBase(base) => base.is_origin_of(address.url()),
            Self::ListedWithTrustedBase(hosts, base) => {
                base.is_origin_of(address.url()) && hosts.allows(address.host())
            }
        }
    }

    /// Whether a foreign address lies where it may.
    fn lists(self, address: &Address) -> bool {
        match self {
            Self::Listed(hosts) | Self::ListedWithTrustedBase(hosts, _) => hosts.allows(address.host()),
            Self::TrustedBase(_) => false,
        }
    }
}

/// The door to the outside.
pub struct Origin {
    client: Client,
    guard: Arc<Guard>,
    trusted_hosts: Arc<HashSet<String>>,
    config: OriginConfig,
}

impl Origin {
    /// Builds the client. `operators` are the addresses that the operator wrote himself.
    ///
    /// # Errors
    /// When `origin.ca` cannot be read.
    pub fn new(config: OriginConfig, trusted_bases: &[BaseUrl]) -> Result<Self, OriginError> {
        let guard = Arc::new(Guard { allowed: config.allow_private.clone() });
        let trusted_hosts: Arc<HashSet<String>> =
            Arc::new(trusted_bases.iter().map(|base| base.host().to_owned()).collect());
        let resolver = Resolver {
            guard: guard.clone(),
            trusted_hosts: trusted_hosts.clone(),
            timeout: config.connect_timeout,
        };
        // One TLS provider in the whole tree. An error means that it is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        #[expect(clippy::disallowed_methods, reason = "this is the one client")]
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            // Without the header every coding would be welcome (RFC 9110 12.5.3), and nothing here unpacks one.
            .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, IDENTITY)]))
            .connect_timeout(config.connect_timeout)
            .redirect(redirect::Policy::none())
            .referer(false)
            // SECURITY: a proxy from the environment would resolve and dial names that nobody judged.
            .no_proxy()
            .pool_max_idle_per_host(8)
            .tls_certs_merge(further_roots(&config)?)
            .dns_resolver(resolver);
        let client = builder.build().map_err(OriginError::Client)?;
        Ok(Self { client, guard, trusted_hosts, config })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// `origin.timeout`.
    pub(super) fn timeout(&self) -> std::time::Duration {
        self.config.timeout
    }

    /// Asks a provider. Redirects are not followed: an API has none, and the token must not travel.
    ///
    /// # Errors
    /// When no complete reply of at most 1 MiB comes within `origin.timeout`.
    pub async fn call(&self, call: ApiCall<'_>) -> Result<ApiReply, FetchError> {
        let deadline = deadline(self.config.timeout);
        let text = format!("{}{}", call.base.as_str(), call.path_and_query);
        let address = Address::parse(&text).map_err(FetchError::Address)?;
        let mut request = self.client.get(address.url().clone()).header(ACCEPT, JSON);
        if let Some(token) = call.bearer {
            request = request.bearer_auth(token.expose());
        }
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let mut response = send(request, deadline).await?;
        if !is_identity(&response) {
            return Err(FetchError::Encoded);
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = BytesMut::new();
        while let Some(chunk) = chunk(&mut response, deadline).await? {
            if body.len() + chunk.len() > MAX_REPLY {
                return Err(FetchError::TooLarge(MAX_REPLY as u64));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(ApiReply { status, headers, body: body.freeze() })
    }

    /// Opens a picture: follows redirects by hand with every check again, and reads as far as its dimensions.
    ///
    /// # Errors
    /// When an address may not be asked, or what comes is no picture within the bounds.
    pub async fn open(&self, address: &Address, allowed: AllowedHosts<'_>) -> Result<Download, FetchError> {
        let deadline = deadline(self.config.timeout);
        let bounds = Bounds {
            max_bytes: self.config.max_bytes,
            max_pixels: self.config.max_pixels,
            stream_above: self.config.stream_above,
            deadline,
        };
        let mut address = address.clone();
        for _ in 0..=self.config.max_redirects {
            self.judge(&address, allowed)?;
            let request = self.client.get(address.url().clone()).header(ACCEPT, PICTURES);
            let response = send(request, deadline).await?;
            self.judge_dialled(&address, allowed, &response)?;
            match response.status().as_u16() {
                200 if !is_identity(&response) => return Err(FetchError::Encoded),
                200 => return Download::begin(response, bounds).await,
                301 | 302 | 303 | 307 | 308 => address = location(&address, &response)?,
                status => return Err(FetchError::Status(status)),
            }
        }
        Err(FetchError::TooManyRedirects)
    }

    /// Whether an address may be asked at all. The same for the first one and for every redirect.
    fn judge(&self, address: &Address, allowed: AllowedHosts<'_>) -> Result<(), FetchError> {
        if allowed.trusts(address) {
            return Ok(());
        }
        if !allowed.lists(address) {
            return Err(FetchError::HostNotAllowed(address.host().to_owned()));
        }
        if !address.is_https() && !self.config.allow_http {
            return Err(FetchError::NotHttps);
        }
        let url = address.url();
        let development = self.config.allow_http || !self.config.allow_private.is_empty();
        if url.port().is_some() && !development {
            return Err(FetchError::Port);
        }
        match literal(url) {
            Some(ip) if !self.guard.allows(ip) => Err(FetchError::NotPublic(address.host().to_owned())),
            Some(_) => Ok(()),
            // SECURITY: the resolver lets an operator's own host be private. A foreign address may not borrow that.
            None if self.trusted_hosts.contains(address.host()) => {
                Err(FetchError::HostNotAllowed(address.host().to_owned()))
            }
            None => Ok(()),
        }
    }

    /// Whether what was really dialled may be. A second lock behind the resolver.
    fn judge_dialled(
        &self,
        address: &Address,
        allowed: AllowedHosts<'_>,
        response: &Response,
    ) -> Result<(), FetchError> {
        let is_public = || response.remote_addr().is_some_and(|dialled| self.guard.allows(dialled.ip()));
        match allowed.trusts(address) || is_public() {
            true => Ok(()),
            false => Err(FetchError::NotPublic(address.host().to_owned())),
        }
    }
}

/// Whether the body comes as it is. SECURITY: a few bytes can unpack to gigabytes, past every length that was counted; the
/// header may stand there more than once.
fn is_identity(response: &Response) -> bool {
    let codings = response.headers().get_all(CONTENT_ENCODING);
    codings.iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(ip) => Some(ip.into()),
        Host::Ipv6(ip) => Some(ip.into()),
        Host::Domain(_) => None,
    }
}

/// Where a redirect leads; its text must survive parsing as every other address.
fn location(from: &Address, response: &Response) -> Result<Address, FetchError> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or(FetchError::BadRedirect)?;
    match Address::parse(location) {
        Ok(address) => Ok(address),
        Err(crate::model::AddressError::NotAnAddress) => {
            let joined = from.url().join(location).map_err(|_| FetchError::BadRedirect)?;
            Address::parse(joined.as_str()).map_err(FetchError::Address)
        }
        Err(error) => Err(FetchError::Address(error)),
    }
}

pub(super) async fn send(
    request: reqwest::RequestBuilder,
    deadline: Instant,
) -> Result<Response, FetchError> {
    let sent = timeout_at(deadline, request.send()).await.map_err(|_| FetchError::TimedOut)?;
    sent.map_err(|error| FetchError::of(&error))
}

pub(super) async fn chunk(response: &mut Response, deadline: Instant) -> Result<Option<Bytes>, FetchError> {
    let received = timeout_at(deadline, response.chunk()).await.map_err(|_| FetchError::TimedOut)?;
    received.map_err(|error| FetchError::of(&error))
}

fn further_roots(config: &OriginConfig) -> Result<Vec<reqwest::Certificate>, OriginError> {
    let Some(path) = &config.ca else { return Ok(Vec::new()) };
    let wrong = |reason: String| OriginError::Ca { path: path.display().to_string(), reason };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let roots =
        reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| wrong("no PEM certificates".into()))?;
    if roots.is_empty() { Err(wrong("no PEM certificates".into())) } else { Ok(roots) }
}
