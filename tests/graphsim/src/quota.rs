//! Quotas as Meta has them: a number of calls in a rolling window, and in every reply how much of it is used up.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;

use crate::Host;
use crate::graph::error;
use crate::server::Answer;

/// So many calls in a rolling window. Refused ones do not count.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// How many.
    pub calls: usize,
    /// In how long.
    pub window: Duration,
}

/// What a quota belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// The app of one of the two hosts.
    App(Host),
    /// An account of its own.
    Account(String),
}

/// The quotas in force, and what is used up of them.
#[derive(Default)]
pub(crate) struct Quotas(Mutex<HashMap<Owner, Used>>);

struct Used {
    quota: Quota,
    /// When the calls of the window came, in milliseconds since the epoch; the oldest first.
    calls: VecDeque<i64>,
}

impl Quotas {
    pub(crate) fn set(&self, owner: Owner, quota: Quota) {
        self.0.lock().unwrap().insert(owner, Used { quota, calls: VecDeque::new() });
    }

    /// Others use it up.
    pub(crate) fn spend(&self, owner: &Owner, calls: usize, now: i64) {
        let mut quotas = self.0.lock().unwrap();
        let used = quotas.get_mut(owner).expect("a quota that was set");
        used.calls.extend(std::iter::repeat_n(now, calls));
    }

    /// Takes one call of the app's quota and one of the account's; or the refusal.
    pub(crate) fn take(&self, host: Host, account: &str, now: i64) -> Option<Answer> {
        let mut quotas = self.0.lock().unwrap();
        let owners = [Owner::App(host), Owner::Account(account.to_owned())];
        for owner in &owners {
            let Some(used) = quotas.get_mut(owner) else { continue };
            used.forget(now);
            if used.calls.len() >= used.quota.calls {
                return Some(match owner {
                    Owner::App(_) => error(403, 4, None, "(#4) Application request limit reached"),
                    Owner::Account(_) => error(
                        400,
                        80001,
                        None,
                        "(#80001) There have been too many calls to this Page account. Wait a bit and try again.",
                    ),
                });
            }
        }
        for owner in &owners {
            if let Some(used) = quotas.get_mut(owner) {
                used.calls.push_back(now);
            }
        }
        None
    }

    /// What stands beside a reply.
    pub(crate) fn headers(&self, host: Host, account: &str, now: i64) -> Vec<(&'static str, String)> {
        let mut quotas = self.0.lock().unwrap();
        quotas.values_mut().for_each(|used| used.forget(now));
        let app = quotas.get(&Owner::App(host)).map(|used| {
            let usage = json!({ "call_count": used.percent(), "total_cputime": 3, "total_time": 2 });
            ("X-App-Usage", usage.to_string())
        });
        let account_of = |used: &Used| {
            let usage = json!({ account: [{
                "type": "pages", "call_count": used.percent(), "total_cputime": 3, "total_time": 2,
                "estimated_time_to_regain_access": used.minutes_to_regain(now),
            }]});
            ("X-Business-Use-Case-Usage", usage.to_string())
        };
        let own = quotas.get(&Owner::Account(account.to_owned())).map(account_of);
        app.into_iter().chain(own).collect()
    }
}

impl Used {
    fn forget(&mut self, now: i64) {
        let window = self.quota.window.as_millis() as i64;
        while self.calls.front().is_some_and(|call| call + window <= now) {
            self.calls.pop_front();
        }
    }

    fn percent(&self) -> usize {
        self.calls.len() * 100 / self.quota.calls
    }

    /// Until there is room for one; 0 while there is.
    fn minutes_to_regain(&self, now: i64) -> i64 {
        let window = self.quota.window.as_millis() as i64;
        match self.calls.len().checked_sub(self.quota.calls) {
            Some(over) => (self.calls[over] + window - now).div_euclid(60_000) + 1,
            None => 0,
        }
    }
}
