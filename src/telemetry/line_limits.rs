//! [`LineLimits`]: no line of the code can fill the log, whichever crate writes it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::rate_limited_log::{RateLimitedLog, WINDOW};

/// The target of our own lines begins with it: a target is the path of a module.
pub(super) const OURS: &str = "avatar_proxy";

/// Lines in ten seconds from one place in our code. A storm of refreshes stays below it on all but the largest servers.
const OWN_LINES: u32 = 100;
/// Lines in ten seconds from one place in a library: such a line says that something is odd, and ten examples of it are
/// enough.
const LIBRARY_LINES: u32 = 10;

/// Bounds the lines that each place in the code writes, and reports how many were left out.
///
/// SECURITY: clients cause log lines, in libraries too. h2 warns of each unsolicited HTTP/2 PING ACK, which let
/// one anonymous connection write 289 MB in 5 s. The bound is for every place and not for those known to be dangerous,
/// since an update of a library may bring another.
#[derive(Debug, Clone)]
pub struct LineLimits {
    now: fn() -> Duration,
    callsites: Arc<Mutex<HashMap<Identifier, Callsite>>>,
}

/// A place in the code that writes a line.
#[derive(Debug)]
struct Callsite {
    metadata: &'static Metadata<'static>,
    log: RateLimitedLog,
}

impl LineLimits {
    /// `now` tells the time, as the span since any one moment.
    pub(super) fn new(now: fn() -> Duration) -> Self {
        Self { now, callsites: Arc::default() }
    }

    /// Reports every ten seconds how many lines were left out; never returns.
    pub async fn report_regularly(&self) -> Infallible {
        loop {
            tokio::time::sleep(WINDOW).await;
            self.report();
        }
    }

    /// Writes one line for each place in the code whose lines were left out since the last report.
    pub fn report(&self) {
        // The lines pass this filter themselves, so the lock is released first.
        let left_out: Vec<_> = {
            let counted = self
                .callsites
                .lock()
                .values()
                .map(|site| (site.metadata, site.log.take_left_out()))
                .collect::<Vec<_>>();
            counted.into_iter().filter(|(_, lines)| *lines > 0).collect()
        };
        for (metadata, lines) in left_out {
            let (from, line) = (metadata.target(), metadata.line());
            match *metadata.level() {
                Level::ERROR => {
                    tracing::error!(from, line, lines, "too many lines of one kind: the rest was left out")
                }
                Level::WARN => {
                    tracing::warn!(from, line, lines, "too many lines of one kind: the rest was left out")
                }
                _ => tracing::info!(from, line, lines, "too many lines of one kind: the rest was left out"),
            }
        }
    }
}

/// A layer and not the filter of a layer: `Filter::event_enabled` leaves its verdict to the thread's next event
/// (tracing-subscriber 0.3). It counts what the levels let through, since they are asked first.
impl<S: Subscriber> Layer<S> for LineLimits {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        let max_lines = if is_ours(metadata.target()) { OWN_LINES } else { LIBRARY_LINES };
        let new = || Callsite { metadata, log: RateLimitedLog::new(max_lines) };
        self.callsites.lock().entry(metadata.callsite()).or_insert_with(new).log.admits((self.now)())
    }
}

fn is_ours(target: &str) -> bool {
    target.strip_prefix(OURS).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
