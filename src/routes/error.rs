//! [`ApiError`]: the errors that clients see, with their statuses in one exhaustive match.

use hyper::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use super::json::json;
use crate::http::Body;

/// An error. It is answered as small JSON with a stable code, which no cache stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApiError {
    /// No such route.
    NotFound,
    /// The path's id is not well-formed.
    InvalidId,
    /// The `s` parameter.
    InvalidSize,
    /// The `d` parameter.
    InvalidDefault,
    /// The `f` parameter.
    InvalidForce,
    /// The query is not UTF-8.
    InvalidQuery,
    /// Only other methods are allowed: the value of `Allow`.
    MethodNotAllowed(&'static str),
    /// `If-Match` or `If-Unmodified-Since` is false.
    PreconditionFailed,
    /// The admin token is missing or wrong.
    Unauthorized,
    /// A browser sent a page's request from another site, and the admin port has no token.
    CrossSite,
    /// A request for another host than this machine to an admin port without a token.
    ForeignHost,
    /// No tier has an entry for this avatar.
    NotHeld,
    /// The disk store failed to delete.
    NotOnDisk,
    /// Redis is away, so only this instance has purged.
    NotShared,
    /// The body of a purge is wrong.
    InvalidPurge,
    /// The body of a hook for one connection is wrong.
    InvalidEvent,
    /// The body of a hook for many connections is wrong.
    InvalidEvents,
    /// The body that begins a walk is wrong.
    InvalidWarm,
    /// The server is about to end.
    Stopping,
    /// The job queue is full.
    Busy,
    /// Redis is not configured.
    NoRedis,
    /// Webhooks are not configured.
    NoEvents,
}

impl ApiError {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NotFound => {
                (StatusCode::NOT_FOUND, "not_found", "there is no such page; pictures are at /avatar/{id}")
            }
            Self::InvalidId => (
                StatusCode::BAD_REQUEST,
                "invalid_id",
                "an id is 1 to 64 characters of A-Z, a-z, 0-9, _ and -",
            ),
            Self::InvalidSize => {
                (StatusCode::BAD_REQUEST, "invalid_size", "s is a number of pixels from 1 to 2048")
            }
            Self::InvalidDefault => (
                StatusCode::BAD_REQUEST,
                "invalid_default",
                "d is one of initials, identicon, blank, mp, 404",
            ),
            Self::InvalidForce => (StatusCode::BAD_REQUEST, "invalid_force", "f is y or n"),
            Self::InvalidQuery => (StatusCode::BAD_REQUEST, "invalid_query", "the query is not UTF-8"),
            Self::MethodNotAllowed(_) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "see the Allow header for what is allowed",
            ),
            Self::PreconditionFailed => (
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                "the picture is another one than If-Match or If-Unmodified-Since asks for",
            ),
            Self::Unauthorized => {
                (StatusCode::UNAUTHORIZED, "unauthorized", "send admin.token as Authorization: Bearer")
            }
            Self::CrossSite => (
                StatusCode::FORBIDDEN,
                "cross_site",
                "a page of another site may not do this; set admin.token to allow it",
            ),
            Self::ForeignHost => (
                StatusCode::MISDIRECTED_REQUEST,
                "foreign_host",
                "without admin.token this port answers to localhost, 127.0.0.0/8 and [::1] alone; set it to allow others",
            ),
            Self::NotHeld => (
                StatusCode::NOT_FOUND,
                "not_held",
                "nothing is known of this avatar; a view would look it up",
            ),
            Self::NotOnDisk => (
                StatusCode::SERVICE_UNAVAILABLE,
                "disk_failed",
                "gone from memory, but the disk store failed; see the log",
            ),
            Self::NotShared => (
                StatusCode::SERVICE_UNAVAILABLE,
                "redis_away",
                "done in this instance; Redis is away, and the other instances hear of it when it is back",
            ),
            Self::InvalidPurge => (
                StatusCode::BAD_REQUEST,
                "invalid_purge",
                "send JSON with one of ids (1 to 1000 of them), provider (instagram, facebook, telegram) and all (true), \
                 and hard (true) to delete",
            ),
            Self::InvalidEvent => (
                StatusCode::BAD_REQUEST,
                "invalid_event",
                "send JSON with event: created, updated, deleted or reauthorized, and nothing else",
            ),
            Self::InvalidEvents => (
                StatusCode::BAD_REQUEST,
                "invalid_event",
                "send JSON with event (created, updated, deleted or reauthorized) and ids (1 to 1000 of them)",
            ),
            Self::InvalidWarm => (
                StatusCode::BAD_REQUEST,
                "invalid_warm",
                "send nothing, or JSON with rate (1 to 1000 avatars a second, else 10) and resume (true or false)",
            ),
            Self::Stopping => (
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                "this server is about to end; send it again when it is back",
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "too many avatars wait for their refresh; nothing was accepted, send it again later",
            ),
            Self::NoRedis => {
                (StatusCode::NOT_FOUND, "no_redis", "redis.url is empty: this instance stands alone")
            }
            Self::NoEvents => {
                (StatusCode::NOT_FOUND, "no_events", "events.url is empty: this server sends no webhooks")
            }
        }
    }
}

impl From<ApiError> for Response<Body> {
    fn from(error: ApiError) -> Self {
        let (status, code, message) = error.parts();
        let body = format!(r#"{{"error":"{code}","message":"{message}"}}"#);
        let mut response = json(status, body);
        let headers = response.headers_mut();
        match error {
            ApiError::MethodNotAllowed(allowed) => {
                _ = headers.insert(ALLOW, HeaderValue::from_static(allowed))
            }
            ApiError::Busy => _ = headers.insert(RETRY_AFTER, HeaderValue::from_static("5")),
            ApiError::Unauthorized => {
                _ = headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            _ => {}
        }
        response
    }
}
