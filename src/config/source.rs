//! [`Source`]: where a value was written.

use std::fmt;
use std::path::PathBuf;

use super::text::printable;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the config.toml that is compiled in.
    Default,
    /// In the user's file.
    File(PathBuf),
    /// In this environment variable.
    Env(String),
    /// In the file that this environment variable names.
    EnvFile(String, PathBuf),
}

/// As an error line begins with it: on one line, whatever a path contains.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => f.write_str(&printable(&path.to_string_lossy())),
            Self::Env(name) => f.write_str(&printable(name)),
            Self::EnvFile(name, path) => {
                write!(f, "{} ({})", printable(name), printable(&path.to_string_lossy()))
            }
        }
    }
}
