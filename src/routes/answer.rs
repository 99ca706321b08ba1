//! [`Prepared`]: the headers of an avatar's answer, rendered once, so that a hit only clones them.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use hyper::{Response, StatusCode};

use super::config::HeadersConfig;
use super::error::ApiError;
use super::json::harden;
use crate::http::Body;
use crate::http::conditional::{Validators, Verdict, evaluate};
use crate::model::{AvatarState, CacheStatus, Representation, Tags};

const AVATAR_STATE: HeaderName = HeaderName::from_static("avatar-state");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// The two headers that say how long browsers and CDNs may store an answer.
struct Lifetime {
    browser: HeaderValue,
    cdn: HeaderValue,
}

/// Header values that depend on the configuration alone.
pub(super) struct Prepared {
    picture: Lifetime,
    last_good: Lifetime,
    fallback: Lifetime,
    corp: HeaderValue,
    allow_origin: Option<HeaderValue>,
    surrogate_key: bool,
    cache_tag: bool,
}

impl Prepared {
    /// Renders them.
    pub(super) fn new(config: &HeadersConfig) -> Self {
        let HeadersConfig {
            max_age,
            cdn_max_age,
            stale_while_revalidate,
            stale_if_error,
            fallback_max_age,
            ..
        } = config;
        let (swr, sie) = (Some(*stale_while_revalidate), Some(*stale_if_error));
        let same = |swr, sie| Lifetime {
            browser: lifetime(*fallback_max_age, swr, sie),
            cdn: lifetime(*fallback_max_age, swr, sie),
        };
        Self {
            picture: Lifetime {
                browser: lifetime(*max_age, swr, sie),
                cdn: lifetime(*cdn_max_age, swr, sie),
            },
            last_good: same(None, sie),
            fallback: same(None, None),
            corp: config.cross_origin_resource_policy.clone(),
            allow_origin: config.allow_origin.clone(),
            surrogate_key: config.surrogate_key,
            cache_tag: config.cache_tag,
        }
    }

    /// A whole picture, or the 304 or the error that the request's conditions ask for.
    pub(super) fn picture(
        &self,
        representation: Representation,
        tags: &Tags,
        state: AvatarState,
        status: CacheStatus,
        request: &HeaderMap,
    ) -> Response<Body> {
        let lifetime = match state {
            AvatarState::Fresh | AvatarState::Stale => &self.picture,
            AvatarState::LastGood | AvatarState::Placeholder => &self.last_good,
        };
        let Representation { bytes, etag, content_type, last_modified, last_modified_date, .. } =
            representation;
        let length = bytes.len();
        let validators = Validators { etag: Some(etag.as_str()), last_modified: Some(last_modified) };
        let mut response = match evaluate(request, validators) {
            Verdict::Proceed => Response::new(Body::full(bytes)),
            Verdict::NotModified => not_modified(),
            Verdict::PreconditionFailed => return ApiError::PreconditionFailed.into(),
        };
        let whole = response.status() == StatusCode::OK;
        let headers = response.headers_mut();
        headers.reserve(18);
        if whole {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        insert_shared(headers, ETAG, etag.as_bytes());
        insert_shared(headers, LAST_MODIFIED, &last_modified_date);
        self.common(headers, lifetime, state, status);
        self.tag(headers, tags);
        response
    }

    /// A picture that is still being downloaded: it has no ETag, since its hash is not known, and a short lifetime.
    pub(super) fn stream(
        &self,
        body: Body,
        content_type: &'static str,
        length: u64,
        tags: &Tags,
    ) -> Response<Body> {
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        self.common(headers, &self.fallback, AvatarState::Fresh, CacheStatus::Streamed);
        self.tag(headers, tags);
        response
    }

    /// A drawn placeholder, or the JSON of `d=404`.
    pub(super) fn placeholder(
        &self,
        body: Bytes,
        content_type: &'static str,
        code: StatusCode,
        status: CacheStatus,
        tags: Option<&Tags>,
    ) -> Response<Body> {
        let length = body.len();
        let mut response = Response::new(Body::full(body));
        *response.status_mut() = code;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        self.common(headers, &self.fallback, AvatarState::Placeholder, status);
        if let Some(tags) = tags {
            self.tag(headers, tags);
        }
        response
    }

    fn common(&self, headers: &mut HeaderMap, lifetime: &Lifetime, state: AvatarState, status: CacheStatus) {
        headers.insert(CACHE_CONTROL, lifetime.browser.clone());
        headers.insert(CDN_CACHE_CONTROL, lifetime.cdn.clone());
        headers.insert(CACHE_STATUS, HeaderValue::from_static(status.as_str()));
        headers.insert(AVATAR_STATE, HeaderValue::from_static(state.as_str()));
        headers.insert(CORP, self.corp.clone());
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
        harden(headers);
        if let Some(origin) = &self.allow_origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }

    fn tag(&self, headers: &mut HeaderMap, tags: &Tags) {
        if self.surrogate_key {
            insert_shared(headers, SURROGATE_KEY, &tags.surrogate_key);
        }
        if self.cache_tag {
            insert_shared(headers, CACHE_TAG, &tags.cache_tag);
        }
    }
}

fn not_modified() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

/// Shares the bytes instead of copying them. They are always ASCII.
fn insert_shared(headers: &mut HeaderMap, name: HeaderName, value: &Bytes) {
    if let Ok(value) = HeaderValue::from_maybe_shared(value.clone()) {
        headers.insert(name, value);
    }
}

/// `public, max-age=...` and the windows of RFC 5861. Never `s-maxage`: it implies `proxy-revalidate`, and strict
/// caches then refuse to serve stale (RFC 9111, 5.2.2.10).
fn lifetime(max_age: Duration, swr: Option<Duration>, sie: Option<Duration>) -> HeaderValue {
    let mut text = format!("public, max-age={}", max_age.as_secs());
    for (name, span) in [("stale-while-revalidate", swr), ("stale-if-error", sie)] {
        if let Some(span) = span {
            text.push_str(&format!(", {name}={}", span.as_secs()));
        }
    }
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("no-store"))
}
