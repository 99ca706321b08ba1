//! The integration tests, one binary, over real sockets and real neighbours. A folder here is called like the folder in
//! `src/` that it is about.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here, helpers too"
)]

/// What a viewer sees: the whole server in front of the stand-in.
mod avatar;
/// The binary, run as a process: its commands, and the server that is killed, stopped and started twice.
mod cli;
/// Every key of config.toml, each with a behaviour that differs between two of its values.
mod config;
/// Looks up the account behind an id: on PostgreSQL, pgbouncer, MariaDB and SQLite.
mod directory;
/// The manual: links that lead somewhere, and the sections that comments cite.
mod docs;
/// The shape of the source itself: which folder may import which, and where a crate may be used.
mod floors;
/// The server's sockets: time limits on both versions, drain, what clients may do wrong.
mod http;
/// What README promises, row by row.
mod promises;
/// How each provider is asked: the ready entries of `providers/`, each in front of a scripted API.
mod provider;
/// The answers, header by header: pictures, placeholders, conditions, bad input, the admin port.
pub(crate) mod routes;
/// Nothing that the server says holds a secret.
mod secrets;
/// A test waits for a condition and never for a time: where a pause may stand, and why.
mod sleeps;
/// The stores through the whole server: several instances that share a Redis, and its outages.
mod store;
/// Neighbours, started on free loopback ports and stopped again.
mod support;
/// `avatar-proxy warm`: every avatar ahead of its first view.
mod warm;
/// Events reach the dashboard through real sockets, although its receiver may fail.
mod webhook;
