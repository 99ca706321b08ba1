//! [`Crowds`]: which requests for an account are answered at the same time.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

/// Meetings that are remembered of an account.
const REMEMBERED: usize = 20;

/// The requests for each account, to the provider and the CDN.
#[derive(Default)]
pub(crate) struct Crowds {
    of_each: Mutex<HashMap<String, Crowd>>,
    of_all: Mutex<Total>,
}

/// The requests for all accounts together.
#[derive(Default)]
struct Total {
    now: usize,
    most: usize,
}

#[derive(Default)]
struct Crowd {
    now: Vec<Request>,
    most: usize,
    met: Vec<String>,
    next: u64,
}

struct Request {
    number: u64,
    asked: String,
    since: Instant,
}

/// One request; it is over when this is dropped.
pub(crate) struct UnderWay<'a> {
    crowds: &'a Crowds,
    id: String,
    number: u64,
}

impl Crowds {
    /// Counts a request as long as it is answered.
    #[expect(
        clippy::disallowed_methods,
        reason = "how long requests really take, whatever the test's clock says"
    )]
    pub(crate) fn enter(&self, id: &str, asked: &str) -> UnderWay<'_> {
        self.of_all.lock().unwrap().enter();
        let mut crowds = self.of_each.lock().unwrap();
        let crowd = crowds.entry(id.to_owned()).or_default();
        for other in crowd.now.iter().take(REMEMBERED.saturating_sub(crowd.met.len())) {
            crowd.met.push(format!("{asked} came {:?} after {}", other.since.elapsed(), other.asked));
        }
        let number = crowd.next;
        crowd.next += 1;
        crowd.now.push(Request { number, asked: asked.to_owned(), since: Instant::now() });
        crowd.most = crowd.most.max(crowd.now.len());
        UnderWay { crowds: self, id: id.to_owned(), number }
    }

    /// The most for all accounts together that there were at one time.
    pub(crate) fn most_of_all(&self) -> usize {
        self.of_all.lock().unwrap().most
    }

    /// The most that there were at one time.
    pub(crate) fn most(&self, id: &str) -> usize {
        self.of_each.lock().unwrap().get(id).map_or(0, |crowd| crowd.most)
    }

    /// How many there are now.
    pub(crate) fn now(&self, id: &str) -> usize {
        self.of_each.lock().unwrap().get(id).map_or(0, |crowd| crowd.now.len())
    }

    /// The first that came while another was answered.
    pub(crate) fn met(&self, id: &str) -> Vec<String> {
        self.of_each.lock().unwrap().get(id).map_or_else(Vec::new, |crowd| crowd.met.clone())
    }
}

impl Total {
    fn enter(&mut self) {
        self.now += 1;
        self.most = self.most.max(self.now);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.crowds.of_all.lock().unwrap().now -= 1;
        if let Some(crowd) = self.crowds.of_each.lock().unwrap().get_mut(&self.id) {
            crowd.now.retain(|request| request.number != self.number);
        }
    }
}
