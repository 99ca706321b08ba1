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
//! | | [`webhook`] | how the dashboard learns of changes |
//! | 2 works | [`origin`], [`directory`], [`store`], [`render`], [`http`] | five neighbours that do not see each other |
//! | 1 words | [`model`] | values: no I/O, no async, no clock |
//! | 0 ground | [`clock`], [`telemetry`], [`task_pool`] | time, logs, where tasks run |
//!
//! # Reading order
//!
//! A request goes down and up again through `routes/mod`, `routes/avatar`, `avatar/service` and `avatar/tiers`; where no
//! picture is cached, on through `avatar/refresh` (`mod`, `leader`, `attempt`), `provider` and `origin/fetch`, and back by
//! `avatar/refresh/settle` and `avatar/tiers/commit`. ARCHITECTURE.md, "What a request passes", lists every file. The
//! documentation of a folder says what its files are, in an order in which to read them.

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
