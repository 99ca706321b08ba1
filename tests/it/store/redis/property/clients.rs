//! [`Clients`]: they view avatars all the while, and judge every answer.

use std::sync::Arc;
use std::time::Duration;

use avatar_proxy::clock::Stopwatch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::facts::Facts;
use super::{CLIENTS, INSTANCES};
use crate::support::accounts::ALL;
use crate::support::client;

/// An answer begins within `server.request_timeout`; the rest is a busy machine.
const DEADLINE: Duration = Duration::from_secs(3 + 3);

pub(super) struct Clients {
    tasks: JoinSet<usize>,
    stop: CancellationToken,
}

impl Clients {
    pub(super) fn start(facts: &Arc<Facts>) -> Self {
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        for number in 0..CLIENTS {
            let (facts, stop) = (facts.clone(), stop.clone());
            tasks.spawn(async move {
                let mut answers = 0;
                for turn in number.. {
                    if stop.is_cancelled() {
                        break;
                    }
                    let (at, whose) = (turn % INSTANCES, turn / INSTANCES % ALL.len());
                    answers += usize::from(view(&facts, at, whose).await);
                    tokio::time::sleep(Duration::from_millis(15)).await;
                }
                answers
            });
        }
        Self { tasks, stop }
    }

    /// How many answers were judged; fails if one of them was wrong.
    pub(super) async fn end(mut self) -> usize {
        self.stop.cancel();
        let mut answers = 0;
        while let Some(ended) = self.tasks.join_next().await {
            answers += ended.expect("every answer is right");
        }
        answers
    }
}

/// One view; false if the instance was killed meanwhile, which is the client's own affair.
async fn view(facts: &Facts, at: usize, whose: usize) -> bool {
    let Some(address) = facts.address(at) else { return false };
    let (watch, deleted, target) = (Stopwatch::start(), facts.deleted(at, whose), ALL[whose].path());
    let Some(answer) = client::try_request(address, "GET", &target).await else {
        assert_ne!(facts.address(at), Some(address), "an instance that was not killed gave no whole answer");
        return false;
    };
    let took = watch.elapsed();
    assert!(took < DEADLINE, "{target}: {took:?}");
    if let Some(shown) = facts.shown(whose, &answer) {
        let picture = format!("picture {shown} of {target} at instance {at}");
        assert!(shown >= deleted, "{picture} was deleted with all before {deleted}: {}", answer.head);
    }
    true
}
