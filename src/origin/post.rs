//! [`Origin::post`]: tells a receiver of the operator's own something.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};

use super::Endpoint;
use super::download::deadline;
use super::error::FetchError;
use super::fetch::{JSON, Origin, chunk, send};

/// So much of an answer is read, and for so long, that the connection can be used again. Nobody looks at it.
const MAX_ANSWER: usize = 16 * 1024;
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// What is posted: JSON, and headers beside it.
#[derive(Debug, Clone)]
pub struct WebhookRequest {
    /// The body.
    pub body: Bytes,
    /// Names in small letters, and values.
    pub headers: Vec<(&'static str, String)>,
}

/// How a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookResponse {
    /// The HTTP status. A redirect is not followed: the letter was meant for this address.
    pub status: u16,
    /// The `Retry-After` header, as it was sent.
    pub retry_after: Option<String>,
}

impl Origin {
    /// Posts a letter.
    ///
    /// # Errors
    /// When no answer begins within `origin.timeout`.
    pub async fn post(&self, to: &Endpoint, letter: WebhookRequest) -> Result<WebhookResponse, FetchError> {
        let deadline = deadline(self.timeout());
        let mut request = self.client().post(to.address()).header(CONTENT_TYPE, JSON);
        for (name, value) in letter.headers {
            let value = HeaderValue::try_from(value).map_err(|_| FetchError::Connection("no header"))?;
            request = request.header(HeaderName::from_static(name), value);
        }
        let mut response = send(request.body(letter.body), deadline).await?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let posted = WebhookResponse {
            status: response.status().as_u16(),
            retry_after: retry_after.map(str::to_owned),
        };
        let mut left = MAX_ANSWER;
        let rest = async {
            while let Ok(Some(chunk)) = chunk(&mut response, deadline).await {
                match left.checked_sub(chunk.len()) {
                    Some(less) => left = less,
                    None => return,
                }
            }
        };
        let _ = tokio::time::timeout(ANSWER_WITHIN, rest).await;
        Ok(posted)
    }
}
