//! `[log]`: what the process writes to stderr.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// The first lines of a server that is started and ended at once.
fn lines(extra: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let disk = folder.path().join("kept");
    let base = format!(
        "server.listen = \"127.0.0.1:0\"\nadmin.listen = \"\"\ndisk.path = \"{}\"\n{extra}",
        disk.display()
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
    // Whatever the level, the server is up when its disk file is.
    while !disk.exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    child.kill().unwrap();
    child.wait().unwrap();
    stderr.lines().map_while(Result::ok).collect()
}

#[test]
fn lines_have_the_format_and_the_level_that_are_written() {
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
