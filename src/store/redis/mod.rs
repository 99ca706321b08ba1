//! The tier that all instances share.

mod cluster;
mod connect_error;
mod connection;
mod dial;
mod sentinel;
mod server;
mod tls;
mod url;

#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod test_redis;
