//! A server process that cannot outlive the test binary.

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::wait::until_blocking;

/// Starts `"$@"` and ends it when its own input does: with the test binary, however that ends. It is in a process group
/// of its own, so that a Ctrl-C meant for the tests leaves it to clean up.
const WATCHDOG: &str = r#"
folder=$1; shift
"$@" </dev/null >"$folder/log" 2>&1 &
pid=$!
echo $pid
cat >/dev/null
# A test may have killed it long ago, and its number may be that of another process now.
status() { grep -q "$1" /proc/$pid/status 2>/dev/null; }
alive() { status "^PPid:[[:space:]]*$$\$" && ! status "^State:[[:space:]]*Z"; }
if alive; then kill -CONT $pid; kill -QUIT $pid; fi
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do alive || break; sleep 0.05; done
if alive; then kill -KILL $pid; fi
rm -rf "$folder"
"#;

/// Removes a folder when its own input ends. The servers that live in it end at the same time.
const SWEEPER: &str = r#"cat >/dev/null; for i in 1 2 3; do sleep 1; rm -rf "$1" && break; done"#;

pub(crate) struct Server {
    watchdog: Child,
    pub(crate) pid: u32,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a server in its folder and waits until its port answers.
    pub(crate) fn start(folder: &Path, port: u16, user: &str, command: &[&str]) -> Self {
        let server = Self::launch(folder, port, user, command);
        until_blocking(&format!("{} answers", command[0]), || {
            assert!(!server.has_ended(), "{} has ended: {}", command[0], log(folder));
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        });
        server
    }

    /// Starts a server in its folder and waits for nothing.
    pub(crate) fn launch(folder: &Path, port: u16, user: &str, command: &[&str]) -> Self {
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(folder)
            .args(as_user(user))
            .args(command)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(watchdog.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { watchdog, pid: line.trim().parse().unwrap(), port }
    }

    pub(crate) fn has_ended(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        stat.rsplit_once(')').is_none_or(|(_, rest)| rest.starts_with(" Z"))
    }

    /// Sends a signal by name to this process alone.
    pub(crate) fn signal(&self, name: &str) {
        assert!(
            Command::new("kill")
                .args([&format!("-{name}"), &self.pid.to_string()])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A port that was free a moment ago and that no client's connection takes by chance: it lies below the range that the
/// kernel gives out by itself. No two calls return the same, so a server that is stopped can have its port again.
pub(crate) fn quiet_port() -> u16 {
    const PORTS: std::ops::Range<u16> = 10_240..32_000;
    static NEXT: OnceLock<AtomicU32> = OnceLock::new();
    // Test binaries that run side by side begin far from each other.
    let next = NEXT.get_or_init(|| AtomicU32::new(std::process::id().wrapping_mul(7919)));
    loop {
        let step = next.fetch_add(1, Ordering::Relaxed) % PORTS.len() as u32;
        let port = PORTS.start + u16::try_from(step).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A folder that `user` owns; the server's watchdog removes it.
pub(crate) fn folder(user: &str) -> PathBuf {
    let folder = tempfile::Builder::new().prefix("avatar-proxy-").tempdir().unwrap().keep();
    give_to(user, &folder);
    folder
}

/// Makes a file or folder the user's own, where this is root.
pub(crate) fn give_to(user: &str, path: &Path) {
    if is_root() {
        assert!(Command::new("chown").arg(user).arg(path).status().unwrap().success());
    }
}

/// A folder that `user` owns and that no server's end removes, but the end of the test binary does.
pub(crate) fn lasting_folder(user: &str) -> PathBuf {
    static ROOT: OnceLock<(PathBuf, Child)> = OnceLock::new();
    let (root, _) = ROOT.get_or_init(|| {
        let root = tempfile::Builder::new().prefix("avatar-proxy-").tempdir().unwrap().keep();
        std::fs::set_permissions(&root, Permissions::from_mode(0o711)).unwrap();
        let mut sweeper = Command::new("sh");
        sweeper.args(["-c", SWEEPER, "sweeper"]).arg(&root).process_group(0).stdin(Stdio::piped());
        // The tests' own output is not to be held open for the second that this outlives them.
        let sweeper = sweeper.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        (root, sweeper)
    });
    let folder = tempfile::Builder::new().tempdir_in(root).unwrap().keep();
    give_to(user, &folder);
    folder
}

/// What a server has said.
pub(crate) fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// Runs a command to its end, as that user where this is root.
#[track_caller]
pub(crate) fn run(user: &str, command: &[&str]) {
    let words: Vec<String> =
        as_user(user).into_iter().chain(command.iter().map(|w| (*w).to_owned())).collect();
    let output = Command::new(&words[0]).args(&words[1..]).current_dir("/").output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The first of these programs that is there.
#[track_caller]
pub(crate) fn program(candidates: &[&str]) -> String {
    let found = candidates.iter().find(|path| Path::new(path).is_file());
    match found {
        Some(path) => (*path).to_owned(),
        None => panic!("none of {candidates:?} is installed: run tests/run, which installs it"),
    }
}

/// Databases refuse to run as root.
fn as_user(user: &str) -> Vec<String> {
    if !is_root() {
        return Vec::new();
    }
    ["setpriv", &format!("--reuid={user}"), &format!("--regid={user}"), "--init-groups", "--"]
        .map(str::to_owned)
        .to_vec()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}
