//! `cargo bench --bench storm`: 50,000 avatars become stale within one minute while their provider takes two seconds for
//! an answer and every other one is an error. Prints what was measured beside its bound; ends with 1 if one is broken.
//!
//! The servers are processes of their own with the wall clock, behind real sockets: this program starts itself again. One
//! meets the storm, the other one holds the same pictures and stays quiet; they are viewed by turns of some seconds, and
//! the one whose turn it is not is frozen, so that whatever else slows the machine down hits both alike. They have one
//! processor, the viewers and the stand-in for the provider the other one.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what goes wrong here must end the measurement")]

mod figures;
mod neighbours;
mod plan;
mod process;
mod provider;
mod report;
mod retries;
mod rounds;
mod server;
mod storm;
mod table;
mod time;
mod viewers;
mod world;

use std::process::ExitCode;

use clap::Parser;

use plan::{Bounds, Plan};

fn main() -> ExitCode {
    if let Some(config) = std::env::var_os(server::CONFIG) {
        return server::serve(config.as_ref());
    }
    let wanted = Wanted::parse();
    if !wanted.bench {
        println!("this is a measurement of some minutes: cargo bench --bench storm");
        return ExitCode::SUCCESS;
    }
    process::pin(process::OTHERS);
    let chosen = if wanted.bounds.is_empty() { vec![Bounds::Shipped, Bounds::Wide] } else { wanted.bounds };
    let mut is_kept = true;
    for bounds in chosen {
        let plan = Plan { bounds, avatars: wanted.avatars, rate: wanted.rate };
        let table = storm::measure(&plan);
        println!("{table}");
        is_kept &= table.is_kept();
    }
    if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A storm of stale avatars while their provider is slow and fails
#[derive(Parser)]
#[command(name = "cargo bench --bench storm --", bin_name = "cargo bench --bench storm --")]
struct Wanted {
    /// Under which bounds; without it under both, one after the other
    #[arg(value_enum)]
    bounds: Vec<Bounds>,
    /// Avatars that become stale
    #[arg(long, default_value_t = 50_000)]
    avatars: u32,
    /// Views in a second; twice as many keep the viewers' own processor busy
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// What cargo says
    #[arg(long, hide = true)]
    bench: bool,
}
