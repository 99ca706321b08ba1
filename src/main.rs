//! The avatar-proxy command.

use std::process::ExitCode;

fn main() -> ExitCode {
    avatar_proxy::cli::main()
}
