//! Chromium, driven through Debian's chromedriver (W3C WebDriver).

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

const DRIVER: &str = "/usr/bin/chromedriver";
const BROWSER: &str = "/usr/bin/chromium";

use super::wait::until;

/// A browser with one window; it ends with this.
pub(crate) struct Chromium {
    driver: SocketAddr,
    session: String,
    process: Child,
    _profile: TempDir,
}

impl Chromium {
    /// Starts driver and browser.
    pub(crate) async fn start() -> Self {
        for program in [DRIVER, BROWSER] {
            assert!(std::path::Path::new(program).exists(), "{program} is missing: tests/run installs it");
        }
        let driver = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", DRIVER, &format!("--port={}", driver.port())])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        until("chromedriver listens", async || TcpStream::connect(driver).await.is_ok()).await;
        let profile = TempDir::new().unwrap();
        // The background networking flags keep Chromium from calling its maker's hosts.
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1200,1180",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let options = json!({ "binary": BROWSER, "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let started = command(driver, "POST", "/session", &wanted).await;
        let session =
            started["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {started}")).to_owned();
        Self { driver, session, process, _profile: profile }
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) async fn open(&self, url: &str) {
        self.say("url", &json!({ "url": url })).await;
    }

    /// What a script returns in the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.say("execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// The window as a PNG.
    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        use base64::Engine;
        let path = format!("/session/{}/screenshot", self.session);
        let picture = command(self.driver, "GET", &path, &Value::Null).await;
        base64::engine::general_purpose::STANDARD.decode(picture.as_str().expect("base64")).unwrap()
    }

    /// Ends the browser.
    pub(crate) async fn close(self) {
        command(self.driver, "DELETE", &format!("/session/{}", self.session), &Value::Null).await;
    }

    async fn say(&self, what: &str, body: &Value) -> Value {
        command(self.driver, "POST", &format!("/session/{}/{what}", self.session), body).await
    }
}

/// The driver ends its browser only when it is asked to end; killed, it would leave one behind.
impl Drop for Chromium {
    fn drop(&mut self) {
        if let Some(id) = self.process.id() {
            let _ = std::process::Command::new("kill").arg(id.to_string()).status();
        }
    }
}

/// One WebDriver command; its `value`.
async fn command(driver: SocketAddr, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {driver}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(driver).await.expect("chromedriver listens");
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(60), answer(&mut stream)).await;
    let text =
        answer.unwrap_or_else(|_| panic!("chromedriver does not answer {method} {path} within a minute"));
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole answer");
    let value: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(head.starts_with("HTTP/1.1 200"), "{value}");
    value["value"].clone()
}

/// chromedriver keeps its connections open, whatever it is asked, so its declared length is the end.
async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let whole = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        })?;
        (body.len() >= length).then(|| text.clone().into_owned())
    };
    loop {
        if let Some(text) = whole(&bytes) {
            return text;
        }
        assert_ne!(stream.read_buf(&mut bytes).await.expect("a connection"), 0, "chromedriver closed early");
    }
}
