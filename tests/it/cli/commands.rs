//! The commands, run as processes: what they print, where, and how they end.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs the binary with nothing in its environment but these variables, and this on stdin.
fn run(arguments: &[&str], variables: &[(&str, &str)], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_avatar-proxy"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads no stdin may have ended by now.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, stdout: &str, stderr: &str) {
    assert_eq!(String::from_utf8_lossy(&output.stdout), stdout);
    assert_eq!(String::from_utf8_lossy(&output.stderr), stderr);
    assert_eq!(output.status.code(), Some(code));
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_wrong_configuration_is_one_line_on_stderr_and_code_2_but_for_health() {
    let variables = [("AVATAR_PROXY__AVATAR__FRESH_FOUR", "6h")];
    for (command, code) in [("check", 2), ("show-config", 2), ("health", 1)] {
        assert_ends(
            &run(&[command], &variables, ""),
            code,
            "",
            "avatar-proxy: AVATAR_PROXY__AVATAR__FRESH_FOUR: there is no `avatar.fresh_four`; did you mean \
             `AVATAR_PROXY__AVATAR__FRESH_FOR`?\n",
        );
    }
    assert_ends(
        &run(&["--config", "/no/such.toml", "check"], &[], ""),
        2,
        "",
        "avatar-proxy: /no/such.toml: cannot be read: No such file or directory (os error 2)\n",
    );
    assert_eq!(run(&["--no-such-option"], &[], "").status.code(), Some(2));
}

#[test]
fn the_file_is_named_by_an_argument_or_a_variable_and_the_environment_wins_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    std::fs::write(&path, "[link]\nmargin = \"1h\"\n[log]\nlevel = \"warn\"\n").unwrap();
    let path = path.to_str().unwrap();
    let level = ("AVATAR_PROXY__LOG__LEVEL", "debug");
    for output in [
        run(&["--config", path, "show-config"], &[level], ""),
        run(&["show-config", "--config", path], &[level], ""),
        run(&["show-config"], &[level, ("AVATAR_PROXY_CONFIG", path)], ""),
    ] {
        let shown = stdout(&output);
        let line = |key: &str| shown.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
        assert!(line("margin = \"1h\"").ends_with(&format!("# {path}")), "{shown}");
        assert!(line("level = \"debug\"").ends_with("# AVATAR_PROXY__LOG__LEVEL"), "{shown}");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn a_configuration_that_breaks_a_rule_is_shown_all_the_same() {
    let output = run(&["show-config"], &[("AVATAR_PROXY__LINK__DEFAULT_TTL", "0s")], "");
    assert!(stdout(&output).contains("default_ttl = \"0s\""));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "avatar-proxy: AVATAR_PROXY__LINK__DEFAULT_TTL: link.default_ttl = \"0s\": expected at least 1s\n"
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_sealed_token_is_described_and_never_printed() {
    let keys = [("AVATAR_PROXY__TOKENS__KEYS", "[\"sha256:new\", \"sha256:old\"]")];
    let old = [("AVATAR_PROXY__TOKENS__KEYS", "[\"sha256:old\"]")];
    let sealed = stdout(&run(&["token", "seal"], &old, "EAABhunter2\n"));
    assert!(!sealed.contains("hunter2") && sealed.lines().count() == 1, "{sealed}");
    let output = run(&["token", "check"], &keys, &sealed);
    assert_ends(&output, 0, "layout iv:tag:ct (hex, 12-byte iv), key 2 of 2\n", "");
    assert_ends(
        &run(&["token", "check"], &[("AVATAR_PROXY__TOKENS__KEYS", "[\"sha256:other\"]")], &sealed),
        1,
        "",
        "avatar-proxy: not opened: no key of tokens.keys opens the token\n",
    );
}

#[test]
fn check_says_what_stands_in_the_way_without_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    let block = |id: &str, token: &str| {
        format!("[[connection]]\nid = \"{id}\"\nprovider = \"facebook\"\ntoken = \"{token}\"\n")
    };
    std::fs::write(&path, block("acme", "plain:hunter2")).unwrap();
    let arguments = ["check", "--config", path.to_str().unwrap()];
    let begin = "configuration   right\ntokens.keys     none\nevents          none: events.url is empty\n";
    let end = "redis           none: redis.url and REDIS_URL are empty\ndatabase        none: directory.url and DATABASE_URL are empty\n";
    let right = run(&arguments, &[], "");
    assert_ends(&right, 0, &format!("{begin}[[connection]]  1 block\n{end}"), "");

    std::fs::write(&path, block("acme", "plain:hunter2") + &block("shop", "aa:bb:hunter2")).unwrap();
    let found = "[[connection]]  2 blocks\n  shop: the token is sealed, and tokens.keys is empty\n";
    assert_ends(
        &run(&arguments, &[], ""),
        1,
        &format!("{begin}{found}{end}"),
        "avatar-proxy: some tokens of [[connection]] blocks cannot be opened\n",
    );
}

#[test]
fn check_says_whether_events_are_sent_but_never_the_url_or_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    let secret = "whsec_dGhlIHRlc3RzJyBvd24gc2VjcmV0LCAzMiBieXRlcw==";
    std::fs::write(&path, "events.url = \"https://dashboard.example/hook?key=hunter2\"\n").unwrap();
    let environment = [("AVATAR_PROXY__EVENTS__SECRET", secret)];
    let checked = run(&["check", "--config", path.to_str().unwrap()], &environment, "");
    let said = stdout(&checked);
    assert!(said.contains("\nevents          signed, to events.url\n"), "{said}");
    assert!(!said.contains("hunter2") && !said.contains(&secret[6..]), "{said}");
    std::fs::write(folder.path().join("secret"), format!("{secret}\n")).unwrap();
    let file = folder.path().join("secret").display().to_string();
    let environment = [("AVATAR_PROXY__EVENTS__SECRET_FILE", file.as_str())];
    let shown = run(&["show-config", "--config", path.to_str().unwrap()], &environment, "");
    let said = stdout(&shown);
    assert!(shown.status.success() && said.contains("[events]"), "{said}");
    assert!(!said.contains("hunter2") && !said.contains(&secret[6..]), "{said}");
}

#[test]
fn health_fails_where_nobody_listens() {
    let output = run(&["health"], &[("AVATAR_PROXY__SERVER__LISTEN", "unix:/no/such.sock")], "");
    assert_ends(
        &output,
        1,
        "",
        "avatar-proxy: cannot connect to /no/such.sock: No such file or directory (os error 2)\n",
    );
}

#[test]
fn help_and_version_are_answers() {
    let help = run(&["--help"], &[], "");
    assert_eq!(help.status.code(), Some(0));
    for command in ["check", "show-config", "token", "warm", "health"] {
        assert!(stdout(&help).contains(&format!("\n  {command}")), "{command}");
    }
    let version = format!("avatar-proxy {}\n", env!("CARGO_PKG_VERSION"));
    assert_ends(&run(&["--version"], &[], ""), 0, &version, "");
}
