//! [`App`]: build all, then run, then drain. Nothing is half-built: when [`App::build`] returns, the stores are open and
//! the ports are bound.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::avatar::{Parts, Service, TiersParts};
use crate::clock::Clock;
use crate::config::Config;
use crate::directory::Directory;
use crate::http::{BodyLimit, Drained, ListenAddress, Listener, ServerConfig, serve};
use crate::origin::Origin;
use crate::provider::Providers;
use crate::routes::Site;
use crate::store::{Destination, Disk, Memory, PurgeLog, Redis};
use crate::task_pool::TaskPool;
use crate::telemetry::Metrics;
use crate::webhook::{Events, Sender};

/// The admin API's bodies are small: the longest names a thousand ids of 64 characters.
const ADMIN_BODY: BodyLimit = BodyLimit::UpTo(128 * 1024);
/// How long background work (refreshes, write-backs, purges) may take after the last answer.
const SETTLE: Duration = Duration::from_secs(5);
/// How long the stores may take to close after that.
const CLOSE: Duration = Duration::from_secs(5);

/// A server that is ready to run.
pub struct App {
    site: Arc<Site>,
    service: Arc<Service>,
    server: ServerConfig,
    sweep: Option<Duration>,
    public: Listener,
    admin: Option<Listener>,
    /// Acts upon the messages of other instances.
    listening: Option<JoinHandle<()>>,
    /// Delivers events to the dashboard.
    sender: Option<Sender>,
    pools: Pools,
}

/// The pools of tasks, each on its runtime.
#[derive(Clone)]
struct Pools {
    /// Work that no answer waits for; its threads step back for those of the answers.
    background: TaskPool,
    /// Tasks that background work needs until its end: the disk's writer, and the one that acts upon other instances' messages.
    stores: TaskPool,
    /// Beside the answers: the connections to Redis and the heartbeats. Where hits keep every processor busy, heartbeats in the
    /// background would come too late, and an instance that does not receive its own trusts no entry in its memory.
    foreground: TaskPool,
}

impl App {
    /// Opens the stores and binds the ports. The database and the providers may be down: they are asked when needed. Work
    /// that no answer waits for runs in the `background`.
    ///
    /// # Errors
    /// A port that cannot be bound, a disk file that another process holds, a directory that cannot be as configured.
    pub async fn build(config: Config, clock: Clock, background: TaskPool) -> anyhow::Result<Self> {
        let pools = Pools { stores: background.beside(), background, foreground: TaskPool::here() };
        // On the runtime of the answers, for which it will accept.
        let public = bind("server.listen", &config.server.listen).await?;
        let admin = match &config.admin.listen {
            Some(address) => Some(bind("admin.listen", address).await?),
            None => None,
        };
        let wired = pools.background.spawn(Self::wire(config, clock, public, admin, pools.clone()));
        wired.await.context("the start was broken off")?
    }

    /// All that is behind the ports. The connections to stores belong to the runtime on which they are opened.
    async fn wire(
        config: Config,
        clock: Clock,
        public: Listener,
        admin: Option<Listener>,
        pools: Pools,
    ) -> anyhow::Result<Self> {
        let Pools { background, stores, foreground } = &pools;
        let metrics = Arc::new(Metrics::default());
        let purge_log = Arc::new(PurgeLog::new(config.providers.names()));
        let images = config.images;
        let disk =
            Disk::open(&config.disk, images, purge_log.clone(), clock.clone(), stores, metrics.clone())
                .await?;
        let (redis, heard) = match config.redis {
            Some(redis) => {
                let purges = disk.purges(redis.remembers_since(clock.now())).await;
                let (purge_log, clock, own) = (purge_log.clone(), clock.clone(), foreground.clone());
                let metrics = metrics.clone();
                let started = foreground.spawn(async move {
                    Redis::start(redis, purges, images, purge_log, clock, &own, metrics).await
                });
                let (redis, heard) = started.await.context("the start was broken off")?;
                (redis, Some(heard))
            }
            None => (Redis::off(), None),
        };
        let mut trusted_bases = config.providers.trusted_bases();
        trusted_bases.extend(config.events.as_ref().map(|events| events.url().base().clone()));
        let origin = Arc::new(Origin::new(config.origin, config.images, &trusted_bases)?);
        let events = config.events.as_ref().map_or_else(Events::off, |_| Events::on(disk.clone(), metrics));
        let sender = config.events.and_then(|told| {
            Sender::new(
                told,
                &events,
                disk.outbox(Destination::Webhook),
                redis.clone(),
                origin.clone(),
                clock.clone(),
            )
        });
        let (row_fresh_for, sweep) = (config.directory.cache_for, config.directory.sweep);
        let write_back = config.directory.write_back;
        let service = Service::start(Parts {
            request_timeout: config.server.request_timeout,
            row_fresh_for,
            write_back,
            images,
            directory: Directory::new(config.directory, config.connections, config.avatar.unknown_for)?,
            keyring: config.tokens.keyring,
            providers: Providers::new(config.providers, config.link, origin),
            tiers: TiersParts {
                memory: Memory::new(config.memory, purge_log.clone(), clock.clone()),
                disk,
                redis,
                purge_log,
                events,
                windows: config.avatar.windows,
                clock,
                background: background.clone(),
            },
            config: config.avatar,
        })
        .await;
        let listening = heard.map(|heard| stores.spawn(service.purger().clone().subscribe(heard)));
        let site = Site::new(service.clone(), &config.headers, config.fallback, config.admin.token);
        Ok(Self { site, service, server: config.server, sweep, public, admin, listening, sender, pools })
    }

    /// Where browsers reach it; the port is the real one even if 0 was configured.
    pub fn public_address(&self) -> ListenAddress {
        self.public.local_address()
    }

    /// Where operators reach it.
    pub fn admin_address(&self) -> Option<ListenAddress> {
        self.admin.as_ref().map(Listener::local_address)
    }

    /// The service itself, for tests that sweep by hand.
    pub fn service(&self) -> Arc<Service> {
        self.service.clone()
    }

    /// Serves until `shutdown`, then drains: readiness ends first, answers under way are finished, and the stores write
    /// everything.
    pub async fn run(self, shutdown: CancellationToken) -> Drained {
        let Self { site, service, server, sweep, public, admin, listening, sender, pools } = self;
        let Pools { background, stores, foreground } = pools;
        let answers = TaskTracker::new();
        let sweeping = background.spawn(service.jobs().clone().sweep_regularly(sweep));
        service.jobs().warmer().resume_interrupted();
        if let Some(sender) = sender {
            background.spawn(sender.run(shutdown.clone()));
        }
        let public = {
            let site = site.clone();
            let handler = move |request| site.clone().public(request);
            serve(public, server.limits(BodyLimit::None), handler, shutdown.clone(), answers.clone())
        };
        let admin = async {
            let Some(admin) = admin else { return };
            let site = site.clone();
            let handler = move |request| site.clone().admin(request);
            serve(admin, server.limits(ADMIN_BODY), handler, shutdown.clone(), answers.clone()).await;
        };
        let leaving = async {
            shutdown.cancelled().await;
            site.drain();
            service.stop();
        };
        let (drained, (), ()) = tokio::join!(public, admin, leaving);
        sweeping.abort();
        // The stores close last: the results of refreshes under way are stored, recorded, and published to the other instances.
        let _ = tokio::time::timeout(SETTLE, background.ended()).await;
        answers.close();
        let closed = async {
            close_stores(site, service, listening).await;
            tokio::join!(answers.wait(), foreground.ended(), stores.ended());
        };
        let _ = tokio::time::timeout(CLOSE, closed).await;
        let tasks = answers.len() + foreground.tasks() + stores.tasks() + background.tasks();
        if tasks > 0 {
            tracing::warn!(tasks, "stopped with background work under way");
        }
        drained
    }
}

/// Closes Redis and the disk, and lets the last handles go.
async fn close_stores(site: Arc<Site>, service: Arc<Service>, listening: Option<JoinHandle<()>>) {
    service.close().await;
    if let Some(listening) = listening {
        listening.abort();
    }
    drop(site);
}

async fn bind(key: &str, address: &ListenAddress) -> anyhow::Result<Listener> {
    Listener::bind(address).await.with_context(|| format!("{key} = {address}"))
}
