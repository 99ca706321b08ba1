//! One request: check its host and its body, run the handler, watch the answer until the client has it.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};

use super::activity::{Activity, InFlight};
use super::host::names_its_host;
use super::{Body, BodyError, BodyLimit, Limits, Peer};

/// The answer to one request.
pub(super) async fn answer<H, F>(
    request: Request<Incoming>,
    peer: Peer,
    limits: Limits,
    activity: Activity,
    in_flight: InFlight,
    handler: H,
) -> Result<Response<Tracked>, Infallible>
where
    H: Fn(Request<Bytes>) -> F,
    F: Future<Output = Response<Body>>,
{
    let (mut head, body) = request.into_parts();
    let (version, is_head) = (head.version, head.method == Method::HEAD);
    head.extensions.insert(peer);
    let (response, close) = match admit(&head, body, limits).await {
        Admitted::Read(bytes) => (guarded(handler, Request::from_parts(head, bytes)).await, false),
        Admitted::Unread => (guarded(handler, Request::from_parts(head, Bytes::new())).await, true),
        Admitted::Refused(refusal) => (refusal.response(), true),
    };
    if close {
        activity.leave_unread();
    }
    Ok(finish(response, is_head, close && version != Version::HTTP_2, in_flight))
}

enum Admitted {
    /// The body, which may be empty, has been read.
    Read(Bytes),
    /// There is a body that is not read; the handler runs without it, and the connection ends with the answer.
    Unread,
    /// The handler does not run.
    Refused(Refusal),
}

/// Answers that are given without the handler.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    InvalidHost,
    BodyNotAllowed,
    BodyTooLong,
    BodyTooSlow,
    BodyBroken,
    Internal,
}

/// SECURITY: an unexpected body is how requests are smuggled past a proxy in front of us (such as CVE-2025-4366), so it is
/// neither read as a request nor skipped: the answer ends the connection.
async fn admit(head: &Parts, body: Incoming, limits: Limits) -> Admitted {
    if !names_its_host(head.version, &head.uri, &head.headers) {
        return Admitted::Refused(Refusal::InvalidHost);
    }
    if body.is_end_stream() {
        return Admitted::Read(Bytes::new());
    }
    if matches!(head.method, Method::GET | Method::HEAD) {
        return Admitted::Refused(Refusal::BodyNotAllowed);
    }
    match limits.body {
        BodyLimit::None => Admitted::Unread,
        BodyLimit::UpTo(most) => match collect(body, most, limits.header_timeout).await {
            Ok(bytes) => Admitted::Read(bytes),
            Err(refusal) => Admitted::Refused(refusal),
        },
    }
}

async fn collect(body: Incoming, most: usize, within: Duration) -> Result<Bytes, Refusal> {
    match tokio::time::timeout(within, Limited::new(body, most).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLong),
        Ok(Err(_)) => Err(Refusal::BodyBroken),
        Err(_) => Err(Refusal::BodyTooSlow),
    }
}

/// The handler's answer, or 500 if it panics, so that one request cannot end the connection of others.
async fn guarded<H, F>(handler: H, request: Request<Bytes>) -> Response<Body>
where
    H: Fn(Request<Bytes>) -> F,
    F: Future<Output = Response<Body>>,
{
    let answered = AssertUnwindSafe(async move { handler(request).await }).catch_unwind().await;
    answered.unwrap_or_else(|_| {
        // SECURITY: neither the panic's message, which may quote a value, nor the request is logged or answered.
        tracing::error!("a request's handler panicked; the client got 500");
        Refusal::Internal.response()
    })
}

fn finish(response: Response<Body>, is_head: bool, close: bool, in_flight: InFlight) -> Response<Tracked> {
    let (mut head, mut body) = response.into_parts();
    if close {
        head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if !body.is_empty() {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    if is_head {
        body = Body::empty();
    }
    Response::from_parts(head, Tracked::new(body, in_flight))
}

impl Refusal {
    fn response(self) -> Response<Body> {
        let (status, json) = match self {
            Self::InvalidHost => (
                StatusCode::BAD_REQUEST,
                r#"{"error":"invalid_host","message":"a request names its host, once and with a valid name"}"#,
            ),
            Self::BodyNotAllowed => (
                StatusCode::BAD_REQUEST,
                r#"{"error":"body_not_allowed","message":"a GET or HEAD request has no body"}"#,
            ),
            Self::BodyTooLong => (
                StatusCode::PAYLOAD_TOO_LARGE,
                r#"{"error":"body_too_long","message":"the request's body is too long"}"#,
            ),
            Self::BodyTooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                r#"{"error":"body_too_slow","message":"the request's body did not come in time"}"#,
            ),
            Self::BodyBroken => (
                StatusCode::BAD_REQUEST,
                r#"{"error":"body_broken","message":"the request's body is malformed or incomplete"}"#,
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                r#"{"error":"internal","message":"something went wrong in this server"}"#,
            ),
        };
        let mut response = Response::new(Body::full(json));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        response
    }
}

/// A body that reports to [`Activity`] what the client takes. Its request is in flight until the body is dropped.
#[derive(Debug)]
pub(super) struct Tracked {
    body: Body,
    in_flight: InFlight,
}

impl Tracked {
    fn new(body: Body, mut in_flight: InFlight) -> Self {
        in_flight.gave();
        Self { body, in_flight }
    }
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if polled.is_pending() {
            this.in_flight.prepare();
        }
        let frame = ready!(polled);
        this.in_flight.gave();
        if let Some(Err(error)) = &frame {
            tracing::debug!(%error, "answer broke off");
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
