//! [`Neighbours`]: what other programs take of the machine while it is measured.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use avatar_proxy::clock::{Clock, Timestamp};

use crate::process::{worked, worked_by_all};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What all other programs had taken by then.
#[derive(Debug, Clone, Copy)]
struct Taken {
    at: Timestamp,
    so_far: Duration,
}

/// Watches until the process ends.
pub(crate) struct Neighbours(Arc<Mutex<Vec<Taken>>>);

impl Neighbours {
    /// From now on; `ours` are the processes besides this one that belong to the measurement.
    pub(crate) fn watch(ours: Vec<u32>) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = seen.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(LOOK_EVERY);
                let own = worked("self").map_or(Duration::ZERO, |(user, _)| user);
                let of_ours = |process: &u32| worked(&process.to_string()).map(|(user, _)| user);
                let ours = own + ours.iter().filter_map(of_ours).sum::<Duration>();
                let so_far = worked_by_all().expect("proc_stat(5)").saturating_sub(ours);
                noted.lock().unwrap().push(Taken { at: Clock::system().now(), so_far });
            }
        });
        Self(seen)
    }

    /// How many cores they kept busy in that time.
    pub(crate) fn cores(&self, from: Timestamp, to: Timestamp) -> f64 {
        let seen = self.0.lock().unwrap();
        let within: Vec<_> = seen.iter().filter(|taken| (from..=to).contains(&taken.at)).collect();
        let (Some(first), Some(last)) = (within.first(), within.last()) else { return f64::INFINITY };
        last.so_far.saturating_sub(first.so_far).as_secs_f64() / last.at.since(first.at).as_secs_f64()
    }
}
