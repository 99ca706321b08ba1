//! The operators' API: inspect, refresh, purge and delete an avatar; the state of Redis and of the webhooks.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, HeaderMap, ORIGIN};
use hyper::{Request, Response, StatusCode};

use super::error::ApiError;
use super::json::json;
use super::purge::purge_one;
use crate::avatar::Service;
use crate::http::{Body, Peer, requested_host};
use crate::model::{AvatarId, PurgeKind, Secret};

type Answer = Result<Response<Body>, ApiError>;

/// Requires the bearer token and compares it in constant time.
pub(super) fn authorize(token: Option<&Secret>, headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(token) = token else { return refuse_cross_site(headers) };
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match given {
        Some((_, given)) if Secret::new(given.trim()) == *token => Ok(()),
        _ => Err(ApiError::Unauthorized),
    }
}

/// Whether a port without a token is asked for under a name of this machine; behind a Unix socket names mean nothing.
///
/// SECURITY: a page of evil.example, whose DNS entry is changed to 127.0.0.1 once the page has loaded (DNS rebinding), asks
/// this port as if it were its own site, so the browser lets it read every answer. It cannot change the Host header, which
/// names evil.example. An IP address cannot be rebound, and `localhost` is not looked up in DNS (RFC 6761 6.3).
pub(super) fn is_asked_locally(request: &Request<Bytes>) -> bool {
    let is_unix = request.extensions().get::<Peer>().is_some_and(|Peer(address)| address.is_none());
    let is_local = |host: &str| {
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    };
    // Only HTTP/1.0 may name no host, which no browser speaks.
    is_unix || requested_host(request.uri(), request.headers()).is_none_or(is_local)
}

/// SECURITY: without a token any page in a browser on the same machine can reach the port. Browsers name the origin of such
/// requests, so that a page can neither purge nor delete.
fn refuse_cross_site(headers: &HeaderMap) -> Result<(), ApiError> {
    let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
    let foreign = site.is_some_and(|site| !matches!(site, b"same-origin" | b"none"));
    if foreign || headers.contains_key(ORIGIN) { Err(ApiError::CrossSite) } else { Ok(()) }
}

/// `GET /api/avatars/{id}`
pub(super) async fn inspect(service: &Service, id: &str) -> Answer {
    match service.inspect(&parse(id)?).await {
        Some(inspection) => Ok(json(StatusCode::OK, serde_json::to_string(&inspection).unwrap_or_default())),
        None => Err(ApiError::NotHeld),
    }
}

/// `POST /api/avatars/{id}/refresh`
pub(super) async fn refresh(service: &Arc<Service>, id: &str) -> Answer {
    match service.refresh_now(&parse(id)?).await {
        Some(inspection) => Ok(json(StatusCode::OK, serde_json::to_string(&inspection).unwrap_or_default())),
        None => Err(ApiError::NotHeld),
    }
}

/// `POST /api/avatars/{id}/purge`
pub(super) async fn purge(service: &Arc<Service>, id: &str) -> Answer {
    purge_one(service, &parse(id)?, PurgeKind::Soft).await
}

/// `DELETE /api/avatars/{id}`
pub(super) async fn delete(service: &Arc<Service>, id: &str) -> Answer {
    purge_one(service, &parse(id)?, PurgeKind::Hard).await
}

/// `GET /api/redis`
pub(super) fn redis(service: &Service) -> Answer {
    let status = service.snapshot().redis_status.ok_or(ApiError::NoRedis)?;
    Ok(json(StatusCode::OK, serde_json::to_string(&status).unwrap_or_default()))
}

/// `GET /api/events`
pub(super) fn events(service: &Service) -> Answer {
    let status = service.snapshot().webhook_status.ok_or(ApiError::NoEvents)?;
    Ok(json(StatusCode::OK, serde_json::to_string(&status).unwrap_or_default()))
}

fn parse(id: &str) -> Result<AvatarId, ApiError> {
    AvatarId::parse(id).map_err(|_| ApiError::InvalidId)
}
