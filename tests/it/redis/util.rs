//! What the tests of this folder share: instances in front of one stand-in and one Redis.

use avatar_proxy::clock::Clock;
use graphsim::Graphsim;

use crate::support::accounts::{FACEBOOK, small};
use crate::support::proxy::{Proxy, START, stand_in};

/// `[redis]` at that URL, with a key of its own.
pub(super) fn redis_at(url: &str) -> String {
    format!("[redis]\nurl = \"{url}\"\nkeys = [\"sha256:the tests' own\"]\n")
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
