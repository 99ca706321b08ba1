//! Purges of one avatar and of many: `POST /api/purge`, `POST /api/avatars/{id}/purge` and `DELETE /api/avatars/{id}`.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{Response, StatusCode};

use super::error::ApiError;
use super::json::json;
use crate::avatar::{PurgeReport, Service};
use crate::http::Body;
use crate::model::{AvatarId, Provider, PurgeKind, PurgeScope};
use crate::store::Acks;

/// Ids in one request, at most.
pub(super) const MAX_IDS: usize = 1000;

/// The body of `POST /api/purge`: one of `ids`, `provider` and `all`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    ids: Option<Vec<String>>,
    #[serde(default)]
    provider: Option<String>,
    #[serde(default)]
    all: bool,
    /// Delete the bytes. A soft purge only makes them stale, and they are still shown.
    #[serde(default)]
    hard: bool,
}

/// `POST /api/purge`
pub(super) async fn purge(service: &Arc<Service>, body: &Bytes) -> Result<Response<Body>, ApiError> {
    let wanted: Wanted = serde_json::from_slice(body).map_err(|_| ApiError::InvalidPurge)?;
    let scope = match (wanted.ids, wanted.provider, wanted.all) {
        (Some(ids), None, false) if (1..=MAX_IDS).contains(&ids.len()) => {
            let ids: Result<_, _> = ids.iter().map(|id| AvatarId::parse(id)).collect();
            PurgeScope::Avatars(ids.map_err(|_| ApiError::InvalidId)?)
        }
        (None, Some(name), false) => {
            // A misspelt name must not look like a provider without avatars.
            let provider = Provider::from_name(&name).ok_or(ApiError::InvalidPurge)?;
            if !service.knows(provider).await {
                return Err(ApiError::InvalidPurge);
            }
            PurgeScope::Provider(provider)
        }
        (None, None, true) => PurgeScope::All,
        _ => return Err(ApiError::InvalidPurge),
    };
    let kind = if wanted.hard { PurgeKind::Hard } else { PurgeKind::Soft };
    answer(&service.purger().purge(scope, kind).await, kind)
}

/// One avatar: `POST /api/avatars/{id}/purge` (soft) and `DELETE /api/avatars/{id}`.
pub(super) async fn purge_one(
    service: &Arc<Service>,
    id: &AvatarId,
    kind: PurgeKind,
) -> Result<Response<Body>, ApiError> {
    let purged = service.purger().purge(PurgeScope::one(id), kind).await;
    if kind == PurgeKind::Soft && purged.avatars == 0 {
        return Err(ApiError::NotHeld);
    }
    answer(&purged, kind)
}

/// 200: every instance has purged. 202: some instance has not answered; it purges before it serves from its memory again.
pub(super) fn answer(purged: &PurgeReport, kind: PurgeKind) -> Result<Response<Body>, ApiError> {
    if !purged.disk {
        return Err(ApiError::NotOnDisk);
    }
    let mut body = serde_json::json!({
        "status": if kind.deletes() { "deleted" } else { "purged" },
        "avatars": purged.avatars,
    });
    let status = match &purged.acknowledged {
        Acks::Alone => StatusCode::OK,
        Acks::Unavailable => return Err(ApiError::NotShared),
        Acks::By { done, missing } => {
            body["instances"] = serde_json::json!({ "done": done, "missing": missing });
            if missing.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED }
        }
    };
    Ok(json(status, body.to_string()))
}
