//! SERVICE: what it means to serve an avatar: look up, decide, refresh, fall back.
//!
//! `service` answers a request, `refresh` climbs the ladder of DESIGN 3, `flight` and `queue` see to it that one avatar
//! is refreshed once at a time and not too many are.

mod attempt;
mod backlog;
mod config;
mod expiring;
mod filling;
mod flight;
mod gone;
mod happened;
mod inspect;
mod kept;
mod lead;
mod listen;
mod looks;
mod outcome;
mod pauses;
mod purge;
mod queue;
mod refresh;
mod row;
mod seldom;
mod served;
mod service;
mod shared;
mod sweep;
mod told;
mod turn;
mod urgency;
mod warm;

pub use backlog::BacklogFull;
pub use config::{AvatarConfig, AvatarWritten};
pub use filling::{Broken, Filling};
pub use inspect::Inspection;
pub use purge::PurgeReport;
pub use served::Served;
pub use service::{Parts, Service};
pub use sweep::Swept;
pub use told::Backlogged;
pub use warm::{WarmRate, WarmRefused, WarmState, WarmStatus, Warmer};

#[cfg(test)]
mod queue_tests;
