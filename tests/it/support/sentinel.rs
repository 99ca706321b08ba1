//! A primary with a replica, and three Sentinels that watch them.

use std::path::Path;
use std::time::Duration;

use super::certificates::Certificates;
use super::redis::{RedisServer, TESTS, USER, plain, tls, with_options};
use super::server::give_to;
use super::wait::until_blocking;

/// What the Sentinels call the primary.
pub(crate) const MASTER: &str = "mymaster";

/// What a client needs to connect.
#[derive(Debug, Clone, Default)]
pub(crate) struct SentinelOptions {
    /// TLS for nodes and Sentinels, without client certificates.
    pub(crate) tls: Option<Certificates>,
    /// User and password of the data nodes; without them every client may connect.
    pub(crate) nodes: Option<(&'static str, &'static str)>,
    /// User and password of the Sentinels themselves.
    pub(crate) sentinels: Option<(&'static str, &'static str)>,
}

/// All five run; they end with this.
pub(crate) struct Sentinels {
    /// The first begins as the primary.
    pub(crate) nodes: [RedisServer; 2],
    pub(crate) sentinels: [RedisServer; 3],
    options: SentinelOptions,
}

impl Sentinels {
    /// Starts them and waits until every Sentinel knows the others and the replica.
    pub(crate) fn start(options: SentinelOptions) -> Self {
        let nodes = [(); 2].map(|()| node(&options));
        let primary = nodes[0].port;
        nodes[1].cli(&["REPLICAOF", "127.0.0.1", &primary.to_string()]);
        until_blocking("the replica is in step", || {
            nodes[1].cli(&["INFO", "replication"]).contains("master_link_status:up")
        });
        let sentinels = [(); 3].map(|()| sentinel(&options, primary));
        let all = Self { nodes, sentinels, options };
        until_blocking("the Sentinels know one another", || all.is_settled());
        all
    }

    /// With the nodes' user and password in it, as a configuration has it.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.options.tls.is_some() { "rediss" } else { "redis" };
        let login =
            self.options.nodes.map_or(String::new(), |(user, password)| format!("{user}:{password}@"));
        let hosts =
            self.sentinels.each_ref().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).join(",");
        format!("{scheme}+sentinel://{login}{hosts}/{MASTER}")
    }

    /// The primary by the word of the first Sentinel that runs.
    pub(crate) fn primary_port(&self) -> u16 {
        let sentinel = self.sentinels.iter().find(|sentinel| sentinel.is_running()).expect("a Sentinel");
        let answer = sentinel.cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER]);
        answer.lines().nth(1).and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
    }

    /// The node that is the primary now.
    pub(crate) fn primary(&self) -> &RedisServer {
        let port = self.primary_port();
        self.nodes.iter().find(|node| node.port == port).expect("one of the nodes")
    }

    /// Ends the primary and gives its port.
    pub(crate) fn kill_primary(&self) -> u16 {
        let primary = self.primary();
        primary.stop();
        primary.port
    }

    /// Has a Sentinel make the replica the primary, and gives the old one's port. A Sentinel gives up now and then, so
    /// it is asked again where nothing comes of it.
    pub(crate) fn failover(&self) -> u16 {
        let old = self.primary_port();
        until_blocking("a Sentinel carries out a failover", || {
            let asked = self.sentinels[0].try_cli(&["SENTINEL", "FAILOVER", MASTER]).is_ok();
            let is_done = |_| {
                std::thread::sleep(Duration::from_millis(20));
                self.primary_port() != old
            };
            asked && (0..200).any(is_done)
        });
        old
    }

    /// Waits until every Sentinel that runs names another primary than the one on `old`, that one takes writes, and the
    /// old one, if it runs, no longer does: what had come through it is lost, and its connections are closed.
    pub(crate) fn wait_for_failover(&self, old: u16) {
        until_blocking("the replica is the primary", || {
            let running = self.sentinels.iter().filter(|sentinel| sentinel.is_running());
            let mut named =
                running.map(|sentinel| sentinel.cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER]));
            named.all(|answer| !answer.ends_with(&format!("\n{old}")))
                && self.primary().try_cli(&["ROLE"]).is_ok_and(|role| role.starts_with("master"))
                && !self.is_primary_still(old)
        });
    }

    fn is_primary_still(&self, port: u16) -> bool {
        let running = self.nodes.iter().filter(|node| node.is_running());
        running.filter(|node| node.port == port).any(|node| node.cli(&["ROLE"]).starts_with("master"))
    }

    fn is_settled(&self) -> bool {
        self.sentinels.iter().all(|sentinel| {
            let told = sentinel.cli(&["SENTINEL", "MASTER", MASTER]);
            let told: Vec<&str> = told.lines().collect();
            let is = |name: &str, value: &str| told.chunks_exact(2).any(|pair| *pair == [name, value]);
            let replica = sentinel.cli(&["SENTINEL", "REPLICAS", MASTER]);
            is("flags", "master")
                && is("num-slaves", "1")
                && is("num-other-sentinels", "2")
                && replica.contains("\nflags\nslave\n")
                && replica.contains("master-link-status\nok")
        })
    }
}

fn node(options: &SentinelOptions) -> RedisServer {
    let arguments = |port: u16, _: &Path| {
        let own = match &options.tls {
            Some(certificates) => tls(port, certificates, false),
            None => plain(port),
        };
        let Some((user, password)) = options.nodes else { return own };
        let secret = format!(">{password}");
        let login = ["--user", "default", "off", "--user", user, "on", &secret, "~*", "&*", "+@all"];
        // Each may be the replica some day.
        with_options(with_options(own, &login), &["--masteruser", user, "--masterauth", password])
    };
    RedisServer::launch(None, scheme(options), arguments)
}

/// A Sentinel writes what it learns into its file of settings.
fn sentinel(options: &SentinelOptions, primary: u16) -> RedisServer {
    let sentinel = RedisServer::launch(None, scheme(options), |port, folder| {
        let file = folder.join("sentinel.conf");
        std::fs::write(&file, settings(options, port, primary)).unwrap();
        give_to(USER, &file);
        vec![file.display().to_string(), "--sentinel".to_owned()]
    });
    // It speaks to its neighbours every second or every ten, which is long for a test. What it knows is good for three
    // or five such periods, and a promoted node is sent back unless its promotion is published within four.
    for (period, millis) in
        [("info-period", "300"), ("ping-period", "300"), ("ask-period", "100"), ("publish-period", "500")]
    {
        sentinel.cli(&["SENTINEL", "DEBUG", period, millis]);
    }
    sentinel
}

fn settings(options: &SentinelOptions, port: u16, primary: u16) -> String {
    let mut lines = vec![
        "bind 127.0.0.1".to_owned(),
        format!("user {}", TESTS.join(" ")),
        format!("sentinel monitor {MASTER} 127.0.0.1 {primary} 2"),
        format!("sentinel down-after-milliseconds {MASTER} 500"),
        format!("sentinel failover-timeout {MASTER} 2000"),
    ];
    match &options.tls {
        Some(certificates) => lines.extend([
            format!("port 0\ntls-port {port}\ntls-replication yes\ntls-auth-clients no"),
            format!("tls-cert-file {}", certificates.server_cert.display()),
            format!("tls-key-file {}", certificates.server_key.display()),
            format!("tls-ca-cert-file {}", certificates.ca.display()),
        ]),
        None => lines.push(format!("port {port}")),
    }
    if let Some((user, password)) = options.nodes {
        lines.push(format!("sentinel auth-user {MASTER} {user}\nsentinel auth-pass {MASTER} {password}"));
    }
    if let Some((user, password)) = options.sentinels {
        lines.push(format!("user default off\nuser {user} on >{password} &* +@all"));
        lines.push(format!("sentinel sentinel-user {user}\nsentinel sentinel-pass {password}"));
    }
    lines.join("\n") + "\n"
}

fn scheme(options: &SentinelOptions) -> &'static str {
    if options.tls.is_some() { "rediss" } else { "redis" }
}
