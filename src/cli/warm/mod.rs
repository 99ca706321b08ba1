//! `warm`: has a running server fetch the avatar of every connection ahead of its first view.
//!
//! The server walks its directory by itself. This command begins the walk, or stops it, and shows its progress. Reading
//! order: here, `watch` (what the server answers), `progress` (what is shown).

mod progress;
mod watch;

use anyhow::{Context, anyhow};
use tokio::signal::unix::{SignalKind, signal};

use super::CommandFailure;
use super::admin::Admin;
use super::args::WarmArguments;
use crate::config::{Config, Layers};
use watch::WarmWatch;

/// Begins a walk and watches it to its end; with `--stop`, stops the one under way.
pub(super) fn warm(layers: &Layers, arguments: &WarmArguments) -> Result<(), CommandFailure> {
    let config = Config::from_layers(layers)?;
    let admin = Admin::new(&config.admin, arguments.url.as_deref())?;
    if arguments.state.is_some() {
        eprintln!("avatar-proxy: --state does nothing: the server itself saves how far the walk is");
    }
    if arguments.patience.is_some() {
        eprintln!(
            "avatar-proxy: --patience does nothing: the server waits for its database as long as it takes"
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    match arguments.stop {
        true => runtime.block_on(stop(&admin))?,
        false => runtime.block_on(run(&admin, arguments))?,
    }
    Ok(())
}

async fn stop(admin: &Admin) -> anyhow::Result<()> {
    eprintln!("{}", watch::stop(admin).await?);
    Ok(())
}

async fn run(admin: &Admin, arguments: &WarmArguments) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let mut watch = WarmWatch::begin(admin, arguments.rate, arguments.resume).await?;
    let name = tokio::select! {
        ended = watch.follow() => return ended,
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    Err(anyhow!(
        "{name}: the server continues the walk, {} avatars are done; the same command with --resume shows its progress, \
         with --stop it stops the walk",
        watch.leave()
    ))
}
