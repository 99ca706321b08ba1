//! Faults that a test scripts.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The right answer, but late.
    Latency(Duration),
    /// The request is read and never answered.
    Hang,
    /// The connection is reset after the request was read.
    Reset,
    /// The connection is closed without a byte. (A listener that refuses to accept cannot be scripted for one account.)
    Close,
    /// Any answer.
    Status {
        /// The status.
        status: u16,
        /// The `Content-Type`.
        content_type: &'static str,
        /// The body.
        body: String,
    },
    /// Meta's error body.
    GraphError {
        /// The HTTP status, which decides nothing.
        status: u16,
        /// The code.
        code: i64,
        /// The subcode.
        subcode: Option<i64>,
        /// The message.
        message: String,
    },
    /// Meta's throttle with its usage header.
    Throttled {
        /// 4, 17, 32, 613 or 80000 to 80014.
        code: i64,
        /// `estimated_time_to_regain_access`.
        minutes: u64,
    },
    /// The right answer with more headers, such as `X-App-Usage`.
    Headers(Vec<(&'static str, String)>),
    /// Telegram's 429.
    TooManyRequests {
        /// In seconds.
        retry_after: u64,
    },
    /// 200 with an HTML page.
    Html,
    /// 200 without a body.
    Empty,
    /// The declared length, half of the body, then the end.
    Truncated,
    /// Declares ten bytes more than come.
    WrongLength,
    /// So many bytes of a picture that never ends.
    TooLarge {
        /// How many.
        bytes: usize,
        /// With `Content-Length`; else chunked.
        declared: bool,
    },
    /// 200, `image/jpeg`, and the text "URL signature expired".
    TextAsJpeg,
    /// 200 with an SVG.
    Svg,
    /// 302 to there.
    RedirectTo(String),
    /// 302 to itself.
    RedirectLoop,
    /// The right answer in pieces.
    Slow {
        /// Bytes in a piece.
        chunk: usize,
        /// Between pieces.
        pause: Duration,
    },
}

/// The faults in force: by account, and for all.
#[derive(Default)]
pub(crate) struct Faults(Mutex<HashMap<Option<String>, Scripted>>);

/// A fault, and for how many requests it is still in force.
struct Scripted {
    fault: Fault,
    left: usize,
}

impl Faults {
    /// For that many of the next requests.
    pub(crate) fn set(&self, id: Option<&str>, fault: Option<Fault>, times: usize) {
        let id = id.map(str::to_owned);
        let mut faults = self.0.lock().unwrap();
        match fault {
            Some(fault) => _ = faults.insert(id, Scripted { fault, left: times }),
            None => _ = faults.remove(&id),
        }
    }

    /// The one for this account, else the one for all; it is one request nearer to its end then.
    pub(crate) fn take(&self, id: Option<&str>) -> Option<Fault> {
        let mut faults = self.0.lock().unwrap();
        let own = id.map(|id| Some(id.to_owned())).filter(|own| faults.contains_key(own));
        let whose = own.unwrap_or(None);
        let scripted = faults.get_mut(&whose)?;
        scripted.left -= 1;
        let (fault, is_over) = (scripted.fault.clone(), scripted.left == 0);
        if is_over {
            faults.remove(&whose);
        }
        Some(fault)
    }
}
