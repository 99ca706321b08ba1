//! `GET` and `HEAD /avatar/{id}[.ext]`: the address that never changes.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use hyper::{Request, Response, StatusCode};
use tracing::Instrument;

use super::config::FallbackKind;
use super::error::ApiError;
use super::parameters::Parameters;
use super::site::Site;
use crate::avatar::{Reply, StreamBuffer};
use crate::http::{Body, BodyError};
use crate::model::{AvatarId, CacheStatus, Tags};
use crate::render;
use crate::store::Held;

/// Accepted extensions. They do not change the format yet.
const EXTENSIONS: [&str; 4] = ["jpg", "png", "webp", "avif"];

/// Answers a request; `rest` is the path behind `/avatar/`.
pub(super) async fn avatar(site: &Arc<Site>, rest: &str, request: &Request<Bytes>) -> Response<Body> {
    answer(site, rest, request).await.unwrap_or_else(Response::from)
}

async fn answer(site: &Arc<Site>, rest: &str, request: &Request<Bytes>) -> Result<Response<Body>, ApiError> {
    let text = id_of(rest)?;
    let parameters = Parameters::parse(request.uri().query())?;
    let now = site.service.now();
    if let Some(reply) = site.service.hit(text, now) {
        return Ok(present(site, reply, text, parameters, request));
    }
    let id = AvatarId::parse(text).map_err(|_| ApiError::InvalidId)?;
    // A hit writes no line, so only what may ask or refresh has a span.
    let span = tracing::debug_span!("avatar", connection = %id);
    let reply = site.service.serve(&id, now).instrument(span).await;
    Ok(present(site, reply, text, parameters, request))
}

/// The id before an accepted extension.
fn id_of(rest: &str) -> Result<&str, ApiError> {
    let text = match rest.split_once('.') {
        Some((id, extension)) if EXTENSIONS.contains(&extension) => id,
        Some(_) => return Err(ApiError::InvalidId),
        None => rest,
    };
    AvatarId::check(text).then_some(text).ok_or(ApiError::InvalidId)
}

fn present(
    site: &Site,
    reply: Reply,
    id: &str,
    parameters: Parameters,
    request: &Request<Bytes>,
) -> Response<Body> {
    let kind = parameters.fallback.unwrap_or(site.fallback.kind);
    let placeholder = |held: Option<Arc<Held>>, status| fallback(site, kind, id, held.as_deref(), status);
    match reply {
        Reply::Unknown => unknown(site, kind),
        Reply::Picture(held, ..) if parameters.forced => placeholder(Some(held), CacheStatus::Forced),
        Reply::Streaming(_) if parameters.forced => placeholder(None, CacheStatus::Forced),
        Reply::Placeholder(held, status) => placeholder(held, status),
        Reply::Streaming(filling) => stream(site, filling, id),
        Reply::Picture(held, representation, state, status) => {
            site.prepared.picture(representation, &held.tags, state, status, request.headers())
        }
    }
}

fn fallback(
    site: &Site,
    kind: FallbackKind,
    id: &str,
    held: Option<&Held>,
    status: CacheStatus,
) -> Response<Body> {
    let name = held.and_then(|held| held.entry.name.as_deref());
    let tags = held.map(|held| &held.tags);
    let code = site.fallback.status;
    match kind {
        FallbackKind::NotFound => not_found(site, "no_picture", status, tags),
        FallbackKind::Blank => site.prepared.placeholder(render::blank(), render::PNG, code, status, tags),
        FallbackKind::Initials | FallbackKind::Identicon | FallbackKind::Mp => {
            let svg = render::initials(id, name);
            site.prepared.placeholder(svg, render::SVG, code, status, tags)
        }
    }
}

/// 404 with a neutral picture, since no name is known. A CDN can store it and so absorbs a client that tries all ids.
fn unknown(site: &Site, kind: FallbackKind) -> Response<Body> {
    let status = CacheStatus::Unknown;
    match kind {
        FallbackKind::NotFound => not_found(site, "unknown_connection", status, None),
        FallbackKind::Blank => {
            site.prepared.placeholder(render::blank(), render::PNG, StatusCode::NOT_FOUND, status, None)
        }
        FallbackKind::Initials | FallbackKind::Identicon | FallbackKind::Mp => {
            site.prepared.placeholder(render::neutral(), render::SVG, StatusCode::NOT_FOUND, status, None)
        }
    }
}

/// `d=404`: JSON, so that the page's `onerror` fires. Caches may store it like a placeholder.
fn not_found(site: &Site, code: &str, status: CacheStatus, tags: Option<&Tags>) -> Response<Body> {
    let body = Bytes::from(format!(r#"{{"error":"{code}"}}"#));
    site.prepared.placeholder(body, "application/json", StatusCode::NOT_FOUND, status, tags)
}

fn stream(site: &Site, filling: Arc<StreamBuffer>, id: &str) -> Response<Body> {
    let Ok(id) = AvatarId::parse(id) else { return ApiError::InvalidId.into() };
    let (tags, length) = (Tags::new(&id, filling.provider), filling.length);
    let content_type = filling.header.kind.content_type();
    let chunks = filling.read().map_err(|broken| BodyError::Source(broken.into())).boxed();
    site.prepared.stream(Body::stream(length, chunks), content_type, length, &tags)
}
