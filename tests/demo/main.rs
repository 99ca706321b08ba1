//! `cargo demo`: a simulator of the providers, a real avatar-proxy, and a dashboard page that shows the difference.
//!
//! The proxy is a process of its own, as in life: this program starts itself a second time. Everything lies in a
//! temporary folder and listens on 127.0.0.1; nothing else is needed, and nothing is left.

mod world;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use graphsim::dashboard::{Dashboard, Renewed};
use graphsim::{Graphsim, Options};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use avatar_proxy::clock::Clock;

/// Set for the second process.
const IS_PROXY: &str = "AVATAR_PROXY_DEMO";
/// How long the stored addresses hold.
const ADDRESS_LIFE: Duration = Duration::from_secs(20);
/// For the proxy to answer at first, and to end at last.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    if std::env::var_os(IS_PROXY).is_some() {
        return avatar_proxy::cli::main();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.context("no runtime").and_then(|runtime| runtime.block_on(demo())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn demo() -> anyhow::Result<()> {
    let folder = tempfile::TempDir::with_prefix("avatar-proxy-demo-").context("no temporary folder")?;
    let clock = Clock::system();
    let options = Options { now: Arc::new(move || clock.now().as_millis()), address_life: ADDRESS_LIFE };
    let sim = Graphsim::start(options).await;
    let accounts = world::accounts();
    accounts.iter().for_each(|account| sim.add(account.in_the_stand_in()));
    let database = world::create(&folder.path().join("dashboard.db"), &sim, &accounts).await?;
    let (address, admin) = (free_address()?, free_address()?);
    let config = folder.path().join("config.toml");
    std::fs::write(&config, world::config(&sim, folder.path(), address, admin)).context("the configuration")?;

    let mut proxy = start_proxy(&config)?;
    until_ready(&mut proxy, address).await?;
    let shown = accounts.iter().map(world::Demo::shown).collect();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let proxy_url = format!("http://{address}");
    let renewed: Renewed = Arc::new(move |id, token| database.renew(id, token));
    let dashboard = Dashboard::start_with_renewal(sim, shown, proxy_url, any, renewed).await.context("the page")?;
    println!("Open {} in a browser. Ctrl-C ends the demo.", dashboard.url());

    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("Ctrl-C")?,
        ended = proxy.wait() => bail!("avatar-proxy ended by itself: {}", ended.context("its end")?),
    }
    end(proxy).await;
    Ok(())
}

/// This program once more, as the server that it is built from. Its log goes to this terminal if something is wrong.
fn start_proxy(config: &Path) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("where this program lies")?;
    Command::new(program)
        .arg("--config")
        .arg(config)
        .env(IS_PROXY, "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("avatar-proxy does not start")
}

async fn until_ready(proxy: &mut Child, address: SocketAddr) -> anyhow::Result<()> {
    let listens = async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        ready = timeout(PATIENCE, listens) => ready.context("avatar-proxy does not listen"),
        ended = proxy.wait() => bail!("avatar-proxy ended at once: {}", ended.context("its end")?),
    }
}

/// A terminal's Ctrl-C reaches both processes; where it reached this one alone, the other is ended with it.
async fn end(mut proxy: Child) {
    if timeout(Duration::from_secs(1), proxy.wait()).await.is_err() {
        // It may have ended in this moment; that is what is wanted.
        let _ = proxy.kill().await;
    }
}

/// The system's choice, so that a second demo finds ports, too.
fn free_address() -> anyhow::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).context("no free port")
}
