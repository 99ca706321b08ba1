//! [`Admin`]: a client of a running server's admin API. One connection for each request, over TCP or a Unix socket, without
//! TLS, since the server speaks none.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::health::reachable;
use crate::http::{AdminConfig, ListenAddress};
use crate::model::Secret;

/// For one request, from the connection to the answer's end. A purge waits for other instances meanwhile.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// The server's address and the token.
pub(super) struct Admin {
    address: AdminAddress,
    authorization: Option<HeaderValue>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum AdminAddress {
    Tcp(String),
    Unix(PathBuf),
}

/// An answer of the server.
#[derive(Debug)]
pub(super) struct AdminAnswer {
    pub(super) status: u16,
    pub(super) body: serde_json::Value,
}

impl Admin {
    /// The server of the configuration, or the one at `url`.
    pub(super) fn new(config: &AdminConfig, url: Option<&str>) -> anyhow::Result<Self> {
        let address = match (url, &config.listen) {
            (Some(url), _) => address_of(url)?,
            (None, Some(ListenAddress::Tcp(address))) => AdminAddress::Tcp(reachable(*address).to_string()),
            (None, Some(ListenAddress::Unix(path))) => AdminAddress::Unix(path.clone()),
            (None, None) => {
                bail!("admin.listen is empty, so the server has no admin port: set it, or name one by --url")
            }
        };
        let token = config.token.as_ref().map(Secret::expose);
        let authorization = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}"))).transpose();
        let mut authorization = authorization.ok().context("admin.token cannot stand in a header")?;
        authorization.iter_mut().for_each(|value| value.set_sensitive(true));
        Ok(Self { address, authorization })
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<AdminAnswer> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    pub(super) async fn post(&self, path: &str, body: &serde_json::Value) -> anyhow::Result<AdminAnswer> {
        self.ask(Method::POST, path, body.to_string().into()).await
    }

    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<AdminAnswer> {
        self.ask(Method::DELETE, path, Bytes::new()).await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<AdminAnswer> {
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, self.connect_and_ask(method, path, body)).await;
        answer.unwrap_or_else(|_| bail!("no answer within {REQUEST_TIMEOUT:?}"))
    }

    async fn connect_and_ask(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<AdminAnswer> {
        let refused = || format!("cannot connect to {}", self.name());
        match &self.address {
            AdminAddress::Tcp(address) => {
                let stream = TcpStream::connect(address).await.with_context(refused)?;
                self.exchange(stream, method, path, body).await
            }
            AdminAddress::Unix(socket) => {
                let stream = UnixStream::connect(socket).await.with_context(refused)?;
                self.exchange(stream, method, path, body).await
            }
        }
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<AdminAnswer> {
        let mut request = Request::builder().method(method).uri(path).header(CONNECTION, "close");
        request = request.header(HOST, self.host());
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(body)).context("no request")?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.context("no HTTP")?;
        let answered = async move {
            let (head, body) = sender.send_request(request).await.context("no answer")?.into_parts();
            let read = Limited::new(body, MAX_ANSWER).collect().await;
            let body = read.ok().context("the answer broke off")?.to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            Ok(AdminAnswer { status: head.status.as_u16(), body })
        };
        // The connection ends with the answer, and an error of it is an error of the answer.
        let (answer, _) = tokio::join!(answered, connection);
        answer
    }

    fn host(&self) -> &str {
        match &self.address {
            AdminAddress::Tcp(address) => address,
            AdminAddress::Unix(_) => "localhost",
        }
    }

    /// The address for messages.
    pub(super) fn name(&self) -> String {
        match &self.address {
            AdminAddress::Tcp(address) => address.clone(),
            AdminAddress::Unix(path) => path.display().to_string(),
        }
    }
}

/// `http://host:port`, or `unix:/path`.
fn address_of(url: &str) -> anyhow::Result<AdminAddress> {
    const EXPECTED: &str =
        "--url: expected http://host:port or unix:/path/of/the/socket; an admin port speaks no TLS";
    if let Some(path) = url.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
        return Ok(AdminAddress::Unix(path.into()));
    }
    let authority = url.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let named = authority.filter(|authority| {
        let port = authority.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
        port.is_some_and(|port| port.parse::<u16>().is_ok()) && !authority.contains(['/', '@', '?', '#'])
    });
    named.map(|authority| AdminAddress::Tcp(authority.to_owned())).context(EXPECTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_host_and_its_port_or_a_socket() {
        for (url, address) in [
            ("http://127.0.0.1:9180", Some(AdminAddress::Tcp("127.0.0.1:9180".to_owned()))),
            ("http://proxy.internal:9180/", Some(AdminAddress::Tcp("proxy.internal:9180".to_owned()))),
            ("http://[::1]:9180", Some(AdminAddress::Tcp("[::1]:9180".to_owned()))),
            ("unix:/run/admin.sock", Some(AdminAddress::Unix("/run/admin.sock".into()))),
            ("unix:relative", None),
            ("https://proxy.internal:9180", None),
            ("http://proxy.internal", None),
            ("http://:9180", None),
            ("http://user:pass@proxy.internal:9180", None),
            ("http://proxy.internal:9180/api", None),
            ("127.0.0.1:9180", None),
        ] {
            assert_eq!(address_of(url).ok(), address, "{url}");
        }
    }

    #[test]
    fn without_an_admin_port_and_without_a_url_the_command_fails() {
        let config = AdminConfig { listen: None, token: None };
        let error = Admin::new(&config, None).err().unwrap().to_string();
        assert!(error.starts_with("admin.listen is empty"), "{error}");
        assert!(Admin::new(&config, Some("http://127.0.0.1:1")).is_ok());
    }
}
