//! PROVIDERS: delivers events to the dashboard, at least once, in order, signed as Standard Webhooks 1.0 asks
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
//!
//! Reading order: [`Sender::run`] in `sender`, `outcome` (what an answer means for the next attempt), `message` (what is
//! sent), `signature`, `sequence` (the number of an event), `status` (what an operator sees), `config`.

mod config;
mod message;
mod outcome;
mod sender;
mod sequence;
mod signature;
mod status;

pub use config::{EventsConfig, EventsWritten};
pub use sender::Sender;
pub use status::{Events, WebhookStatus};
