//! The redis-server that several instances share, if one is installed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::net::TcpStream;

/// Ends the server when its own input does: with the demo, however that ends.
const WATCHDOG: &str = r#""$@" </dev/null >/dev/null 2>&1 & pid=$!; cat >/dev/null; kill $pid 2>/dev/null"#;

/// For the server to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server, without files.
pub(crate) struct Redis {
    watchdog: Child,
    port: u16,
}

impl Redis {
    /// On a free port of the loopback; returns when it listens.
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let program = program().ok_or_else(|| {
            anyhow!("several instances share a Redis, and none is installed: apt-get install redis-server, or valkey")
        })?;
        let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
        let port = listener.local_addr().context("no free port")?.port();
        drop(listener);
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(program)
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
            ])
            .arg(folder)
            .stdin(Stdio::piped())
            .spawn()
            .context("redis-server does not start")?;
        let redis = Self { watchdog, port };
        tokio::time::timeout(PATIENCE, redis.until_it_listens())
            .await
            .context("redis-server does not listen")?;
        Ok(redis)
    }

    async fn until_it_listens(&self) {
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(["/usr/bin".into()]).collect();
    let all = ["redis-server", "valkey-server"].into_iter();
    all.flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|program| program.is_file())
}
