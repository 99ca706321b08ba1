//! What commands print.

use std::io::{ErrorKind, Write};

use super::failure::CommandFailure;

/// Writes to stdout; a reader that has gone (`show-config | head`) is no failure.
pub(super) fn say(text: &str) -> Result<(), CommandFailure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CommandFailure::Failed(error.into())),
        _ => Ok(()),
    }
}
