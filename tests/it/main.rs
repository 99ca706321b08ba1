//! The integration tests, one binary, over real sockets and real neighbours. A folder here is called like the folder in
//! `src/` that it is about.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here, helpers too"
)]

/// What a viewer sees: the whole server in front of the stand-in.
mod avatar;
/// The demo's page in Chromium: what a person sees.
mod browser;
/// The commands, run as processes: what they print, where, and how they end.
mod cli;
/// Every key of config.toml, each with a behaviour that differs between two of its values.
mod config;
/// Who is behind an id: on PostgreSQL, pgbouncer, MariaDB and SQLite.
mod directory;
/// The manual: links that lead somewhere, and the sections that comments cite.
mod docs;
/// The dashboard is told what has happened, through real sockets to a receiver that may fail.
mod events;
/// The shape of the source itself: who may import whom, and who may use what.
mod floors;
/// The server's sockets: time limits on both versions, drain, what clients may do wrong.
mod http;
/// The ready entries of `providers/`, each in front of a scripted API.
mod json_providers;
/// The server as a process: killed, stopped, started twice, on a broken disk.
mod process;
/// What README promises, row by row.
mod promises;
/// Several instances that share a Redis: one node, Sentinel, a cluster; outages of each.
mod redis;
/// What is answered, header by header: pictures, placeholders, conditions, bad input, the admin port.
pub(crate) mod routes;
/// Nothing that the server says holds a secret.
mod secrets;
/// Neighbours, started on free loopback ports and stopped again.
mod support;
/// `avatar-proxy warm`: every avatar ahead of its first view.
mod warm;
