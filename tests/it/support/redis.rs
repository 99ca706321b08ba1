//! Redis: a node of a test's own, which it may stop, pause and start again.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::{Connection, RedisError, RedisResult, Value};

use super::certificates::Certificates;
use super::server::{Server, lasting_folder, log, program, quiet_port};
use super::wait::until_blocking;

/// Whom the servers run as.
pub(crate) const USER: &str = "redis";
/// The tests' own login on every server: it may do all, whatever else the server asks of others.
pub(crate) const TESTS: [&str; 6] = ["tests", "on", ">tests", "~*", "&*", "+@all"];
/// No command of the tests takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A node on a loopback port and on a unix socket. All that starts it again is kept, so it comes back as it was, but
/// empty.
pub(crate) struct RedisServer {
    pub(crate) port: u16,
    pub(crate) folder: PathBuf,
    scheme: &'static str,
    arguments: Vec<String>,
    process: Mutex<Option<Server>>,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more options, each word by itself: `["--requirepass", "secret"]`, `["--user", "proxy", "on", ">secret",
    /// "~avatar:*", "+get"]`. An aclfile must hold the user of [`TESTS`], since Redis takes users from one place only.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::launch(None, "redis", |port, _| with_options(plain(port), options))
    }

    /// On the port that a test has chosen, by [`quiet_port`] for one that stays free.
    pub(crate) fn start_on(port: u16, options: &[&str]) -> Self {
        Self::launch(Some(port), "redis", |port, _| with_options(plain(port), options))
    }

    /// Speaks TLS alone.
    pub(crate) fn start_tls(certificates: &Certificates, client_certificate_required: bool) -> Self {
        Self::launch(None, "rediss", |port, _| tls(port, certificates, client_certificate_required))
    }

    /// Starts a node with what `arguments` makes of the port and of the node's folder, which may hold a file of
    /// settings. Another takes the port meanwhile: the next one is tried, unless it must be this port.
    pub(crate) fn launch(
        port: Option<u16>,
        scheme: &'static str,
        arguments: impl Fn(u16, &Path) -> Vec<String>,
    ) -> Self {
        let mut said = String::new();
        for _ in 0..20 {
            let port = port.unwrap_or_else(quiet_port);
            let folder = lasting_folder(USER);
            let arguments = arguments(port, &folder);
            let server = Self { port, folder, scheme, arguments, process: Mutex::new(None) };
            match server.begin() {
                Ok(()) => return server,
                Err(log) => said = log,
            }
        }
        panic!("redis-server does not start: {said}");
    }

    /// Starts the process and waits until it answers; what it said if it ends instead.
    fn begin(&self) -> Result<(), String> {
        let run = self.folder.join("run");
        std::fs::create_dir_all(&run).unwrap();
        let binary = program(&["/usr/bin/redis-server", "/usr/local/bin/redis-server"]);
        let (socket, folder) = (self.socket().display().to_string(), self.folder.display().to_string());
        let mut command = vec![binary.as_str()];
        command.extend(self.arguments.iter().map(String::as_str));
        command.extend(["--unixsocket", &socket, "--unixsocketperm", "777", "--dir", &folder]);
        let server = Server::launch(&run, self.port, USER, &command);
        // The socket is opened after the port, and no other server can answer there.
        for _ in 0..6000 {
            if self.connection().is_ok() {
                *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
                return Ok(());
            }
            if server.has_ended() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(log(&run))
    }

    /// Ends the process, if it runs, as a power cut does.
    pub(crate) fn stop(&self) {
        drop(self.process.lock().unwrap().take());
    }

    /// Starts it again on its port.
    pub(crate) fn start_again(&self) {
        assert!(self.process.lock().unwrap().is_none(), "it runs");
        // The kernel may hold the port for a moment.
        until_blocking("the node starts again on its port", || self.begin().is_ok());
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.lock().unwrap().as_ref().is_some_and(|server| !server.has_ended())
    }

    /// Sends a signal by name: `STOP` makes it accept and never answer, `CONT` ends that.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        self.process.lock().unwrap().as_ref().expect("a running server").signal(name);
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    pub(crate) fn url_as(&self, user: &str, password: &str) -> String {
        format!("{}://{user}:{password}@127.0.0.1:{}", self.scheme, self.port)
    }

    pub(crate) fn socket_url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// A connection by the unix socket, as the user of [`TESTS`].
    pub(crate) fn connection(&self) -> RedisResult<Connection> {
        let client = redis::Client::open(format!("{}?user=tests&pass=tests", self.socket_url()))?;
        let connection = client.get_connection()?;
        connection.set_read_timeout(Some(PATIENCE))?;
        Ok(connection)
    }

    /// The answer to one command: as text, a list line by line, nil as nothing.
    #[track_caller]
    pub(crate) fn cli(&self, words: &[&str]) -> String {
        self.try_cli(words).unwrap_or_else(|e| panic!("{words:?} on {}: {e}", self.port))
    }

    pub(crate) fn try_cli(&self, words: &[&str]) -> Result<String, RedisError> {
        let answer: Value = redis::cmd(words[0]).arg(&words[1..]).query(&mut self.connection()?)?;
        Ok(text(&answer))
    }

    /// The names of all keys, in every database, in order.
    #[track_caller]
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut connection = self.connection().unwrap();
        let databases = self.cli(&["INFO", "keyspace"]);
        let databases = databases.lines().filter_map(|line| line.strip_prefix("db")?.split_once(':'));
        let mut keys = Vec::new();
        for (database, _) in databases {
            // Only where there is more than one, since a cluster knows no SELECT.
            if database != "0" {
                redis::cmd("SELECT").arg(database).exec(&mut connection).unwrap();
            }
            keys.extend(redis::cmd("KEYS").arg("*").query::<Vec<String>>(&mut connection).unwrap());
        }
        keys.sort();
        keys
    }

    /// How often a command was called, by its name in small letters: `get`, or `client|list`.
    #[track_caller]
    pub(crate) fn command_calls(&self, command: &str) -> u64 {
        let prefix = format!("cmdstat_{command}:calls=");
        let stats = self.cli(&["INFO", "commandstats"]);
        let calls = stats.lines().find_map(|line| line.strip_prefix(&prefix)?.split(',').next());
        calls.map_or(0, |calls| calls.parse().unwrap())
    }

    /// The others that are connected, each with what `CLIENT LIST` tells of it.
    #[track_caller]
    pub(crate) fn clients(&self) -> Vec<String> {
        let list = self.cli(&["CLIENT", "LIST"]);
        list.lines().filter(|line| !line.contains(" user=tests ")).map(str::to_owned).collect()
    }
}

/// A node that keeps nothing, on a port without TLS.
pub(crate) fn plain(port: u16) -> Vec<String> {
    with_options(base(), &["--port", &port.to_string()])
}

/// The same, on a port with TLS alone; what nodes say to one another is encrypted as well.
pub(crate) fn tls(port: u16, certificates: &Certificates, client_certificate_required: bool) -> Vec<String> {
    let path = |path: &Path| path.display().to_string();
    let clients = if client_certificate_required { "yes" } else { "no" };
    let options = [
        ["--port", "0"],
        ["--tls-port", &port.to_string()],
        ["--tls-cert-file", &path(&certificates.server_cert)],
        ["--tls-key-file", &path(&certificates.server_key)],
        ["--tls-ca-cert-file", &path(&certificates.ca)],
        ["--tls-auth-clients", clients],
        ["--tls-replication", "yes"],
    ];
    with_options(base(), options.as_flattened())
}

fn base() -> Vec<String> {
    let options =
        ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"];
    with_options(with_options(Vec::new(), &options), &[&["--user"], &TESTS[..]].concat())
}

pub(crate) fn with_options(mut arguments: Vec<String>, options: &[&str]) -> Vec<String> {
    arguments.extend(options.iter().map(|word| (*word).to_owned()));
    arguments
}

fn text(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join("\n"),
        other => redis::from_redis_value_ref(other).unwrap_or_else(|_| format!("{other:?}")),
    }
}
