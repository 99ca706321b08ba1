//! GROUND: what the server says about itself. Structured lines on stderr, for people or for machines.

mod rate_limited_log;

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::util::TryInitError;
use tracing_subscriber::{Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt};

pub use rate_limited_log::RateLimitedLog;

/// Section `[log]`. It knows no rule beyond its types, so what is written is what is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// The least important line that is written.
    pub level: Level,
    /// How a line looks.
    pub format: Format,
}

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something is broken and needs a person.
    Error,
    /// Something is wrong that may pass by itself.
    Warn,
    /// What an operator wants to read on a quiet day.
    Info,
    /// What the developer of a dashboard wants to read.
    Debug,
    /// Everything.
    Trace,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people; coloured only on a terminal, and not where `NO_COLOR` is set.
    Text,
    /// One JSON object a line, its fields beside `timestamp`, `level` and `target`.
    Json,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

/// Sends the process's log to stderr from now on.
///
/// # Errors
/// When a subscriber was set before: a process has one log.
pub fn init(config: LogConfig) -> Result<(), TryInitError> {
    tracing_subscriber::registry().with(lines(config)).try_init()
}

fn lines(config: LogConfig) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = fmt::layer().with_writer(std::io::stderr);
    match config.format {
        Format::Text => layer.with_ansi(wants_colour()).with_filter(targets(config.level)).boxed(),
        Format::Json => layer.json().flatten_event(true).with_filter(targets(config.level)).boxed(),
    }
}

/// Our own lines at the configured level; a library's only if it warns, and not even then at level `error`.
///
/// SECURITY: libraries log whole addresses and queries at `debug` (hyper, sqlx), and these hold signatures and tokens.
fn targets(level: Level) -> Targets {
    Targets::new()
        .with_default(LevelFilter::from(level).min(LevelFilter::WARN))
        .with_target("avatar_proxy", level)
        .with_target("sqlx::query", LevelFilter::OFF)
}

fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level as Line;

    #[test]
    fn our_own_lines_follow_the_level_and_libraries_stay_at_warn() {
        for (level, ours, theirs) in [
            (Level::Error, Line::ERROR, Line::ERROR),
            (Level::Warn, Line::WARN, Line::WARN),
            (Level::Info, Line::INFO, Line::WARN),
            (Level::Debug, Line::DEBUG, Line::WARN),
            (Level::Trace, Line::TRACE, Line::WARN),
        ] {
            let targets = targets(level);
            for line in [Line::ERROR, Line::WARN, Line::INFO, Line::DEBUG, Line::TRACE] {
                assert_eq!(
                    targets.would_enable("avatar_proxy::avatar", &line),
                    line <= ours,
                    "{level:?} {line}"
                );
                assert_eq!(targets.would_enable("hyper::proto", &line), line <= theirs, "{level:?} {line}");
                assert!(!targets.would_enable("sqlx::query", &line), "sqlx prints whole queries");
            }
        }
    }
}
