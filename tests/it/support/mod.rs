//! The neighbours of the tests: real servers on free loopback ports, in folders of their own, that end with the tests.

pub(crate) mod accounts;
pub(crate) mod certificates;
pub(crate) mod chaos;
pub(crate) mod chromium;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod dashboard;
pub(crate) mod mariadb;
pub(crate) mod names;
pub(crate) mod pgbouncer;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod scene;
pub(crate) mod sentinel;
pub(crate) mod server;
pub(crate) mod standardwebhooks;
pub(crate) mod wait;
pub(crate) mod webhooks;

/// The neighbours themselves: a test that relies on a broken one proves nothing.
mod own;
