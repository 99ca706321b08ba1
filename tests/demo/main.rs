//! `cargo demo`: a simulator of the providers, a real avatar-proxy, and a dashboard page that shows the difference.
//!
//! The proxy is a process of its own, as in life: this program starts itself a second time. Everything lies in a
//! temporary folder and listens on 127.0.0.1; nothing else is needed, and nothing is left. With `--instances 3` there are
//! three of them, and a Redis that they share.

mod lifeline;
mod redis;
mod world;

use std::future::pending;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Parser;
use graphsim::dashboard::{Dashboard, Renewed};
use graphsim::{Graphsim, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};

use avatar_proxy::clock::Clock;

/// Set for the second process: the demo's temporary folder.
const FOLDER: &str = "AVATAR_PROXY_DEMO";
/// How long the stored addresses hold.
const ADDRESS_LIFE: Duration = Duration::from_secs(20);
/// For the proxy to answer at first, and to end at last.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os(FOLDER) {
        lifeline::hold(PathBuf::from(folder));
        return avatar_proxy::cli::main();
    }
    let Wanted { instances } = Wanted::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.context("no runtime").and_then(|runtime| runtime.block_on(demo(usize::from(instances)))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A simulator of the providers, a real avatar-proxy, and a dashboard page that shows the difference.
#[derive(clap::Parser)]
#[command(name = "cargo demo", bin_name = "cargo demo")]
struct Wanted {
    /// So many instances of the proxy, which share a redis-server if there is more than one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    instances: u8,
}

async fn demo(instances: usize) -> anyhow::Result<()> {
    let mut stop = Stop::listen().context("signals")?;
    let folder = tempfile::TempDir::with_prefix("avatar-proxy-demo-").context("no temporary folder")?;
    let clock = Clock::system();
    let options = Options { now: Arc::new(move || clock.now().as_millis()), address_life: ADDRESS_LIFE };
    let sim = Graphsim::start(options).await;
    let accounts = world::accounts();
    accounts.iter().for_each(|account| sim.add(account.in_the_stand_in()));
    let database = world::create(&folder.path().join("dashboard.db"), &sim, &accounts).await?;
    let redis = if instances > 1 { Some(redis::Redis::start(folder.path()).await?) } else { None };
    let mut proxies = Vec::new();
    for number in 1..=instances {
        let place = world::Place {
            folder: folder.path(),
            number,
            address: free_address()?,
            admin: free_address()?,
            redis: redis.as_ref().map(redis::Redis::url),
        };
        let config = folder.path().join(format!("config-{number}.toml"));
        std::fs::write(&config, world::config(&sim, &place)).context("the configuration")?;
        proxies.push(Proxy::start(&config, folder.path(), place.address)?);
    }
    let addresses: Vec<SocketAddr> = proxies.iter().map(|proxy| proxy.address).collect();
    let outcome = tokio::select! {
        () = stop.asked() => Ok(()),
        failed = show(sim, &accounts, database, &addresses) => failed,
        failed = one_ends(&mut proxies) => failed,
    };
    for proxy in proxies {
        proxy.end().await;
    }
    outcome
}

/// Returns when a proxy ends by itself.
async fn one_ends(proxies: &mut [Proxy]) -> anyhow::Result<()> {
    let ends = proxies.iter_mut().map(|proxy| Box::pin(proxy.process.wait()));
    let (ended, ..) = futures_util::future::select_all(ends).await;
    Err(anyhow!("avatar-proxy ended by itself: {}", ended.context("its end")?))
}

/// Opens the page once there is something to see on it, and serves it until Ctrl-C; only a failure ends it earlier.
async fn show(
    sim: Graphsim,
    accounts: &[world::Demo],
    database: world::Database,
    addresses: &[SocketAddr],
) -> anyhow::Result<()> {
    for address in addresses {
        timeout(PATIENCE, until_ready(*address)).await.context("avatar-proxy does not become ready")?;
    }
    let shown = accounts.iter().map(world::Demo::shown).collect();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let proxy_urls = addresses.iter().map(|address| format!("http://{address}")).collect();
    let renewed: Renewed = Arc::new(move |id, token| database.renew(id, token));
    let dashboard =
        Dashboard::start_with_renewal(sim, shown, proxy_urls, any, renewed).await.context("the page")?;
    println!("Open {} in a browser. Ctrl-C ends the demo.", dashboard.url());
    pending().await
}

/// What asks the demo to end: Ctrl-C, a plain `kill`, a closed terminal.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stop {
    /// From here on none of them ends the process by itself.
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// An instance of the proxy.
struct Proxy {
    process: Child,
    lifeline: ChildStdin,
    address: SocketAddr,
}

impl Proxy {
    /// This program once more, as the server that it is built from. Its log goes to this terminal if something is wrong.
    fn start(config: &Path, folder: &Path, address: SocketAddr) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("where this program lies")?;
        let mut process = Command::new(program)
            .arg("--config")
            .arg(config)
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("avatar-proxy does not start")?;
        // Left in the child it would be closed by the first `wait`.
        let lifeline = process.stdin.take().context("its input")?;
        Ok(Self { process, lifeline, address })
    }

    /// A terminal's Ctrl-C reaches all processes; where it reached the demo alone, the lifeline ends this one.
    async fn end(self) {
        let Self { mut process, lifeline, .. } = self;
        drop(lifeline);
        if timeout(PATIENCE, process.wait()).await.is_err() {
            // It may have ended in this moment, which is as good.
            let _ = process.kill().await;
        }
    }
}

async fn until_ready(address: SocketAddr) {
    while !matches!(is_ready(address).await, Ok(true)) {
        sleep(Duration::from_millis(50)).await;
    }
}

async fn is_ready(address: SocketAddr) -> std::io::Result<bool> {
    const STATUS: &[u8] = b"HTTP/1.1 200 ";
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status = [0; STATUS.len()];
    stream.read_exact(&mut status).await?;
    Ok(status == STATUS)
}

/// The system chooses, so that a second demo also finds free ports.
fn free_address() -> anyhow::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).context("no free port")
}
