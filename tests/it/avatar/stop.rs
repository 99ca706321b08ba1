//! A stop while refreshes run and wait.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use avatar_proxy::clock::Clock;
use avatar_proxy::model::ETag;
use graphsim::{Account, Fault, Graphsim, Kind, Options};
use tempfile::TempDir;

use crate::support::accounts::small;
use crate::support::client::hash;
use crate::support::process::Process;
use crate::support::proxy::LIFE;
use crate::support::wait::until;
use crate::support::webhooks::{OK, Reply, Webhooks};

const PAGES: usize = 60;
/// Refreshes of Facebook at one time: three quarters of the places.
const RUNNING: usize = 6;

fn id(n: usize) -> String {
    format!("page-{n:02}")
}

fn account(n: usize) -> String {
    format!("10450000000{n:02}")
}

fn path(n: usize) -> String {
    format!("/avatar/{}", id(n))
}

/// Pages whose pictures are stale after a second, a provider, and a receiver of events, all by the system's clock.
struct Storm {
    sim: Graphsim,
    receiver: Webhooks,
    folder: TempDir,
    settings: String,
}

impl Storm {
    /// A process that holds all pages; each has another picture by now, and its provider is slow.
    async fn start(latency: Duration) -> (Self, Process) {
        let clock = Clock::system();
        let now = clock.clone();
        let options = Options { now: Arc::new(move || now.now().as_millis()), address_life: LIFE };
        let (sim, receiver) = (Graphsim::start(options).await, Webhooks::start(&clock));
        let mut settings = format!(
            "[avatar]\nfresh_for = \"1s\"\nmax_refreshes = 8\n[origin]\ntimeout = \"60s\"\n{}",
            receiver.settings()
        );
        for n in 0..PAGES {
            let (id, account, token) = (id(n), account(n), format!("EAApage{n}"));
            sim.add(Account::new(Kind::Facebook, &account, &token, small(1)));
            write!(
                settings,
                "[[connection]]\nid = \"{id}\"\nprovider = \"facebook\"\naccount = \"{account}\"\n\
                 token = \"plain:{token}\"\n"
            )
            .unwrap();
        }
        let storm = Self { sim, receiver, folder: TempDir::new().unwrap(), settings };
        let process = storm.process().await;
        for n in 0..PAGES {
            assert_eq!(process.get(&path(n)).await.hash(), hash(&small(1).bytes));
        }
        storm.receiver.set(Reply::Status(500, ""));
        for n in 0..PAGES {
            storm.sim.set_picture(&account(n), Some(small(2)));
        }
        storm.sim.api_fault(None, Some(Fault::Latency(latency)));
        storm.sim.reset_counters();
        (storm, process)
    }

    async fn process(&self) -> Process {
        Process::start(&self.sim, self.folder.path(), &self.settings, &[]).await
    }

    /// Views all pages until as many refreshes run as may; all others wait.
    async fn view_all_until_full(&self, process: &Process) {
        until("as many refreshes run as may", async || {
            for n in 0..PAGES {
                assert_eq!(process.get(&path(n)).await.hash(), hash(&small(1).bytes));
            }
            self.asked().len() >= RUNNING
        })
        .await;
    }

    /// The pages of which the provider was asked.
    fn asked(&self) -> BTreeSet<usize> {
        (0..PAGES).filter(|n| self.sim.api_calls(&account(*n)) > 0).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_a_storm_stores_what_the_last_refreshes_bring_and_complains_of_nothing() {
    let (storm, mut process) = Storm::start(Duration::from_millis(700)).await;
    storm.view_all_until_full(&process).await;
    process.signal("TERM");
    assert_eq!(process.ended().await.code(), Some(0));
    let log = process.log();
    for complaint in ["ERROR", "WARN", "queue is full"] {
        // The receiver of events fails, and that is said.
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("events")).collect();
        assert!(!lines.iter().any(|line| line.contains(complaint)), "{complaint}: {log}");
    }
    let asked = storm.asked();
    assert!((RUNNING..PAGES).contains(&asked.len()), "some ran and some waited: {asked:?}");

    storm.sim.api_fault(None, Some(Fault::Close));
    storm.sim.cdn_fault(None, Some(Fault::Close));
    storm.receiver.set(OK);
    let process = storm.process().await;
    for n in 0..PAGES {
        let seed = if asked.contains(&n) { 2 } else { 1 };
        assert_eq!(process.get(&path(n)).await.hash(), hash(&small(seed).bytes), "{}", id(n));
    }
    let told = storm.receiver.expect(asked.len()).await;
    let changed: BTreeSet<String> = told.iter().map(|message| message.data()["id"].to_string()).collect();
    let expected: BTreeSet<String> = asked.iter().map(|n| format!("\"{}\"", id(*n))).collect();
    assert_eq!(changed, expected);
    let etag = ETag::of(&small(2).bytes).as_str().to_owned();
    assert!(told.iter().all(|message| message.data()["etag"] == etag));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_outlasts_the_stop_is_counted_and_harms_nothing() {
    let (storm, mut process) = Storm::start(Duration::from_secs(30)).await;
    storm.view_all_until_full(&process).await;
    process.signal("TERM");
    assert_eq!(process.ended().await.code(), Some(0));
    let log = process.log();
    assert!(log.contains("stopped with background work under way"), "{log}");
    assert!(!log.contains("ERROR") && !log.contains("queue is full"), "{log}");
    let process = storm.process().await;
    for n in 0..PAGES {
        assert_eq!(process.get(&path(n)).await.hash(), hash(&small(1).bytes), "{}", id(n));
    }
}
