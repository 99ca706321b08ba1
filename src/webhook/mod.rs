//! PROVIDERS: the dashboard is told what has happened, at least once, in order, signed after Standard Webhooks 1.0
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
//!
//! Reading order: [`Sender::run`] in `sender`, `backoff` (when the next attempt may start), `message` (what is sent, and
//! its signature), `sequence` (the number of an event), `status` (what an operator sees).

mod backoff;
mod config;
mod message;
mod sender;
mod sequence;
mod signature;
mod status;

pub use config::{EventsConfig, EventsWritten};
pub use sender::Sender;
pub use status::{Events, Receiver, Status};
