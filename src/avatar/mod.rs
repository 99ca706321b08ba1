//! SERVICE: what it means to serve an avatar: look up, decide, refresh, fall back.
//!
//! A request goes through `service` (the facade), which asks `tiers` (memory, disk and Redis behind one noun), `refresh` (one
//! attempt at a time, shared by its waiters) and makes a `reply`. `purge` and `jobs` work behind it. Each folder imports only
//! those before it: tiers, purge, refresh, jobs, service.

mod config;
mod inspect;
mod jobs;
mod purge;
mod refresh;
mod reply;
mod service;
mod snapshot;
mod tiers;

pub use config::{AvatarConfig, AvatarWritten};
pub use inspect::{Inspection, PictureFacts, TroubleFacts};
pub use jobs::{
    HookProgress, JobQueueFull, Jobs, SweepReport, WarmRate, WarmRefused, WarmState, WarmStatus, Warmer,
};
pub use purge::{PurgeReport, Purger};
pub use refresh::{StreamBroken, StreamBuffer};
pub use reply::Reply;
pub use service::{Parts, Service};
pub use snapshot::Snapshot;
pub use tiers::TiersParts;
