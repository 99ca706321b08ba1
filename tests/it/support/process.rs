//! The server as a process, as an operator runs it.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::client::{self, Answer};
use super::proxy::{base_config, merged};
use super::server::quiet_port;
use super::wait::{until, until_some};
use graphsim::Graphsim;

/// The binary that is under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_avatar-proxy");

/// A running server; it is killed when the test ends.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    log: PathBuf,
}

impl Process {
    /// Starts it in `folder`, with `extra` merged over the base settings, and waits until it answers.
    pub(crate) async fn start(
        sim: &Graphsim,
        folder: &Path,
        extra: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        Self::launch(sim, folder, extra, environment).listening().await
    }

    /// Waits until it answers.
    async fn listening(mut self) -> Self {
        until("the process listens", async || {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended at once: {}", self.log());
            tokio::net::TcpStream::connect(self.address).await.is_ok()
        })
        .await;
        self
    }

    /// Starts it and waits for nothing.
    pub(crate) fn launch(sim: &Graphsim, folder: &Path, extra: &str, environment: &[(&str, &str)]) -> Self {
        Self::launch_by(Command::new(BINARY), sim, folder, extra, environment)
    }

    /// Starts it with a file system of its own at `folder/small`, of that many bytes; it goes with the process.
    pub(crate) async fn start_with_small_disk(
        sim: &Graphsim,
        folder: &Path,
        extra: &str,
        bytes: u64,
    ) -> Self {
        let small = folder.join("small");
        std::fs::create_dir_all(&small).unwrap();
        // In a name space of its own a process need not be root to mount.
        let mut command = Command::new("unshare");
        let mount = r#"mount -t tmpfs -o "size=$1" tmpfs "$2" && shift 2 && exec "$@""#;
        command.args(["-rm", "sh", "-c", mount, "sh", &bytes.to_string()]).arg(&small).arg(BINARY);
        let disk = format!("[disk]\npath = \"{}\"\n", small.join("avatar-proxy.db").display());
        Self::launch_by(command, sim, folder, &merged(extra, &disk), &[]).listening().await
    }

    /// A path as this process sees it.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        Path::new("/proc")
            .join(self.child.id().to_string())
            .join("root")
            .join(path.strip_prefix("/").unwrap())
    }

    fn launch_by(
        mut command: Command,
        sim: &Graphsim,
        folder: &Path,
        extra: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let (address, admin) = (quiet_address(), quiet_address());
        let ports = format!("[server]\nlisten = \"{address}\"\n[admin]\nlisten = \"{admin}\"\n");
        let config = merged(&merged(&base_config(sim, folder), &ports), extra);
        let file = folder.join(format!("config-{}.toml", address.port()));
        let log = folder.join(format!("log-{}", address.port()));
        std::fs::write(&file, config).unwrap();
        let child = command
            .arg("--config")
            .arg(&file)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::options().create(true).append(true).open(&log).unwrap())
            .stderr(File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .expect("the binary starts");
        Self { child, address, admin, log }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        client::request(self.address, "GET", target, "").await
    }

    /// Everything it has said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Its end, within ten seconds.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        until_some("the process ends", async || self.child.try_wait().unwrap()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn quiet_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], quiet_port()))
}
