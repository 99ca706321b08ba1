//! The `standardwebhooks` package of PyPI, the specification's own implementation, in a Python environment of the tests'.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::json;

use super::webhooks::Message;

/// It has no dependencies.
const PACKAGE: &str = "standardwebhooks==1.1.0";
const CHECKER: &str = include_str!("standardwebhooks.py");

/// What it says of each message that it refuses.
pub(crate) fn refused(secret: &str, messages: &[Message]) -> Vec<String> {
    let mut child = Command::new(python())
        .args(["-c", CHECKER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut lines = String::new();
    for message in messages {
        let header = |name: &str| (name.to_owned(), message.header(name).to_owned().into());
        let headers: serde_json::Map<_, _> =
            ["webhook-id", "webhook-timestamp", "webhook-signature"].map(header).into_iter().collect();
        let body = String::from_utf8(message.body.clone()).expect("UTF-8");
        let line = json!({ "secret": secret, "at": message.at.as_secs(), "headers": headers, "body": body });
        lines.push_str(&format!("{line}\n"));
    }
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let answer = child.wait_with_output().unwrap();
    let answers = String::from_utf8(answer.stdout).unwrap();
    assert_eq!(answers.lines().count(), messages.len(), "the checker answers each");
    answers.lines().filter(|answer| !answer.is_empty()).map(str::to_owned).collect()
}

/// The environment's Python; it is made once, beside what Cargo builds.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGE);
        let python = folder.join("bin/python");
        let lock = File::create(folder.with_extension("lock")).unwrap();
        lock.lock().unwrap();
        let is_there = || run(&python, &["-c", "import standardwebhooks"]).is_ok();
        if !is_there() {
            let folder = folder.display().to_string();
            let made = run(Path::new("python3"), &["-m", "venv", "--clear", &folder]);
            made.unwrap_or_else(|said| {
                panic!("no Python environment (tests/run installs python3-venv): {said}")
            });
            let options = ["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"];
            let installed = run(&python, &[&options[..], &[PACKAGE]].concat());
            installed.unwrap_or_else(|said| panic!("{PACKAGE} cannot be installed: {said}"));
            assert!(is_there(), "{PACKAGE} is not there");
        }
        python
    })
}

fn run(program: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
