//! `avatar-proxy check`: whether the server would work as it is configured.

use anyhow::Context;

use super::failure::Failure;
use super::say;
use crate::config::{Config, Layers};
use crate::directory::Directory;

/// Prints what it finds; fails where the server could not answer for anything.
pub(super) fn check(layers: &Layers) -> Result<(), Failure> {
    let config = Config::from_layers(layers)?;
    say("configuration: right\n")?;
    let keys = config.tokens.keyring.len();
    say(&match keys {
        0 => "tokens: no key; only tokens written as \"plain:...\" can be opened\n".to_owned(),
        keys => format!("tokens: {keys} {}\n", if keys == 1 { "key" } else { "keys" }),
    })?;
    let entries = config.connections.len();
    say(&format!("[[connection]]: {entries}\n"))?;
    if !config.directory.has_database() {
        say("directory: no database (directory.url is empty)\n")?;
        return match entries {
            0 => Err(anyhow::anyhow!("no connection can be found: set directory.url or write [[connection]] blocks").into()),
            _ => Ok(()),
        };
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let survey = runtime.block_on(async {
        let directory = Directory::new(config.directory, config.connections, config.avatar.unknown_for)?;
        directory.survey().await
    });
    let survey = survey.context("directory")?;
    say(&format!("{survey}\n"))?;
    Ok(())
}
