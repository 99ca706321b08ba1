//! [`CommandFailure`]: why a command ends the process, and with which code.

use std::fmt;
use std::process::ExitCode;

use crate::config::ConfigError;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum CommandFailure {
    /// The configuration is wrong, so a retry fails as well. Code 2, as for wrong arguments.
    Configuration(ConfigError),
    /// Any other error. Code 1.
    Failed(anyhow::Error),
}

impl CommandFailure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(1),
        }
    }
}

impl From<ConfigError> for CommandFailure {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error)
    }
}

impl From<anyhow::Error> for CommandFailure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// `{:#}` adds the causes on the same line.
impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(error) => error.fmt(f),
            Self::Failed(error) => error.fmt(f),
        }
    }
}
