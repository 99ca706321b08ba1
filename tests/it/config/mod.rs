//! Every key of config.toml, each with a behaviour that differs between two of its values, seen from outside.

pub(crate) mod avatar;
mod complete;
mod directory;
mod events;
mod headers;
mod json;
mod log;
mod origin;
mod providers;
mod redis;
mod rows;
mod server;
mod stores;
mod util;
