//! The stand-in compared with the real providers' replies: over its own sockets, byte for byte.

mod cdn;
mod client;
mod dashboard;
mod endpoint;
mod faults;
mod graph;
mod quota;
mod telegram;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::{Account, Graphsim, Kind, Options, PictureFile, pictures};

/// 2026-01-01 00:00 UTC.
const START: i64 = 1_767_225_600;
const LIFE: Duration = Duration::from_secs(4 * 24 * 3600);

/// A stand-in and the clock by which it lives.
struct World {
    sim: Graphsim,
    now: Arc<AtomicI64>,
}

impl World {
    async fn start() -> Self {
        let now = Arc::new(AtomicI64::new(START * 1000));
        let clock = now.clone();
        let now_of_sim = Arc::new(move || clock.load(Ordering::SeqCst));
        Self { sim: Graphsim::start(Options { now: now_of_sim, address_life: LIFE }).await, now }
    }

    /// With one account, "1045", whose token is "1:token".
    async fn with(kind: Kind) -> Self {
        let world = Self::start().await;
        world.sim.add(Account::new(kind, "1045", "1:token", picture(1)));
        world
    }

    fn advance(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

fn picture(seed: u32) -> PictureFile {
    pictures::jpeg(seed, 64)
}
