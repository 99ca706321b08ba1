//! pgbouncer in transaction mode before the tests' PostgreSQL: two server connections for each database.

use std::sync::OnceLock;

use super::postgres;
use super::server::{Server, folder, free_port, program};

/// The port of the one that all tests share.
pub(crate) fn port() -> u16 {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start).port
}

/// One for a test that stops it.
pub(crate) fn start() -> Server {
    let upstream = postgres::port();
    let (folder, port) = (folder("postgres"), free_port());
    let users = folder.join("users.txt");
    std::fs::write(&users, "\"postgres\" \"\"\n\"reader\" \"\"\n").unwrap();
    let config = folder.join("pgbouncer.ini");
    std::fs::write(
        &config,
        format!(
            "[databases]\n* = host=127.0.0.1 port={upstream}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = 2\nmax_client_conn = 300\n",
            users.display()
        ),
    )
    .unwrap();
    let binary = program(&["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]);
    Server::start(&folder, port, "postgres", &[&binary, config.to_str().unwrap()])
}
