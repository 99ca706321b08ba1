//! A server process that cannot outlive the test binary.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Starts `"$@"` and ends it when its own input does: with the test binary, however that ends. It is in a process group
/// of its own, so that a Ctrl-C meant for the tests leaves it to clean up.
const WATCHDOG: &str = r#"
folder=$1; shift
"$@" </dev/null >"$folder/log" 2>&1 &
pid=$!
echo $pid
cat >/dev/null
kill -CONT $pid 2>/dev/null; kill -QUIT $pid 2>/dev/null
for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 $pid 2>/dev/null || break; sleep 0.1; done
kill -KILL $pid 2>/dev/null
rm -rf "$folder"
"#;

pub(crate) struct Server {
    watchdog: Child,
    pub(crate) pid: u32,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a server in its folder and waits until its port answers.
    pub(crate) fn start(folder: &Path, port: u16, user: &str, command: &[&str]) -> Self {
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
        let server = Self { watchdog, pid: line.trim().parse().unwrap(), port };
        for _ in 0..600 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return server;
            }
            if server.has_ended() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        panic!("{} does not answer: {log}", command[0]);
    }

    fn has_ended(&self) -> bool {
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

/// A folder that `user` owns; the server's watchdog removes it.
pub(crate) fn folder(user: &str) -> PathBuf {
    let folder = tempfile::Builder::new().prefix("avatar-proxy-").tempdir().unwrap().keep();
    if is_root() {
        assert!(Command::new("chown").arg(user).arg(&folder).status().unwrap().success());
    }
    folder
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
