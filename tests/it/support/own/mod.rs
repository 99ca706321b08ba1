//! What the tests rely on: servers that start, stop and come back, and a proxy that breaks connections on command.

mod chaos;
mod cluster;
mod redis;
mod sentinel;
