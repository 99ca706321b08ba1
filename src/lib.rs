//! One stable address for the profile picture of each connected social account: `/avatar/<connection_id>`.
//!
//! # Layout
//!
//! A folder is a noun of the field. A file imports from its own folder and from lower floors; neighbours on a floor do
//! not see each other (`tests/it/floors.rs` holds this true).
//!
//! | floor | folders | what it knows |
//! |---|---|---|
//! | 6 entrance | [`cli`], [`config`], [`app`] | what the operator wants; build all, run, drain |
//! | 5 front | [`routes`] | what this server answers |
//! | 4 service | [`avatar`] | what it means to serve an avatar |
//! | 3 providers | [`provider`] | from a connection to its picture's address |
//! | | [`webhook`] | how the dashboard learns what has happened |
//! | 2 works | [`origin`], [`directory`], [`store`], [`render`], [`http`] | five neighbours, blind to each other |
//! | 1 words | [`model`] | values: no I/O, no async, no clock |
//! | 0 ground | [`clock`], [`telemetry`], [`background`] | time, logs, where work runs |
//!
//! One request goes through six files, down and up again: `routes/mod`, `routes/avatar`, `avatar/service`,
//! `avatar/refresh`, `provider/<kind>`, `origin/fetch`. Read them in this order.

pub mod app;
pub mod avatar;
pub mod cli;
pub mod clock;
pub mod config;
pub mod directory;
pub mod http;
pub mod model;
pub mod origin;
pub mod provider;
pub mod render;
pub mod routes;
pub mod store;
pub mod task_pool;
pub mod telemetry;
pub mod webhook;
