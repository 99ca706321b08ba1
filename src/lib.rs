//! One stable address for the profile picture of each connected social account.

pub mod cli;
pub mod clock;
pub mod config;
pub mod directory;
pub mod http;
pub mod model;
pub mod telemetry;
