//! Warming: `POST /api/warm` begins a walk over the directory, `GET` shows its progress, `DELETE` stops it.

use bytes::Bytes;
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::error::ApiError;
use super::json;
use crate::avatar::{Service, WarmRate, WarmRefused, WarmStatus};
use crate::http::Body;

/// The body of `POST /api/warm`. It may be empty, as every field has a default.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    rate: WarmRate,
    /// Continue the last walk where it was stopped, instead of beginning at the first connection.
    resume: bool,
}

/// `POST /api/warm`: 202 when the walk has begun, 409 with the progress of the one under way.
pub(super) fn begin(service: &Service, body: &Bytes) -> Result<Response<Body>, ApiError> {
    let Wanted { rate, resume } = match body.is_empty() {
        true => Wanted::default(),
        false => serde_json::from_slice(body).map_err(|_| ApiError::InvalidWarm)?,
    };
    match service.jobs().warmer().begin(rate, resume) {
        Ok(status) => Ok(answer(StatusCode::ACCEPTED, shown(Some(&status)))),
        Err(WarmRefused::Stopping) => Err(ApiError::Stopping),
        Err(WarmRefused::Running(status)) => {
            let mut body = shown(Some(&status));
            body["error"] = "warming".into();
            body["message"] = "a walk is under way; DELETE /api/warm stops it".into();
            Ok(answer(StatusCode::CONFLICT, body))
        }
    }
}

/// `GET /api/warm`: the walk that is under way, or the last one.
pub(super) fn progress(service: &Service) -> Response<Body> {
    answer(StatusCode::OK, shown(service.jobs().warmer().status().as_ref()))
}

/// `DELETE /api/warm`: answered when the walk has stopped, or at once where none is under way.
pub(super) async fn stop(service: &Service) -> Response<Body> {
    answer(StatusCode::OK, shown(service.jobs().warmer().stop().await.as_ref()))
}

fn shown(status: Option<&WarmStatus>) -> Value {
    status.map_or_else(|| serde_json::json!({ "state": "idle" }), |status| serde_json::json!(status))
}

fn answer(status: StatusCode, body: Value) -> Response<Body> {
    json::json(status, body.to_string())
}
