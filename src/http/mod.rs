//! WORKS: the server's sockets. The only folder that touches hyper's server.
//!
//! In reading order:
//!
//! | file | |
//! |---|---|
//! | `serve`, `listen` | accepts until the shutdown, then drains; where clients connect |
//! | `connection` | drives one client, and closes it when `activity` says that a limit is reached |
//! | `activity`, `io` | how far a client has come; reports the socket's traffic to it |
//! | `service`, `host` | handles one request; checks its host |
//! | `body` | the body of an answer |
//! | `conditional` | conditional requests, a pure function |
//! | `limits` | what a listener allows its clients |
//! | `config`, `error` | `[server]` and `[admin]`; why a listener cannot start |

mod activity;
mod body;
pub mod conditional;
mod config;
mod connection;
mod error;
mod host;
mod io;
mod limits;
mod listen;
mod serve;
mod service;

pub use body::{Body, BodyError, ByteStream};
pub use config::{AdminConfig, AdminWritten, ServerConfig, ServerWritten};
pub use error::ListenError;
pub use host::requested_host;
pub use limits::{BodyLimit, Limits};
pub use listen::{ListenAddress, Listener, Peer};
pub use serve::{Drained, serve};
