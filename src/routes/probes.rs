//! The three probes, on both ports. They never depend on a provider or on the database: an outage there must not take away
//! instances that still serve stored avatars.

use std::sync::atomic::Ordering;

use hyper::{Response, StatusCode};

use super::json::json;
use super::site::Site;
use crate::http::Body;
use crate::store::Health;

/// `/healthz`, `/livez`: the process is alive.
pub(super) fn alive() -> Response<Body> {
    json(StatusCode::OK, r#"{"status":"ok"}"#.to_owned())
}

/// `/readyz`: whether the instance takes requests; 503 while it drains. `degraded` means that an operator should look. Only
/// the admin port says why, since the reason names files and hosts.
pub(super) fn ready(site: &Site, why: bool) -> Response<Body> {
    if site.draining.load(Ordering::Relaxed) {
        return json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"draining"}"#.to_owned());
    }
    let mut body = serde_json::json!({ "status": "ready" });
    let snapshot = site.service.snapshot();
    for (what, health) in [("disk", snapshot.disk), ("redis", snapshot.redis), ("events", snapshot.webhooks)]
    {
        if let Health::Degraded(reason) = health {
            body["status"] = "degraded".into();
            if why {
                body[what] = reason.into();
            }
        }
    }
    json(StatusCode::OK, body.to_string())
}
