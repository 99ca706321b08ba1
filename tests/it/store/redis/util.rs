//! What the tests of this folder share: instances in front of one stand-in and one Redis.

use std::net::SocketAddr;
use std::time::Duration;

use avatar_proxy::clock::Clock;
use graphsim::Graphsim;
use serde_json::Value;

use crate::support::accounts::{FACEBOOK, INSTAGRAM, TELEGRAM, small};
use crate::support::chaos::Chaos;
use crate::support::client::Answer;
use crate::support::proxy::{Proxy, START, stand_in};
use crate::support::redis::RedisServer;
pub(super) use crate::support::wait::until;

/// Later than a picture is fresh.
pub(super) const STALE: Duration = Duration::from_secs(6 * 3600 + 1);

/// `[redis]` at that URL, with a key of its own.
pub(super) fn redis_at(url: &str) -> String {
    format!("[redis]\nurl = \"{url}\"\nkeys = [\"sha256:the tests' own\"]\ntimeout = \"1s\"\n")
}

/// A stand-in in which the Facebook page has a picture, and the clock of all.
pub(super) async fn world() -> (Graphsim, Clock) {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    (sim, clock)
}

/// An instance that knows the Facebook page; `extra` may end in tables.
pub(super) async fn instance(sim: &Graphsim, clock: &Clock, extra: &str) -> Proxy {
    Proxy::start(sim, clock, &format!("{extra}{}", FACEBOOK.entry(""))).await
}

/// Some instances on one Redis.
pub(super) struct Together {
    pub(super) sim: Graphsim,
    pub(super) clock: Clock,
    pub(super) redis: RedisServer,
    pub(super) instances: Vec<Proxy>,
}

/// `count` instances that know an account of each provider; `extra` is merged over `[redis]`.
pub(super) async fn together(count: usize, extra: &str) -> Together {
    let (sim, clock) = world().await;
    INSTAGRAM.add(&sim, small(3));
    TELEGRAM.add(&sim, small(4));
    let redis = RedisServer::start();
    let mut instances = Vec::new();
    for _ in 0..count {
        instances.push(on(&sim, &clock, &redis.url(), extra).await);
    }
    Together { sim, clock, redis, instances }
}

/// An instance on the Redis at that URL.
pub(super) async fn on(sim: &Graphsim, clock: &Clock, url: &str, extra: &str) -> Proxy {
    let settings = crate::support::proxy::merged(&redis_at(url), extra);
    let entries = [INSTAGRAM, FACEBOOK, TELEGRAM].map(|connected| connected.entry("")).concat();
    let proxy = Proxy::start(sim, clock, &format!("{settings}{entries}")).await;
    until("it is subscribed", async || status(&proxy).await["subscribed"] == true).await;
    proxy
}

/// A proxy in front of a Redis that can be disturbed, and its URL.
pub(super) fn disturbed(redis: &RedisServer) -> (Chaos, String) {
    let chaos = Chaos::start(SocketAddr::from(([127, 0, 0, 1], redis.port)));
    let url = format!("redis://{}", chaos.address());
    (chaos, url)
}

/// What `GET /api/redis` says.
pub(super) async fn status(proxy: &Proxy) -> Value {
    serde_json::from_slice(&proxy.admin("GET", "/api/redis").await.body).expect("JSON")
}

/// The body as JSON.
#[track_caller]
pub(super) fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&answer.body)))
}
