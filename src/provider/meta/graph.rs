//! [`Graph`]: one of Meta's two API hosts, graph.instagram.com or graph.facebook.com.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use hyper::HeaderMap;
use serde_json::Value;
use sha2::Sha256;

use super::config::GraphConfig;
use super::graph_error::classify;
use super::usage::Usage;
use crate::model::{Identity, Link, LinkConfig, Provider, Secret, Timestamp, TroubleClass};
use crate::origin::{ApiCall, ApiReply, Origin};
use crate::provider::api_app::ApiApp;
use crate::provider::error::ProviderError;
use crate::provider::resolution::{PictureField, Resolved};

/// A version past its end does not fail: the oldest living one answers and says so in this header.
const UPGRADED: &str = "x-ad-api-version-warning";

/// A host, and the app that calls it.
pub(super) struct Graph {
    provider: Provider,
    config: GraphConfig,
    /// Whether the log already says that the configured version has ended.
    has_warned: AtomicBool,
    app: ApiApp,
}

/// A reply without an error.
pub(super) struct GraphReply {
    /// Its JSON object.
    pub(super) body: Value,
    /// How long it asks to leave the account alone.
    pub(super) rest: Option<Duration>,
}

impl Graph {
    pub(super) fn new(provider: Provider, config: GraphConfig) -> Self {
        let app = ApiApp::new(config.limits);
        Self { provider, config, has_warned: AtomicBool::new(false), app }
    }

    /// The app that these calls count for.
    pub(super) fn app(&self) -> &ApiApp {
        &self.app
    }

    /// Calls `node?fields=fields`, where both are already encoded. The token goes into the header, because queries end up
    /// in access logs.
    ///
    /// # Errors
    /// The token fits into no header, the app is stopped, the host cannot be reached, or it answers with an error.
    pub(super) async fn get(
        &self,
        origin: &Origin,
        node: &str,
        fields: &str,
        token: &Secret,
        now: Timestamp,
    ) -> Result<GraphReply, ProviderError> {
        if !is_visible(token) {
            let reason = "the token holds characters that no header can carry";
            return Err(ProviderError::new(TroubleClass::Misconfigured, reason));
        }
        let path_and_query = path_and_query(&self.config, node, fields, token);
        let call = ApiCall {
            base: &self.config.base_url,
            path_and_query: &path_and_query,
            bearer: Some(token),
            headers: &[],
        };
        let permit = self.app.permit(now).await?;
        let reply = origin.call(call).await?;
        drop(permit);
        self.warn_once_of_upgrade(&reply.headers);
        let usage = Usage::of(&reply.headers);
        self.app.record(usage.app_percent, now);
        let rest = usage.account_rest;
        match read_body(&reply) {
            Ok(body) => Ok(GraphReply { body, rest }),
            Err(error) => {
                self.app.record_error(&error, now);
                Err(ProviderError { rest, ..error })
            }
        }
    }

    fn warn_once_of_upgrade(&self, headers: &HeaderMap) {
        if let Some(by) = upgraded(headers)
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            let (provider, version) = (self.provider, &self.config.version);
            tracing::warn!(%version, answered_by = %by, "the Graph version is over; raise providers.{provider}.version");
        }
    }
}

impl GraphReply {
    /// What the reply says about the account; `read` finds the picture's field in its body.
    pub(super) fn resolve(
        &self,
        read: impl FnOnce(&Value) -> Result<PictureField, ProviderError>,
        now: Timestamp,
        links: &LinkConfig,
    ) -> Result<Resolved, ProviderError> {
        let rest = self.rest;
        let field = read(&self.body).map_err(|error| ProviderError { rest, ..error })?;
        let resolution = field.resolve(|address| {
            let identity = Identity::of(&address);
            Link::new(address, identity, false, now, links)
        })?;
        Ok(Resolved { resolution, name: None, rest, token_expires_at: None })
    }
}

/// A key or layout that opens the wrong value yields a token with other bytes; then the row is at fault, not the network.
fn is_visible(token: &Secret) -> bool {
    !token.is_empty() && token.expose().bytes().all(|byte| byte.is_ascii_graphic())
}

fn path_and_query(config: &GraphConfig, node: &str, fields: &str, token: &Secret) -> String {
    let mut text = format!("/{}/{node}?fields={fields}", config.version);
    if let Some(proof) = config.app_secret.as_ref().and_then(|secret| proof(secret, token)) {
        text.push_str("&appsecret_proof=");
        text.push_str(&proof);
    }
    text
}

/// `hex(HMAC-SHA256(app secret, token))` (Meta, "Securing Graph API requests"). HMAC accepts keys of every length, so this
/// is never `None`.
fn proof(app_secret: &Secret, token: &Secret) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(app_secret.expose().as_bytes()).ok()?;
    mac.update(token.expose().as_bytes());
    Some(hex::encode(mac.finalize().into_bytes()))
}

/// The JSON object of a reply without an error.
pub(in crate::provider) fn read_body(reply: &ApiReply) -> Result<Value, ProviderError> {
    let error = || classify(reply.status, &reply.headers, &reply.body);
    let body: Value = serde_json::from_slice(&reply.body).map_err(|_| error())?;
    let has_error = body.get("error").is_some_and(|error| !error.is_null());
    if !(200..300).contains(&reply.status) || has_error || !body.is_object() {
        return Err(error());
    }
    Ok(body)
}

/// The version that answered instead of the configured one. The log repeats nothing else of the header.
fn upgraded(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(UPGRADED)?.to_str().ok()?;
    let version = text.split_ascii_whitespace().map(|word| word.trim_end_matches(['.', ','])).find(|word| {
        let number = word.strip_prefix('v').unwrap_or("");
        (1..=8).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    });
    Some(version.unwrap_or("another"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::BaseUrl;
    use crate::provider::error::error;
    use crate::provider::rate::CallLimits;

    fn config(app_secret: Option<&str>) -> GraphConfig {
        GraphConfig {
            base_url: BaseUrl::parse("https://graph.facebook.com").unwrap(),
            version: "v25.0".to_owned(),
            app_secret: app_secret.map(Secret::new),
            limits: CallLimits { at_once: 1, per_second: 1 },
        }
    }

    fn reply(status: u16, body: &'static str) -> ApiReply {
        ApiReply { status, headers: HeaderMap::new(), body: body.into() }
    }

    #[test]
    fn the_token_is_never_in_the_path_and_the_proof_only_with_an_app_secret() {
        let token = Secret::new("what do ya want for nothing?");
        let plain = path_and_query(&config(None), "me", "id", &token);
        assert_eq!(plain, "/v25.0/me?fields=id");
        // RFC 4231, test case 2.
        let signed = path_and_query(&config(Some("Jefe")), "me", "id", &token);
        assert_eq!(
            signed,
            "/v25.0/me?fields=id&appsecret_proof=\
             5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_not_sent() {
        assert!(is_visible(&Secret::new("EAAGm0PX4ZCpsBA|x-_.~+/=")));
        for token in ["", "EAA x", "EAA\r\nHost: evil", "EAA\u{e4}"] {
            assert!(!is_visible(&Secret::new(token)), "{token:?}");
        }
    }

    #[test]
    fn a_reply_is_read_unless_it_is_an_error() {
        assert_eq!(read_body(&reply(200, r#"{"id":"1","error":null}"#)).unwrap()["id"], "1");
        let expired = r#"{"error":{"message":"m","code":190,"error_subcode":463}}"#;
        for status in [200, 400, 500] {
            let failed = read_body(&reply(status, expired)).unwrap_err();
            assert_eq!(failed, error(TroubleClass::NeedsReauth, None, "code 190/463"));
        }
        for (status, body) in [(200, "<html>"), (200, "[]"), (302, "{}"), (500, r#"{"id":"1"}"#)] {
            let failed = read_body(&reply(status, body)).unwrap_err();
            assert_eq!(failed.class, TroubleClass::Transient, "{status} {body}");
            assert_eq!(failed.reason, format!("HTTP {status} without a code"));
        }
    }

    #[test]
    fn the_header_of_an_upgraded_call_names_the_version_that_answered() {
        for (text, by) in [
            ("The call has been auto-upgraded to v21.0 as v18.0 has been deprecated.", "v21.0"),
            ("The call has been auto-upgraded to v21 as v18 has been deprecated.", "v21"),
            ("very odd: vEAAsecret", "another"),
        ] {
            let headers = HeaderMap::from_iter([(UPGRADED.parse().unwrap(), text.parse().unwrap())]);
            assert_eq!(upgraded(&headers), Some(by));
        }
        assert_eq!(upgraded(&HeaderMap::new()), None);
    }
}
