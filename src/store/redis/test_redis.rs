//! A Redis server for unit tests, on a free port of the loopback; it dies with its handle.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::config::RedisConfig;
use super::connect::tls::TlsFiles;
use super::connect::{SentinelLogin, Server};
use super::data::seal::Sealer;
use crate::clock::Stopwatch;
use crate::model::Secret;
use crate::model::token::Key;

/// One redis-server.
pub(in crate::store) struct TestRedis {
    child: Child,
    port: u16,
}

impl TestRedis {
    pub(in crate::store) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let server = Self { child, port };
        let watch = Stopwatch::start();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(watch.elapsed() < Duration::from_secs(30), "the server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// How to connect to it.
    pub(super) fn server(&self) -> Server {
        server_at(self.port)
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How to connect to a port of the loopback.
pub(super) fn server_at(port: u16) -> Server {
    let tls = TlsFiles { ca: String::new(), cert: String::new(), key: String::new() };
    let login = SentinelLogin { username: String::new(), password: Secret::new("") };
    let url = Secret::new(format!("redis://127.0.0.1:{port}"));
    Server::new(&url, "avatar-proxy", tls, login).unwrap()
}

/// `[redis]` for a server, with a key of the tests' own.
pub(in crate::store) fn config(server: &TestRedis) -> RedisConfig {
    RedisConfig {
        server: server.server(),
        prefix: "avatar-proxy".to_owned(),
        timeout: Duration::from_secs(1),
        lease: Duration::from_secs(10),
        keep_bytes_for: Duration::from_secs(3600),
        max_value: 1 << 20,
        sealer: Sealer::new(&Key::parse_all(&[Secret::new("sha256:the tests' own")]).unwrap()),
    }
}
