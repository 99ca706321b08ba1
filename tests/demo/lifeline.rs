//! The proxy ends with the demo, however the demo ends.
//!
//! The demo holds the other end of the proxy's standard input. The system closes it even when the demo is killed and can
//! clean up nothing, so then the proxy does it.

use std::io::Read;
use std::path::{Path, PathBuf};

/// A file that is made while the folder is being removed keeps it; the next attempt takes both.
const ATTEMPTS: usize = 3;

/// Ends this process, and removes the demo's folder, as soon as the demo is gone.
pub(crate) fn hold(folder: PathBuf) {
    std::thread::spawn(move || {
        // Nothing is ever written: the read ends when the other process does, or by an error that means the same.
        let _ = std::io::stdin().read(&mut [0]);
        remove(&folder);
        std::process::exit(0);
    });
}

fn remove(folder: &Path) {
    for _ in 0..ATTEMPTS {
        if std::fs::remove_dir_all(folder).is_ok() || !folder.exists() {
            return;
        }
    }
}
