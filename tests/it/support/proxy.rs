//! An avatar-proxy in this process, with a clock that the test moves, in front of the stand-in.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use avatar_proxy::app::App;
use avatar_proxy::avatar::Service;
use avatar_proxy::clock::{Clock, Timestamp};
use avatar_proxy::config::{Config, Environment};
use avatar_proxy::http::ListenAddress;
use avatar_proxy::task_pool::TaskPool;
use graphsim::{Graphsim, Options};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::client::{self, Answer};
use super::wait::{LOOK_EVERY, LOOKS, until};

/// Where every test's clock begins: 2026-01-01 00:00 UTC.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_767_225_600);
/// How long the stand-in's signatures hold.
pub(crate) const LIFE: Duration = Duration::from_secs(4 * 24 * 3600);

/// A stand-in whose signatures end by the test's clock.
pub(crate) async fn stand_in(clock: &Clock) -> Graphsim {
    let clock = clock.clone();
    Graphsim::start(Options { now: Arc::new(move || clock.now().as_millis()), address_life: LIFE }).await
}

/// The settings that every proxy of the tests needs to reach the stand-in and to disturb no other test.
pub(crate) fn base_config(sim: &Graphsim, folder: &Path) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
drain_timeout = "2s"
[admin]
listen = "127.0.0.1:0"
[disk]
path = "{disk}"
# Tests move the clock by days, and sweep by hand.
[directory]
sweep = "0s"
[providers.instagram]
base_url = "{instagram}"
hosts = ["127.0.0.1"]
[providers.facebook]
base_url = "{facebook}"
hosts = ["127.0.0.1"]
[providers.telegram]
base_url = "{telegram}"
[origin]
connect_timeout = "500ms"
timeout = "800ms"
allow_http = true
allow_private = ["127.0.0.1"]
"#,
        disk = folder.join("avatar-proxy.db").display(),
        instagram = sim.instagram_url(),
        facebook = sim.facebook_url(),
        telegram = sim.telegram_url(),
    )
}

/// Merges `extra` over `base`, key by key.
pub(crate) fn merged(base: &str, extra: &str) -> String {
    fn merge(into: &mut toml::Table, from: toml::Table) {
        for (key, value) in from {
            match (into.get_mut(&key), value) {
                (Some(toml::Value::Table(into)), toml::Value::Table(from)) => merge(into, from),
                (_, value) => _ = into.insert(key, value),
            }
        }
    }
    let mut table: toml::Table = base.parse().expect("TOML");
    merge(&mut table, extra.parse().expect("TOML"));
    table.to_string()
}

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) clock: Clock,
    pub(crate) folder: Arc<TempDir>,
    pub(crate) service: Arc<Service>,
    shutdown: CancellationToken,
    running: tokio::task::JoinHandle<()>,
    background: TaskPool,
    /// How many tasks run in the background until the stop, whatever is viewed.
    lasting_tasks: usize,
}

impl Proxy {
    /// In front of `sim`, in a folder of its own; `extra` is merged over the base settings.
    pub(crate) async fn start(sim: &Graphsim, clock: &Clock, extra: &str) -> Self {
        Self::start_in(sim, clock, extra, Arc::new(TempDir::new().expect("a folder"))).await
    }

    /// The same in a folder that another proxy used before.
    pub(crate) async fn start_in(sim: &Graphsim, clock: &Clock, extra: &str, folder: Arc<TempDir>) -> Self {
        let file = folder.path().join("config.toml");
        std::fs::write(&file, merged(&base_config(sim, folder.path()), extra)).expect("written");
        let config = Config::load(Some(&file), &Environment::new([]).expect("empty"))
            .unwrap_or_else(|e| panic!("{e}"));
        let background = TaskPool::here();
        let app = App::build(config, clock.clone(), background.clone()).await.expect("the app is built");
        let (address, admin) =
            (tcp(&app.public_address()), tcp(&app.admin_address().expect("an admin port")));
        let (service, shutdown) = (app.service(), CancellationToken::new());
        let stop = shutdown.clone();
        #[expect(clippy::disallowed_methods, reason = "the app's own tracker cannot wait for the app")]
        let running = tokio::task::spawn(async move { _ = app.run(stop).await });
        // When it answers, all that runs until the stop has begun.
        client::request(admin, "GET", "/healthz", "").await;
        let lasting_tasks = background.tasks();
        let clock = clock.clone();
        Self { address, admin, clock, folder, service, shutdown, running, background, lasting_tasks }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        client::request(self.address, "GET", target, "").await
    }

    pub(crate) async fn request(&self, method: &str, target: &str, headers: &str) -> Answer {
        client::request(self.address, method, target, headers).await
    }

    pub(crate) async fn admin(&self, method: &str, target: &str) -> Answer {
        client::request(self.admin, method, target, "").await
    }

    /// Views an avatar again and again until an answer is right; refreshes in the background need a moment.
    pub(crate) async fn get_until(&self, target: &str, right: impl Fn(&Answer) -> bool) -> Answer {
        let mut last = String::new();
        for _ in 0..LOOKS {
            let answer = self.get(target).await;
            if right(&answer) {
                return answer;
            }
            last = answer.head;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("{target} did not become what it should be within thirty seconds: {last}");
    }

    /// Waits until no refresh is under way.
    pub(crate) async fn settled(&self) {
        for _ in 0..500 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if self.service.snapshot().depth() == (0, 0, 0) {
                return;
            }
        }
        panic!("refreshes are still under way: {:?}", self.service.snapshot().depth());
    }

    /// Waits until no call is under way; refreshes of a provider that is slowed down may still wait for the clock.
    pub(crate) async fn quiet(&self) {
        for _ in 0..5000 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let (flights, running, waiting) = self.service.snapshot().depth();
            if running == 0 && flights == waiting {
                return;
            }
        }
        panic!("refreshes are still under way: {:?}", self.service.snapshot().depth());
    }

    pub(crate) fn disk_file(&self) -> PathBuf {
        self.folder.path().join("avatar-proxy.db")
    }

    /// Waits until exactly `count` refreshes wait for a place, or for their provider's turn.
    pub(crate) async fn has_waiting(&self, count: usize) {
        until("that many refreshes wait", async || self.service.snapshot().depth().2 == count).await;
    }

    /// Waits until exactly `count` refreshes run.
    pub(crate) async fn has_running(&self, count: usize) {
        until("that many refreshes run", async || self.service.snapshot().depth().1 == count).await;
    }

    /// Waits until nothing runs in the background that was begun by a view: neither a refresh nor a row that is read
    /// again nor an address that is saved. With this a test proves that nothing happens behind an answer.
    pub(crate) async fn idle(&self) {
        until("the background work is done", async || self.background.tasks() <= self.lasting_tasks).await;
    }

    /// Stops in good order and gives the folder back.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        self.shutdown.cancel();
        drop(self.service);
        self.running.await.expect("a clean end");
        self.folder
    }
}

fn tcp(address: &ListenAddress) -> SocketAddr {
    match address {
        ListenAddress::Tcp(address) => *address,
        ListenAddress::Unix(path) => panic!("{} is no TCP address", path.display()),
    }
}
