//! [`Origin::post`]: sends a webhook to the operator's receiver.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};

use super::download::deadline;
use super::endpoint::Endpoint;
use super::error::FetchError;
use super::fetch::{JSON, Origin, chunk, send};

/// The most bytes of an answer's body that are read and thrown away, so that the connection can be reused.
const MAX_DRAIN: usize = 16 * 1024;
/// The most time that this may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// A webhook: JSON with headers.
#[derive(Debug, Clone)]
pub struct WebhookRequest {
    /// The body.
    pub body: Bytes,
    /// Names in lower case, with their values.
    pub headers: Vec<(&'static str, String)>,
}

/// How the receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookResponse {
    /// The HTTP status. Redirects are not followed: the request was meant for this address.
    pub status: u16,
    /// The `Retry-After` header, as it was sent.
    pub retry_after: Option<String>,
}

impl Origin {
    /// Sends a webhook.
    ///
    /// # Errors
    /// No answer begins within `origin.timeout`.
    pub async fn post(&self, to: &Endpoint, webhook: WebhookRequest) -> Result<WebhookResponse, FetchError> {
        let deadline = deadline(self.timeout());
        let mut request = self.client().post(to.address()).header(CONTENT_TYPE, JSON);
        for (name, value) in webhook.headers {
            let value = HeaderValue::try_from(value).map_err(|_| FetchError::Connection("no header"))?;
            request = request.header(HeaderName::from_static(name), value);
        }
        let mut response = send(request.body(webhook.body), deadline).await?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let answer = WebhookResponse {
            status: response.status().as_u16(),
            retry_after: retry_after.map(str::to_owned),
        };
        let mut left = MAX_DRAIN;
        let drain = async {
            while let Ok(Some(chunk)) = chunk(&mut response, deadline).await {
                match left.checked_sub(chunk.len()) {
                    Some(less) => left = less,
                    None => return,
                }
            }
        };
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, drain).await;
        Ok(answer)
    }
}
