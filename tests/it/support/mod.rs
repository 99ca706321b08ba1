//! The neighbours of the tests: real servers on free loopback ports, in folders of their own, that end with the tests.

pub(crate) mod accounts;
pub(crate) mod chromium;
pub(crate) mod client;
pub(crate) mod dashboard;
pub(crate) mod mariadb;
pub(crate) mod pgbouncer;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod server;
