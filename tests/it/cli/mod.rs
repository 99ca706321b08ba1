//! The binary, run as a process.

/// The commands: what they print, where, and how they end.
mod commands;
/// The server: killed, stopped, started twice, on a broken disk.
pub(crate) mod process;
