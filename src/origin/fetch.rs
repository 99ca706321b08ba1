//! [`Origin`]: the one HTTP client, with its API calls and its downloads of pictures.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hyper::HeaderMap;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Response, redirect};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::allowed_hosts::AllowedHosts;
use super::base_url::BaseUrl;
use super::config::OriginConfig;
use super::download::{Download, DownloadBounds, deadline};
use super::error::{FetchError, OriginError};
use super::guard::Guard;
use super::resolver::Resolver;
use crate::model::{Address, ImagesConfig, Secret};

/// The largest reply of an API call. A profile is a few hundred bytes.
const MAX_REPLY: usize = 1 << 20;
/// Always the same, because it is not known whether CDNs choose the picture's format by it.
const PICTURES: HeaderValue = HeaderValue::from_static("image/jpeg,image/png,image/webp;q=0.9");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const USER_AGENT: &str = concat!("avatar-proxy/", env!("CARGO_PKG_VERSION"));

/// A call of a provider's API.
#[derive(Debug, Clone, Copy)]
pub struct ApiCall<'a> {
    /// The API, as the operator wrote it.
    pub base: &'a BaseUrl,
    /// Everything from the first slash on, already encoded. It may contain a secret: Telegram's contains the token.
    pub path_and_query: &'a str,
    /// The token for the `Authorization` header.
    pub bearer: Option<&'a Secret>,
    /// Further headers. They may contain a secret.
    pub headers: &'a [(HeaderName, HeaderValue)],
}

/// A provider's reply of any status.
#[derive(Debug, Clone)]
pub struct ApiReply {
    /// The HTTP status. Providers also send errors with status 200, so it alone decides nothing.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// At most 1 MiB.
    pub body: Bytes,
}

/// The way to the outside.
pub struct Origin {
    client: Client,
    guard: Arc<Guard>,
    trusted_hosts: Arc<HashSet<String>>,
    config: OriginConfig,
    images: ImagesConfig,
}

impl Origin {
    /// Builds the client. `trusted_bases` are the addresses that the operator wrote: their hosts may be private.
    ///
    /// # Errors
    /// `origin.ca` cannot be read, or the client cannot be built.
    pub fn new(
        config: OriginConfig,
        images: ImagesConfig,
        trusted_bases: &[BaseUrl],
    ) -> Result<Self, OriginError> {
        let guard = Arc::new(Guard { allowed: config.allow_private.clone() });
        let trusted_hosts: Arc<HashSet<String>> =
            Arc::new(trusted_bases.iter().map(|base| base.host().to_owned()).collect());
        let resolver = Resolver {
            guard: guard.clone(),
            trusted_hosts: trusted_hosts.clone(),
            timeout: config.connect_timeout,
        };
        // The whole program has one TLS provider. An error means that it is already installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        #[expect(clippy::disallowed_methods, reason = "this is the one client")]
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            // Without this header any coding is acceptable (RFC 9110 12.5.3), and nothing here decodes one.
            .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, IDENTITY)]))
            .connect_timeout(config.connect_timeout)
            .redirect(redirect::Policy::none())
            .referer(false)
            // SECURITY: a proxy from the environment would resolve and dial names past the guard.
            .no_proxy()
            .pool_max_idle_per_host(8)
            .tls_certs_merge(additional_roots(&config)?)
            .dns_resolver(resolver);
        let client = builder.build().map_err(OriginError::Client)?;
        Ok(Self { client, guard, trusted_hosts, config, images })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// `origin.timeout`.
    pub(super) fn timeout(&self) -> std::time::Duration {
        self.config.timeout
    }

    /// Calls a provider's API. Redirects are not followed: an API has none, and one would carry the token to another host.
    ///
    /// # Errors
    /// No complete reply of at most 1 MiB comes within `origin.timeout`.
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

    /// Opens a picture: follows redirects, repeating every check on each, and reads up to its dimensions.
    ///
    /// # Errors
    /// An address is not allowed, or the reply is no picture within the bounds.
    #[tracing::instrument(level = "debug", skip_all, fields(host = address.url().host_str()))]
    pub async fn open(&self, address: &Address, allowed: AllowedHosts<'_>) -> Result<Download, FetchError> {
        let deadline = deadline(self.config.timeout);
        let bounds = DownloadBounds {
            max_bytes: self.config.max_bytes,
            images: self.images,
            stream_above: self.config.stream_above,
            deadline,
        };
        let mut address = address.clone();
        for _ in 0..=self.config.max_redirects {
            self.check(&address, allowed)?;
            let request = self.client.get(address.url().clone()).header(ACCEPT, PICTURES);
            let response = send(request, deadline).await?;
            self.check_dialled(&address, allowed, &response)?;
            match response.status().as_u16() {
                200 if !is_identity(&response) => return Err(FetchError::Encoded),
                200 => return Download::begin(response, bounds).await,
                301 | 302 | 303 | 307 | 308 => address = location(&address, &response)?,
                status => return Err(FetchError::Status(status)),
            }
        }
        Err(FetchError::TooManyRedirects)
    }

    /// Checks an address before it is requested, the first one and that of every redirect.
    fn check(&self, address: &Address, allowed: AllowedHosts<'_>) -> Result<(), FetchError> {
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
            // SECURITY: the resolver lets a trusted host be private. A foreign address must not profit from that.
            None if self.trusted_hosts.contains(address.host()) => {
                Err(FetchError::HostNotAllowed(address.host().to_owned()))
            }
            None => Ok(()),
        }
    }

    /// Checks the address that was really dialled: a second line of defence behind the resolver.
    fn check_dialled(
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

/// Whether the body is not encoded.
///
/// SECURITY: a few encoded bytes can unpack to gigabytes, past every length check. The header may occur more than once.
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

/// The target of a redirect. Parsing must not change its text, as with every other address.
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

fn additional_roots(config: &OriginConfig) -> Result<Vec<reqwest::Certificate>, OriginError> {
    let Some(path) = &config.ca else { return Ok(Vec::new()) };
    let wrong = |reason: String| OriginError::Ca { path: path.display().to_string(), reason };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let roots =
        reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| wrong("no PEM certificates".into()))?;
    if roots.is_empty() { Err(wrong("no PEM certificates".into())) } else { Ok(roots) }
}
