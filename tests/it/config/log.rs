//! `[log]`: what the process writes to stderr.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::wait::until_blocking;

/// All lines of a server that is started, asked once and stopped.
fn lines(extra: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let socket = folder.path().join("socket");
    let base = format!(
        "server.listen = \"unix:{}\"\nadmin.listen = \"\"\ndisk.path = \"\"\n{extra}",
        socket.display()
    );
    std::fs::write(&file, base).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_avatar-proxy"))
        .arg("--config")
        .arg(&file)
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    until_blocking("the server answers", || is_answered(&socket));
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    stderr.lines().map_while(Result::ok).collect()
}

/// Whether anything is answered on a socket.
fn is_answered(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else { return false };
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    stream.read_exact(&mut [0]).is_ok()
}

#[test]
fn lines_have_the_format_and_the_level_that_are_configured() {
    use super::util::set;
    let text = lines(&set("log.format", "\"text\""));
    assert!(text[0].contains(" INFO ") && text[0].contains("avatar-proxy serves"), "{text:?}");
    let json = lines(&set("log.format", "\"json\""));
    let line: serde_json::Value = serde_json::from_str(&json[0]).unwrap();
    assert_eq!(
        (line["level"].as_str(), line["message"].as_str()),
        (Some("INFO"), Some("avatar-proxy serves"))
    );
    assert_eq!(lines(&set("log.level", "\"error\"")), Vec::<String>::new());
}
