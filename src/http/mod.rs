//! HTTP: the server's sockets. The only folder that touches hyper's server.
//!
//! Reading order: [`serve`](serve()) accepts, `connection` drives one client and ends it when `activity` says that its
//! time is up, `io` tells `activity` what the client does, `service` guards and carries one request.
//! [`conditional`] is a pure function beside them.

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
