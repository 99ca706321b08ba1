//! Section `[disk]`.

use std::path::PathBuf;

use crate::model::{Invalid, units};

/// Section `[disk]`.
#[derive(Debug, Clone)]
pub struct DiskConfig {
    /// The file; `None` turns the store off.
    pub path: Option<PathBuf>,
    /// The bound on all pictures together, in bytes. The least recently used go first.
    pub max_bytes: u64,
}

/// Section `[disk]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskWritten {
    path: String,
    max_bytes: units::Size,
}

impl TryFrom<DiskWritten> for DiskConfig {
    type Error = Invalid;

    fn try_from(written: DiskWritten) -> Result<Self, Invalid> {
        let path = (!written.path.is_empty()).then(|| PathBuf::from(written.path));
        Ok(Self { path, max_bytes: written.max_bytes.at_least("max_bytes", 1 << 20)? })
    }
}
