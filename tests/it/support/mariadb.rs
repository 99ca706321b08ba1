//! MariaDB: one server for the whole test binary, a database for each test.

use std::sync::OnceLock;

use super::server::{Server, folder, free_port, program, run};

/// The port of the server; user `root`, no password.
pub(crate) fn port() -> u16 {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start).port
}

fn start() -> Server {
    let (folder, port) = (folder("mysql"), free_port());
    let data = format!("--datadir={}/data", folder.display());
    let install = program(&["/usr/bin/mariadb-install-db", "/usr/local/bin/mariadb-install-db"]);
    run(
        "mysql",
        &[
            &install,
            "--no-defaults",
            &data,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--innodb-flush-log-at-trx-commit=0",
        ],
    );
    let binary = program(&["/usr/sbin/mariadbd", "/usr/local/bin/mariadbd"]);
    let socket = format!("--socket={}/socket", folder.display());
    let pid = format!("--pid-file={}/pid", folder.display());
    Server::start(
        &folder,
        port,
        "mysql",
        &[
            &binary,
            "--no-defaults",
            &data,
            &socket,
            &pid,
            &format!("--port={port}"),
            "--bind-address=127.0.0.1",
            "--skip-networking=0",
            "--innodb-flush-log-at-trx-commit=0",
            "--max-connections=300",
        ],
    )
}
