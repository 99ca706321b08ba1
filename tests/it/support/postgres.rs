//! PostgreSQL: one cluster for the whole test binary, a database for each test.

use std::process::Command;
use std::sync::OnceLock;

use super::server::{Server, folder, free_port, program, run};
use super::wait::until_blocking;

/// The port of the cluster; user `postgres`, no password.
pub(crate) fn port() -> u16 {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start).port
}

fn start() -> Server {
    let bin = |name: &str| {
        let paths: Vec<String> =
            (13..=20).rev().map(|v| format!("/usr/lib/postgresql/{v}/bin/{name}")).collect();
        let mut paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let own = format!("/usr/bin/{name}");
        paths.push(&own);
        program(&paths)
    };
    let (folder, port) = (folder("postgres"), free_port());
    let data = folder.join("data").to_str().unwrap().to_owned();
    run(
        "postgres",
        &[&bin("initdb"), "-D", &data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8"],
    );
    let (port_text, sockets) = (port.to_string(), folder.to_str().unwrap().to_owned());
    let settings =
        ["-c", "fsync=off", "-c", "max_connections=200", "-c", "listen_addresses=127.0.0.1", "-k", &sockets];
    let postgres = bin("postgres");
    let command: Vec<&str> =
        [postgres.as_str(), "-D", &data, "-p", &port_text].into_iter().chain(settings).collect();
    let server = Server::start(&folder, port, "postgres", &command);
    // The port answers before the server takes logins.
    let ready = bin("pg_isready");
    let port = port_text.as_str();
    until_blocking("PostgreSQL takes logins", || {
        Command::new(&ready).args(["-q", "-h", "127.0.0.1", "-p", port]).status().unwrap().success()
    });
    server
}
