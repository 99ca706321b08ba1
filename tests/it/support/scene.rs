//! [`Scene`]: one account and one proxy, with the default settings except for those that would make a test wait.

use std::time::Duration;

use avatar_proxy::clock::Clock;
use graphsim::{Fault, Graphsim};

use super::accounts::{Connected, small};
use super::client::{Answer, hash};
use super::proxy::{Proxy, START, stand_in};

/// What a viewer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// What was there at the beginning.
    Picture,
    /// What came after it.
    New,
    /// A generated picture.
    Initials,
}

pub(crate) struct Scene {
    pub(crate) sim: Graphsim,
    pub(crate) proxy: Proxy,
    pub(crate) whose: Connected,
}

impl Scene {
    /// The avatar has not been viewed; `extra` is merged over the settings.
    pub(crate) async fn cold(whose: &Connected, extra: &str) -> Self {
        let clock = Clock::manual(START);
        let sim = stand_in(&clock).await;
        whose.add(&sim, small(1));
        let proxy = Proxy::start(&sim, &clock, &(whose.entry("") + extra)).await;
        Self { sim, proxy, whose: whose.clone() }
    }

    /// The picture was confirmed in this moment.
    pub(crate) async fn confirmed(whose: &Connected, extra: &str) -> Self {
        let scene = Self::cold(whose, extra).await;
        assert_eq!(what(&scene.view().await), Shown::Picture);
        scene.sim.reset_counters();
        scene
    }

    /// Time goes by.
    pub(crate) fn wait(&self, span: Duration) {
        self.proxy.clock.advance(span);
    }

    /// From now on the API answers so; `None` ends it.
    pub(crate) fn api(&self, fault: impl Into<Option<Fault>>) {
        self.sim.api_fault(None, fault.into());
    }

    /// The owner puts up another picture.
    pub(crate) fn change_picture(&self) {
        self.sim.set_picture(self.whose.account, Some(small(2)));
    }

    /// One view, and all that comes of it.
    pub(crate) async fn view(&self) -> Answer {
        let answer = self.proxy.get(&self.whose.path()).await;
        self.proxy.settled().await;
        answer
    }

    /// One view shows this, and the provider is asked so often for it, before or after the answer.
    pub(crate) async fn sees(&self, shown: Shown, calls: usize) -> Answer {
        let before = (self.sim.total_api_calls(), self.sim.total_downloads());
        let answer = self.view().await;
        let after = (self.sim.total_api_calls(), self.sim.total_downloads());
        let seen = (what(&answer), after.0 - before.0);
        let age = self.proxy.clock.now().since(START);
        assert_eq!(seen, (shown, calls), "{age:?} after the start: {}", answer.head);
        if calls == 0 {
            assert_eq!(after, before, "neither the provider nor the CDN is asked {age:?} after the start");
        }
        answer
    }
}

/// What an answer shows.
#[track_caller]
pub(crate) fn what(answer: &Answer) -> Shown {
    match (answer.status, answer.state()) {
        (200, "placeholder") => Shown::Initials,
        (200, _) if answer.hash() == hash(&small(1).bytes) => Shown::Picture,
        (200, _) if answer.hash() == hash(&small(2).bytes) => Shown::New,
        _ => panic!("neither a picture nor initials: {}", answer.head),
    }
}
