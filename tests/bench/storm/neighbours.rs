//! [`Neighbours`]: what others take of the machine while it is measured: other machines on the same hardware, and programs
//! with a low priority.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use avatar_proxy::clock::{Clock, Timestamp};

use crate::process::stolen;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What they had taken by then.
#[derive(Debug, Clone, Copy)]
struct Taken {
    at: Timestamp,
    so_far: Duration,
}

/// Watches until the process ends.
pub(crate) struct Neighbours(Arc<Mutex<Vec<Taken>>>);

impl Neighbours {
    /// From now on.
    pub(crate) fn watch() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = seen.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(LOOK_EVERY);
                let so_far = stolen().expect("proc_stat(5)");
                noted.lock().unwrap().push(Taken { at: Clock::system().now(), so_far });
            }
        });
        Self(seen)
    }

    /// How many cores that was in this time.
    pub(crate) fn cores(&self, from: Timestamp, to: Timestamp) -> f64 {
        let seen = self.0.lock().unwrap();
        let within: Vec<_> = seen.iter().filter(|taken| (from..=to).contains(&taken.at)).collect();
        let (Some(first), Some(last)) = (within.first(), within.last()) else { return f64::INFINITY };
        last.so_far.saturating_sub(first.so_far).as_secs_f64() / last.at.since(first.at).as_secs_f64()
    }
}
