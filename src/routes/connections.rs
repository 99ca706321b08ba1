//! What the dashboard tells of its connections: `POST /api/connections/{id}`, and `POST /api/connections` for many.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use hyper::{Response, StatusCode};
use serde_json::json;

use super::error::ApiError;
use super::probes;
use super::purge::{self, MAX_IDS};
use crate::avatar::{BacklogFull, Backlogged, Service};
use crate::http::Body;
use crate::model::{AvatarId, PurgeKind};
use crate::store::Acks;

type Answer = Result<Response<Body>, ApiError>;

/// What has happened to a connection.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    /// Its row is new.
    Created,
    /// Its row has changed.
    Updated,
    /// Its row is gone, or soon will be.
    Deleted,
    /// Its owner has logged in again.
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
pub(super) async fn tell_of_one(service: &Arc<Service>, id: &str, body: &Bytes) -> Answer {
    let id = AvatarId::parse(id).map_err(|_| ApiError::InvalidId)?;
    let told: OfOne = serde_json::from_slice(body).map_err(|_| ApiError::InvalidEvent)?;
    act(service, told.event, &[id]).await
}

/// `POST /api/connections`
pub(super) async fn tell_of_many(service: &Arc<Service>, body: &Bytes) -> Answer {
    let told: OfMany = serde_json::from_slice(body).map_err(|_| ApiError::InvalidEvents)?;
    if !(1..=MAX_IDS).contains(&told.ids.len()) {
        return Err(ApiError::InvalidEvents);
    }
    let ids: Result<BTreeSet<AvatarId>, _> = told.ids.iter().map(|id| AvatarId::parse(id)).collect();
    let ids: Vec<AvatarId> = ids.map_err(|_| ApiError::InvalidId)?.into_iter().collect();
    act(service, told.event, &ids).await
}

/// `GET /api/connections`: what is left of all that was told.
pub(super) fn backlog(service: &Service) -> Response<Body> {
    probes::json(StatusCode::OK, counted(service.backlogged()).to_string())
}

/// 202: accepted, and done behind the answer. A deletion is done when it is answered.
async fn act(service: &Arc<Service>, event: Event, ids: &[AvatarId]) -> Answer {
    let full = |BacklogFull| ApiError::Busy;
    let (backlogged, told) = match event {
        Event::Created => (service.connect(ids).map_err(full)?, Acks::Alone),
        Event::Updated | Event::Reauthorized => service.reconnect(ids).await.map_err(full)?,
        Event::Deleted => return purge::answer(&service.disconnect(ids).await, PurgeKind::Disconnect),
    };
    let mut body = counted(backlogged);
    body["status"] = "accepted".into();
    body["avatars"] = ids.len().into();
    match told {
        Acks::Alone => {}
        Acks::By { done, missing } => body["instances"] = json!({ "done": done, "missing": missing }),
        // They are told when it is back; meanwhile they find the new row by themselves, within `directory.cache_for`.
        Acks::Unavailable => body["redis"] = "away".into(),
    }
    Ok(probes::json(StatusCode::ACCEPTED, body.to_string()))
}

/// What was told by this answer is done when `done` has reached its `accepted`, unless another `run` of the server began.
fn counted(told: Backlogged) -> serde_json::Value {
    let Backlogged { accepted, done, failed, started_at } = told;
    json!({ "accepted": accepted, "done": done, "failed": failed, "run": started_at })
}
