//! HTTP: the server's sockets. The only folder that touches hyper's server.
//!
//! Reading order: [`serve`](serve()) accepts, `connection` drives one client and closes it when `activity` reports that a
//! limit is reached, `io` reports the socket's traffic to `activity`, `service` handles one request, whose host `host`
//! checks. [`conditional`] is a pure function beside them.

mod activity;
mod body;
pub mod conditional;
mod config;
mod connection;
mod error;
mod host;
mod io;
mod listen;
mod serve;
mod service;

pub use body::{Body, BodyError, ByteStream};
pub use config::{AdminConfig, AdminWritten, ServerConfig, ServerWritten};
pub use error::ListenError;
pub use host::requested_host;
pub use listen::{ListenAddress, Listener, Peer};
pub use serve::{BodyLimit, Drained, Limits, serve};
