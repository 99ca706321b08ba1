//! FRONT: what this server answers. The two route tables below are the table of contents.
//!
//! In reading order:
//!
//! | file | |
//! |---|---|
//! | here | the routes of both ports |
//! | `avatar`, `parameters` | `/avatar/{id}` and its query |
//! | `answer` | `Prepared`: the headers of an avatar's answer |
//! | `site` | what all routes share |
//! | `probes` | `/livez`, `/readyz` |
//! | `admin`, `purge` | inspect, refresh, purge and delete avatars |
//! | `connections`, `warm` | the dashboard's hooks; warming |
//! | `error`, `json` | every error with its status; JSON answers |
//! | `config` | `[avatar.headers]` and `[fallback]` |
//!
//! No floor below this one knows a status code.

mod admin;
mod answer;
mod avatar;
mod config;
mod connections;
mod error;
mod json;
mod parameters;
mod probes;
mod purge;
mod site;
mod warm;

use std::sync::Arc;

use bytes::Bytes;
use hyper::{Method, Request, Response};

use crate::http::Body;
use error::ApiError;

pub use config::{FallbackConfig, FallbackKind, FallbackWritten, HeadersConfig, HeadersWritten};
pub use site::Site;

impl Site {
    /// The public port.
    pub async fn public(self: Arc<Self>, request: Request<Bytes>) -> Response<Body> {
        let path = request.uri().path();
        if let Some(rest) = path.strip_prefix("/avatar/") {
            return match *request.method() {
                Method::GET | Method::HEAD => avatar::avatar(&self, rest, &request).await,
                _ => ApiError::MethodNotAllowed("GET, HEAD").into(),
            };
        }
        match (path, request.method()) {
            ("/healthz" | "/livez", &Method::GET | &Method::HEAD) => probes::alive(),
            ("/readyz", &Method::GET | &Method::HEAD) => probes::ready(&self, false),
            ("/healthz" | "/livez" | "/readyz", _) => ApiError::MethodNotAllowed("GET, HEAD").into(),
            _ => ApiError::NotFound.into(),
        }
    }

    /// The admin port.
    pub async fn admin(self: Arc<Self>, request: Request<Bytes>) -> Response<Body> {
        if self.admin_token.is_none() && !admin::is_asked_locally(&request) {
            return ApiError::ForeignHost.into();
        }
        let path: Vec<&str> = request.uri().path().split('/').skip(1).collect();
        let (get, method) = (matches!(*request.method(), Method::GET | Method::HEAD), request.method());
        match (path.as_slice(), get, method) {
            (["healthz" | "livez"], true, _) => return probes::alive(),
            (["readyz"], true, _) => return probes::ready(&self, true),
            (["healthz" | "livez" | "readyz"], false, _) => {
                return ApiError::MethodNotAllowed("GET, HEAD").into();
            }
            _ => {}
        }
        if let Err(error) = admin::authorize(self.admin_token.as_ref(), request.headers()) {
            return error.into();
        }
        let answer = match (path.as_slice(), get, method) {
            (["api", "avatars", id], true, _) => admin::inspect(&self.service, id).await,
            (["api", "avatars", id], _, &Method::DELETE) => admin::delete(&self.service, id).await,
            (["api", "avatars", _], ..) => Err(ApiError::MethodNotAllowed("GET, HEAD, DELETE")),
            (["api", "avatars", id, "refresh"], _, &Method::POST) => admin::refresh(&self.service, id).await,
            (["api", "avatars", id, "purge"], _, &Method::POST) => admin::purge(&self.service, id).await,
            (["api", "avatars", _, "refresh" | "purge"], ..) => Err(ApiError::MethodNotAllowed("POST")),
            (["api", "connections"], true, _) => Ok(connections::backlog(&self.service)),
            (["api", "connections"], _, &Method::POST) => {
                connections::hook_for_many(&self.service, request.body()).await
            }
            (["api", "connections"], ..) => Err(ApiError::MethodNotAllowed("GET, HEAD, POST")),
            (["api", "connections", id], _, &Method::POST) => {
                connections::hook_for_one(&self.service, id, request.body()).await
            }
            (["api", "connections", _], ..) => Err(ApiError::MethodNotAllowed("POST")),
            (["api", "purge"], _, &Method::POST) => purge::purge(&self.service, request.body()).await,
            (["api", "purge"], ..) => Err(ApiError::MethodNotAllowed("POST")),
            (["api", "warm"], true, _) => Ok(warm::progress(&self.service)),
            (["api", "warm"], _, &Method::POST) => warm::begin(&self.service, request.body()),
            (["api", "warm"], _, &Method::DELETE) => Ok(warm::stop(&self.service).await),
            (["api", "warm"], ..) => Err(ApiError::MethodNotAllowed("GET, HEAD, POST, DELETE")),
            (["api", "redis"], true, _) => admin::redis(&self.service),
            (["api", "redis"], ..) => Err(ApiError::MethodNotAllowed("GET, HEAD")),
            (["api", "events"], true, _) => admin::events(&self.service),
            (["api", "events"], ..) => Err(ApiError::MethodNotAllowed("GET, HEAD")),
            _ => Err(ApiError::NotFound),
        };
        answer.unwrap_or_else(Response::from)
    }
}
