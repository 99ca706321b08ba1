//! The operators' API: why do I see this picture, refresh it, purge it, delete it.

use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HeaderMap, ORIGIN};
use hyper::{Response, StatusCode};

use super::error::ApiError;
use super::probes::json;
use super::purge::purge_one;
use crate::avatar::Service;
use crate::http::Body;
use crate::model::{AvatarId, PurgeKind, Secret};

type Answer = Result<Response<Body>, ApiError>;

/// Asks for the bearer token; compared in constant time.
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

/// SECURITY: without a token the port is reachable from every page in a browser on the same machine. Browsers name the
/// origin of such requests; a page may not purge or delete.
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
    let status = service.redis().status().ok_or(ApiError::NoRedis)?;
    Ok(json(StatusCode::OK, serde_json::to_string(&status).unwrap_or_default()))
}

/// `GET /api/events`
pub(super) fn events(service: &Service) -> Answer {
    let status = service.events().status().ok_or(ApiError::NoEvents)?;
    Ok(json(StatusCode::OK, serde_json::to_string(&status).unwrap_or_default()))
}

fn parse(id: &str) -> Result<AvatarId, ApiError> {
    AvatarId::parse(id).map_err(|_| ApiError::InvalidId)
}
