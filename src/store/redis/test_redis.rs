//! Redis servers of their own for these tests, on free ports of the loopback; they die with their handle.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::config::RedisConfig;
use super::connect::tls::TlsFiles;
use super::connect::{SentinelLogin, Server};
use super::data::seal::Sealer;
use crate::clock::Stopwatch;
use crate::model::Secret;
use crate::model::token::Key;

/// One redis-server or sentinel.
pub(in crate::store) struct TestRedis {
    child: Child,
    /// Its configuration and log; gone with it.
    _folder: tempfile::TempDir,
    /// What redis-cli logs in with; empty is none.
    password: String,
    pub(super) port: u16,
}

impl TestRedis {
    /// A server without TLS, with `lines` added to its configuration.
    pub(in crate::store) fn start(lines: &str) -> Self {
        let port = free_port();
        Self::spawn(port, &format!("port {port}\nsave \"\"\n{lines}"), &[])
    }

    /// A server that speaks TLS alone.
    pub(super) fn start_tls(certificates: &Certificates, lines: &str) -> Self {
        let port = free_port();
        Self::spawn(port, &format!("{}save \"\"\n{lines}", certificates.server_lines(port)), &[])
    }

    pub(super) fn sentinel(lines: &str) -> Self {
        let port = free_port();
        Self::spawn(port, &format!("port {port}\n{lines}"), &["--sentinel"])
    }

    pub(super) fn sentinel_tls(certificates: &Certificates, lines: &str) -> Self {
        let port = free_port();
        Self::spawn(port, &format!("{}{lines}", certificates.server_lines(port)), &["--sentinel"])
    }

    fn spawn(port: u16, lines: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("redis.conf");
        let dir = folder.path().display();
        std::fs::write(&config, format!("bind 127.0.0.1\ndir {dir}\nlogfile {dir}/log\n{lines}\n")).unwrap();
        let child = Command::new("redis-server")
            .arg(&config)
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let password =
            lines.lines().find_map(|line| line.strip_prefix("requirepass ")).unwrap_or("").to_owned();
        let server = Self { child, _folder: folder, password, port };
        wait_until("the server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    pub(super) fn at(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What redis-cli prints.
    pub(super) fn cli(&self, arguments: &[&str]) -> String {
        let port = self.port.to_string();
        let mut command = Command::new("redis-cli");
        if !self.password.is_empty() {
            command.env("REDISCLI_AUTH", &self.password);
        }
        let output = command.args(["-p", &port]).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// From now on it takes what comes and answers nothing.
    pub(super) fn hang(&self) {
        let stopped = Command::new("kill").args(["-STOP", &self.child.id().to_string()]).status();
        assert!(stopped.unwrap().success());
    }

    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `[redis]` for a server, with a key of the tests' own.
pub(in crate::store) fn config(server: &TestRedis) -> RedisConfig {
    let tls = TlsFiles { ca: String::new(), cert: String::new(), key: String::new() };
    let login = SentinelLogin { username: String::new(), password: Secret::new("") };
    let url = Secret::new(format!("redis://{}", server.at()));
    RedisConfig {
        server: Server::new(&url, "avatar-proxy", tls, login).unwrap(),
        prefix: "avatar-proxy".to_owned(),
        timeout: Duration::from_secs(1),
        lease: Duration::from_secs(10),
        keep_bytes_for: Duration::from_secs(3600),
        max_value: 1 << 20,
        sealer: Sealer::new(&Key::parse_all(&[Secret::new("sha256:the tests' own")]).unwrap()),
    }
}

/// A private CA, with one certificate for every server and client.
pub(super) struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    pub(super) fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        // OpenSSL takes a certificate whose issuer has its own name for one that signed itself.
        params.distinguished_name.push(rcgen::DnType::CommonName, "the private CA");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf =
            rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        std::fs::write(folder.path().join("cert.pem"), leaf.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        Self { folder }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn server_lines(&self, port: u16) -> String {
        let [ca, cert, key] =
            ["ca.pem", "cert.pem", "key.pem"].map(|name| self.path(name).display().to_string());
        format!(
            "port 0\ntls-port {port}\ntls-ca-cert-file {ca}\ntls-cert-file {cert}\ntls-key-file {key}\n\
             tls-auth-clients yes\ntls-replication yes\n"
        )
    }
}

/// Free now; the loopback's own choice, so that tests beside each other rarely meet.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[track_caller]
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let watch = Stopwatch::start();
    while !is_so() {
        assert!(watch.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Six nodes: three primaries, each with one replica.
pub(super) struct TestCluster {
    /// The primaries first; the replica of `nodes[n]` is `nodes[n + 3]`.
    pub(super) nodes: Vec<TestRedis>,
}

impl TestCluster {
    pub(super) fn start(lines: &str) -> Self {
        let start = |_| {
            let bus = free_port();
            TestRedis::start(&format!(
                "cluster-enabled yes\ncluster-port {bus}\ncluster-node-timeout 1000\n\
                 cluster-replica-validity-factor 0\n{lines}"
            ))
        };
        let nodes: Vec<TestRedis> = (0..6).map(start).collect();
        for (node, slots) in nodes.iter().zip([["0", "5460"], ["5461", "10922"], ["10923", "16383"]]) {
            assert_eq!(node.cli(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]).trim(), "OK");
        }
        for (epoch, node) in nodes.iter().enumerate() {
            node.cli(&["CLUSTER", "SET-CONFIG-EPOCH", &(epoch + 1).to_string()]);
        }
        for node in &nodes[1..] {
            let bus = node.cli(&["CONFIG", "GET", "cluster-port"]);
            let bus = bus.lines().nth(1).unwrap();
            nodes[0].cli(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), bus]);
        }
        let knows_all = |node: &TestRedis| node.cli(&["CLUSTER", "INFO"]).contains("cluster_known_nodes:6");
        wait_until("all nodes know each other", || nodes.iter().all(knows_all));
        for (replica, primary) in nodes[3..].iter().zip(&nodes) {
            let id = primary.cli(&["CLUSTER", "MYID"]);
            wait_until("the replica knows its primary", || {
                replica.cli(&["CLUSTER", "REPLICATE", id.trim()]).trim() == "OK"
            });
        }
        let is_whole = |node: &TestRedis| {
            node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
                && node.cli(&["CLUSTER", "NODES"]).matches(" slave ").count()
                    + node.cli(&["CLUSTER", "NODES"]).matches("myself,slave ").count()
                    == 3
        };
        wait_until("the cluster is whole", || nodes.iter().all(is_whole));
        let follows = |node: &TestRedis| node.cli(&["INFO", "replication"]).contains("master_link_status:up");
        wait_until("the replicas follow", || nodes[3..].iter().all(follows));
        Self { nodes }
    }
}
