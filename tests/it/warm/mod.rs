//! Warming: every avatar ahead of its first view.

/// `/api/warm`: what a walk does in the server.
mod api;
/// `avatar-proxy warm`: what the command shows of it.
mod command;
/// Walks over restarts of the server.
mod restart;
/// A dashboard with many connections, its server, and the command.
mod world;
