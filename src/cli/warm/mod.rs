//! `warm`: has a running server fetch the avatar of every connection ahead of its first view.
//!
//! It walks the directory itself and tells the server of each connection as of a new one; the server does the work, since
//! its disk file has one owner. Reading order: here, [`walk`] (what is told, and how far it is done), [`state`] (what is
//! gone on with), [`progress`] (what is shown).

mod progress;
mod state;
mod walk;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use super::admin::Admin;
use super::args::WarmArguments;
use crate::config::{Config, Layers};
use crate::directory::Directory;
use progress::Progress;
use state::State;
use walk::Walk;

/// What goes on after a stop.
const GO_ON: &str = "the same command with --resume goes on from there";

/// Walks over all connections; fails if it was stopped, or if the server or the database cannot be asked.
pub(super) fn warm(layers: &Layers, arguments: &WarmArguments) -> Result<(), Failure> {
    let config = Config::from_layers(layers)?;
    let admin = Admin::new(&config.admin, arguments.url.as_deref())?;
    let file = arguments.state.clone().unwrap_or_else(|| beside(config.disk.path.as_ref()));
    let saved = if arguments.resume { State::load(&file)? } else { None };
    let state = saved.unwrap_or_else(State::beginning);
    // Found out before the first avatar, and not after the first thousand.
    state.save(&file)?;
    // Nothing is looked up by id.
    let directory = Directory::new(config.directory, config.connections, Duration::ZERO)
        .context("the directory cannot be used")?;
    let walk =
        Walk::new(admin, directory, file, state, arguments.rate, Duration::from_secs(arguments.patience));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no runtime")?.block_on(run(walk))?;
    Ok(())
}

async fn run(mut walk: Walk) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let mut progress = Progress::new(walk.total().await);
    let ended = tokio::select! {
        ended = walk.go(&mut progress) => ended,
        _ = terminate.recv() => Err(anyhow!("stopped by SIGTERM")),
        _ = interrupt.recv() => Err(anyhow!("stopped by SIGINT")),
    };
    progress.end();
    let (done, failed) = walk.done();
    ended.map_err(|why| anyhow!("{why:#}; {done} avatars are done, {GO_ON}"))?;
    progress.say(&match failed {
        0 => format!("done: {done} avatars"),
        _ => format!(
            "done: {done} avatars, {failed} of them without a current picture: the server's log says why"
        ),
    });
    Ok(())
}

/// The state lies beside the disk store, or in the working directory where there is none.
fn beside(disk: Option<&PathBuf>) -> PathBuf {
    match disk {
        Some(disk) => PathBuf::from(format!("{}.warm", disk.display())),
        None => PathBuf::from("avatar-proxy.warm"),
    }
}
