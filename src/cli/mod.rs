//! ENTRANCE: the commands, one function in one file each. This file reads the arguments and ends the process.
//!
//! In reading order:
//!
//! | file | |
//! |---|---|
//! | `args` | the arguments, and the texts of `--help` |
//! | `serve` | the server itself |
//! | `check`, `token`, `health` | tries the configuration; seals and reads tokens; asks the probe |
//! | `warm`, `admin` | warming in a running server; a client of its admin port |
//! | `failure`, `output` | why a command ends the process; what commands print |

mod admin;
mod args;
mod check;
mod failure;
mod health;
mod output;
mod serve;
mod token;
mod warm;

use std::process::ExitCode;

use clap::Parser;

use crate::config::{self, Config, Environment, Layers};
use args::{Arguments, Command, TokenCommand};
use failure::CommandFailure;
use output::say;

/// Runs the command of the process's arguments: 0 = done, 1 = failed, 2 = wrong arguments or configuration.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("avatar-proxy: {failure:#}");
            match arguments.command() {
                // Docker reserves 2 in a HEALTHCHECK; 1 means unhealthy.
                Command::Health => ExitCode::FAILURE,
                _ => failure.exit_code(),
            }
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), CommandFailure> {
    let environment = Environment::new(std::env::vars_os())?;
    let layers = Layers::load(arguments.config.as_deref(), &environment)?;
    match arguments.command() {
        Command::Serve => serve::serve(&layers),
        Command::Check => check::check(&layers),
        Command::ShowConfig => show_config(&layers),
        Command::Token(TokenCommand::Seal) => token::seal(&layers),
        Command::Token(TokenCommand::Check) => token::check(&layers),
        Command::Warm(arguments) => warm::warm(&layers, arguments),
        Command::Health => health::health(&layers),
    }
}

/// Prints before it checks, since an operator needs to see a wrong configuration most.
fn show_config(layers: &Layers) -> Result<(), CommandFailure> {
    say(&config::show(layers))?;
    Config::from_layers(layers)?;
    Ok(())
}
