//! `avatar-proxy serve`: the server itself, until SIGTERM or SIGINT.

use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::failure::CommandFailure;
use crate::app::App;
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, Layers};
use crate::task_pool::{self, TaskPool};
use crate::telemetry;

/// Runs the server. A second signal stops it at once.
pub(super) fn serve(layers: &Layers) -> Result<(), CommandFailure> {
    let config = Config::from_layers(layers)?;
    let limits = telemetry::init(config.log, since_epoch).context("cannot start the log")?;
    let background = task_pool::runtime().context("no runtime")?;
    let answers = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("answers").build();
    answers.context("no runtime")?.block_on(async {
        tokio::select! {
            ended = run(config, TaskPool::on(background.handle().clone())) => ended,
            never = limits.report_regularly() => match never {},
        }
    })?;
    limits.report();
    Ok(())
}

async fn run(config: Config, background: TaskPool) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let app = App::build(config, Clock::system(), background).await?;
    let (public, admin) = (app.public_address(), app.admin_address());
    let admin = admin.map_or_else(|| "off".to_owned(), |address| address.to_string());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = %public, %admin, "avatar-proxy serves");
    let running = app.run(shutdown.clone());
    tokio::pin!(running);
    let mut stopping = false;
    loop {
        let name = tokio::select! {
            drained = &mut running => {
                tracing::info!(ended = drained.ended, cut = drained.cut, "stopped");
                return Ok(());
            }
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        if stopping {
            anyhow::bail!("{name} again: stopped at once; answers under way are cut");
        }
        stopping = true;
        tracing::info!(signal = name, "stopping; answers under way are finished first");
        shutdown.cancel();
    }
}

fn since_epoch() -> Duration {
    Clock::system().now().since(Timestamp::EPOCH)
}
