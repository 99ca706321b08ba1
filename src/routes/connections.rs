//! The dashboard's hooks: `POST /api/connections/{id}` for one connection, `POST /api/connections` for many.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::error::ApiError;
use super::json;
use super::purge::{self, MAX_IDS};
use crate::avatar::{HookProgress, JobQueueFull, Service};
use crate::http::Body;
use crate::model::{AvatarId, PurgeKind};
use crate::store::Acks;

type Answer = Result<Response<Body>, ApiError>;

/// What happened to a connection.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    /// Its row is new.
    Created,
    /// Its row has changed.
    Updated,
    /// Its row is gone, or soon will be.
    Deleted,
    /// Its owner logged in again.
    Reauthorized,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OfOne {
    event: Event,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OfMany {
    event: Event,
    ids: Vec<String>,
}

/// `POST /api/connections/{id}`
pub(super) async fn hook_for_one(service: &Arc<Service>, id: &str, body: &Bytes) -> Answer {
    let id = AvatarId::parse(id).map_err(|_| ApiError::InvalidId)?;
    let told: OfOne = serde_json::from_slice(body).map_err(|_| ApiError::InvalidEvent)?;
    act(service, told.event, &[id]).await
}

/// `POST /api/connections`
pub(super) async fn hook_for_many(service: &Arc<Service>, body: &Bytes) -> Answer {
    let told: OfMany = serde_json::from_slice(body).map_err(|_| ApiError::InvalidEvents)?;
    if !(1..=MAX_IDS).contains(&told.ids.len()) {
        return Err(ApiError::InvalidEvents);
    }
    let ids: Result<BTreeSet<AvatarId>, _> = told.ids.iter().map(|id| AvatarId::parse(id)).collect();
    let ids: Vec<AvatarId> = ids.map_err(|_| ApiError::InvalidId)?.into_iter().collect();
    act(service, told.event, &ids).await
}

/// `GET /api/connections`: how many avatars of all hooks are done.
pub(super) fn backlog(service: &Service) -> Response<Body> {
    json::json(StatusCode::OK, counted(service.jobs().progress()).to_string())
}

/// Answers 202 before the refreshes begin. A deletion is complete when it is answered.
async fn act(service: &Arc<Service>, event: Event, ids: &[AvatarId]) -> Answer {
    let full = |JobQueueFull| ApiError::Busy;
    let (backlogged, told) = match event {
        Event::Created => (service.jobs().on_created(ids).map_err(full)?, Acks::Alone),
        Event::Updated | Event::Reauthorized => service.jobs().on_updated(ids).await.map_err(full)?,
        Event::Deleted => {
            return purge::answer(&service.jobs().on_deleted(ids).await, PurgeKind::Disconnect);
        }
    };
    let mut body = counted(backlogged);
    body["status"] = "accepted".into();
    body["avatars"] = ids.len().into();
    match told {
        Acks::Alone => {}
        Acks::By { done, missing } => {
            body["instances"] = serde_json::json!({ "done": done, "missing": missing })
        }
        // The other instances hear of it when Redis is back. Until then each reads the new row within `directory.cache_for`.
        Acks::Unavailable => body["redis"] = "away".into(),
    }
    Ok(json::json(StatusCode::ACCEPTED, body.to_string()))
}

/// A hook is done when `done` has reached the `accepted` of its answer. A restarted server shows another `run`.
fn counted(told: HookProgress) -> Value {
    let HookProgress { accepted, done, failed, started_at } = told;
    serde_json::json!({ "accepted": accepted, "done": done, "failed": failed, "run": started_at })
}
