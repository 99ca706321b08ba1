//! GROUND: the log. Structured lines on stderr, for people or for machines, with a bound on each kind.

mod line_limits;
mod metrics;
mod rate_limited_log;

use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::TryInitError;
use tracing_subscriber::{Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use line_limits::OURS;

pub use line_limits::LineLimits;
pub use metrics::{Counter, Metrics, RedisMetrics, WebhookMetrics};
pub use rate_limited_log::RateLimitedLog;

/// Section `[log]`. Its types are its only rules, so it is read as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Lines of lower importance are not written.
    pub level: Level,
    /// The form of a line.
    pub format: Format,
}

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something is broken and does not mend itself.
    Error,
    /// Something is wrong and may mend itself.
    Warn,
    /// Events that operators follow in normal operation.
    Info,
    /// Details for the developer of a dashboard.
    Debug,
    /// Everything.
    Trace,
}

/// The form of a line.
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

/// Sends the process's log, and its panics, to stderr from now on. `now` tells the time, as the span since
/// any one moment. The caller reports what the limits leave out.
///
/// # Errors
/// When a subscriber was set before: a process has one log.
pub fn init(config: LogConfig, now: fn() -> Duration) -> Result<LineLimits, TryInitError> {
    let limits = LineLimits::new(now);
    subscriber(config, std::io::stderr, limits.clone()).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(limits)
}

fn subscriber<W>(config: LogConfig, writer: W, limits: LineLimits) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
        Format::Text => lines.with_ansi(wants_colour()).boxed(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    tracing_subscriber::registry().with(lines).with(targets(config.level)).with(limits)
}

/// SECURITY: a formatted message may quote a value, such as a token in the error that an `unwrap` met, so only a message
/// that stands in the source is repeated. Through the log, a panic that clients can cause is bounded like any other line.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(formatted)");
    let location = panic.location().map(ToString::to_string);
    tracing::error!(location, message, "panicked");
}

/// Our own lines at the configured level. A library's lines at `warn` and above, or at `error` alone if that is the level.
///
/// SECURITY: libraries log whole addresses and queries at `debug` (hyper, sqlx), which contain signatures and tokens.
fn targets(level: Level) -> Targets {
    Targets::new()
        .with_default(LevelFilter::from(level).min(LevelFilter::WARN))
        .with_target(OURS, level)
        .with_target("sqlx::query", LevelFilter::OFF)
}

fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing::Level as Line;

    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        /// How many lines with `text` were written.
        fn count(&self, text: &str) -> usize {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap().matches(text).count()
        }
    }

    #[test]
    fn each_kind_of_line_has_a_bound_and_the_report_counts_the_rest() {
        let (written, limits) = (Written::default(), LineLimits::new(|| Duration::ZERO));
        let (writer, config) = (written.clone(), LogConfig { level: Level::Info, format: Format::Json });
        let _guard = subscriber(config, move || writer.clone(), limits.clone()).set_default();
        for _ in 0..1000 {
            tracing::warn!(target: "h2::proto", "a library's line");
            tracing::error!("a line of our own");
            tracing::info!("another of our own");
            tracing::debug!("not enabled");
        }
        let lines = |text| written.count(text);
        assert_eq!(lines("a library's line"), 10);
        assert_eq!(
            (lines("a line of our own"), lines("another of our own"), lines("not enabled")),
            (100, 100, 0)
        );
        limits.report();
        assert_eq!((lines("left out"), lines(r#""lines":990"#), lines(r#""lines":900"#)), (3, 1, 2));
        limits.report();
        assert_eq!(lines("left out"), 3, "nothing was left out since");
    }

    #[tokio::test]
    async fn a_line_has_the_fields_of_its_refresh_at_every_level_and_in_both_formats() {
        use tracing::Instrument;
        for (format, fields) in [
            (Format::Text, r#"refresh{connection=clx3 provider="instagram"}:"#),
            (Format::Json, r#""spans":[{"connection":"clx3","provider":"instagram","name":"refresh"}"#),
        ] {
            for level in [Level::Error, Level::Info, Level::Debug] {
                let (written, limits) = (Written::default(), LineLimits::new(|| Duration::ZERO));
                let writer = written.clone();
                let lines = subscriber(LogConfig { level, format }, move || writer.clone(), limits);
                let _guard = lines.set_default();
                let span =
                    tracing::error_span!("refresh", connection = %"clx3", provider = tracing::field::Empty);
                let refresh = async {
                    tracing::Span::current().record("provider", "instagram");
                    let inner = tracing::debug_span!("resolve");
                    async { tracing::error!("refresh failed") }.instrument(inner).await;
                };
                refresh.instrument(span).await;
                let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
                assert!(text.contains(fields), "{level:?} {format:?}: {text}");
                assert_eq!(written.count("clx3"), 1, "the field is there once: {text}");
            }
        }
    }

    #[test]
    fn a_panic_is_one_line_that_quotes_no_value() {
        let (written, limits) = (Written::default(), LineLimits::new(|| Duration::ZERO));
        let (writer, config) = (written.clone(), LogConfig { level: Level::Info, format: Format::Json });
        let _guard = subscriber(config, move || writer.clone(), limits).set_default();
        // The hook belongs to all tests of this binary.
        let (before, own) = (std::panic::take_hook(), std::thread::current().id());
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().id() == own { log_panic(panic) } else { before(panic) }
        }));
        let secret = "token-5c1e";
        let _ = std::panic::catch_unwind(|| panic!("met {secret}"));
        let _ = std::panic::catch_unwind(|| panic!("stands in the source"));
        assert_eq!((written.count("panicked"), written.count("telemetry/mod.rs:")), (2, 2));
        assert_eq!((written.count(secret), written.count("stands in the source")), (0, 1));
    }

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
