//! The directory over PostgreSQL, pgbouncer, MariaDB and SQLite.

mod contract; // what holds on all four
pub(crate) mod database; // a database of one's own on each of the four
mod postgres;
mod walk; // schema=, query plans, pgbouncer's pool of two, a server that hangs
