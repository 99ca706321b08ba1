//! [`Walk`]: connections are told of in batches, and what the server has done of them is noted.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::json;
use tokio::time::MissedTickBehavior;

use super::progress::Progress;
use super::state::State;
use crate::cli::admin::{Admin, Answer};
use crate::clock::Stopwatch;
use crate::directory::{Directory, DirectoryError, Page, Place};

const PATH: &str = "/api/connections";
/// Between two batches.
const BEAT: Duration = Duration::from_secs(1);
/// Between two looks at what is still to be done at the end.
const LOOK: Duration = Duration::from_millis(200);
/// The first pause before a server or a database that does not answer is asked again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// A server that answers, but neither accepts nor ends anything, is given up after so long.
const STANDSTILL: Duration = Duration::from_secs(600);
/// So often the server may be another one than before without anything having been done in between.
const MOST_REWINDS: u32 = 5;

/// A walk over the directory.
pub(super) struct Walk {
    admin: Admin,
    directory: Directory,
    file: PathBuf,
    /// A batch, and so the connections of one beat.
    rate: usize,
    patience: Duration,
    /// What is done, as it is saved.
    state: State,
    /// Where the next batch begins; `None` = behind the last.
    at: Option<Option<Place>>,
    /// Told, and not known to be done.
    told: VecDeque<Told>,
    server: Option<Counts>,
    rewinds: u32,
    moved: Stopwatch,
}

/// A batch that the server has accepted.
struct Told {
    avatars: u64,
    /// It is done when the server is done up to this number.
    number: u64,
    next: Option<Place>,
}

/// What the server says of all that it was told.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
struct Counts {
    accepted: u64,
    done: u64,
    failed: u64,
    /// When the process began: another one knows nothing of what this one has accepted.
    run: i64,
}

/// How a request ended that may be made again.
enum Asked {
    Counts(Counts),
    /// Too much is left to do.
    Busy(Duration),
    /// Nobody answers, or nothing that can be understood.
    Away(anyhow::Error),
}

impl Walk {
    pub(super) fn new(
        admin: Admin,
        directory: Directory,
        file: PathBuf,
        state: State,
        rate: u16,
        patience: Duration,
    ) -> Self {
        let at = Some(state.place.clone());
        let (rate, told, moved) = (usize::from(rate), VecDeque::new(), Stopwatch::start());
        Self { admin, directory, file, rate, patience, state, at, told, server: None, rewinds: 0, moved }
    }

    /// How many connections there are, if the database says so in time.
    pub(super) async fn total(&self) -> Option<u64> {
        self.directory.count().await.ok()
    }

    /// How many avatars are done, and how many of these brought no current picture.
    pub(super) fn done(&self) -> (u64, u64) {
        (self.state.done, self.state.failed)
    }

    /// To the end; then nothing is left to go on with. May be dropped at any time: what is done is saved.
    pub(super) async fn go(&mut self, progress: &mut Progress) -> anyhow::Result<()> {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let counts = self.ask(None, progress).await?;
        self.heed(counts)?;
        loop {
            match self.at.clone() {
                Some(from) => {
                    let page = self.page(from.as_ref(), progress).await?;
                    if !page.ids.is_empty() {
                        beat.tick().await;
                    }
                    self.tell(page, progress).await?;
                }
                None if self.told.is_empty() => return State::remove(&self.file),
                None => {
                    tokio::time::sleep(LOOK).await;
                    let counts = self.ask(None, progress).await?;
                    self.heed(counts)?;
                    ensure!(
                        self.moved.elapsed() < STANDSTILL,
                        "the server has done nothing for {STANDSTILL:?}"
                    );
                }
            }
            progress.show(self.state.done, self.state.failed);
        }
    }

    /// Tells of a batch, and notes what has been done meanwhile.
    async fn tell(&mut self, page: Page, progress: &Progress) -> anyhow::Result<()> {
        let mut number = self.server.map_or(0, |server| server.accepted);
        let avatars = page.ids.len() as u64;
        if avatars > 0 {
            let ids: Vec<&str> = page.ids.iter().map(|id| id.as_str()).collect();
            let counts = self.ask(Some(&json!({ "event": "created", "ids": ids })), progress).await?;
            if !self.heed(counts)? {
                // This batch comes once more, behind those that were lost.
                return Ok(());
            }
            number = counts.accepted;
        }
        self.at = page.next.clone().map(Some);
        self.told.push_back(Told { avatars, number, next: page.next });
        self.settle()
    }

    /// Takes over what the server says. False: it is another process than before, so that what was told and not done is
    /// lost, and is told of again.
    fn heed(&mut self, counts: Counts) -> anyhow::Result<bool> {
        let before = self.server.replace(counts);
        match before {
            Some(before) if before.run == counts.run => {
                self.state.failed += counts.failed.saturating_sub(before.failed);
                if before.done < counts.done {
                    self.moved = Stopwatch::start();
                }
                self.settle()?;
                Ok(true)
            }
            None => Ok(true),
            Some(_) => {
                self.rewinds += 1;
                ensure!(
                    self.rewinds <= MOST_REWINDS,
                    "again and again another server answers at {}: name one instance by --url",
                    self.admin.name()
                );
                self.told.clear();
                self.at = Some(self.state.place.clone());
                Ok(false)
            }
        }
    }

    /// Saves what is done by now.
    fn settle(&mut self) -> anyhow::Result<()> {
        let done = self.server.map_or(0, |server| server.done);
        let mut settled = false;
        while let Some(told) = self.told.pop_front_if(|told| told.number <= done) {
            self.state.done += told.avatars;
            if told.next.is_some() {
                self.state.place = told.next;
            }
            (settled, self.rewinds) = (true, 0);
        }
        if settled { self.state.save(&self.file) } else { Ok(()) }
    }

    async fn page(&self, from: Option<&Place>, progress: &Progress) -> anyhow::Result<Page> {
        let mut patience = Patience::new(self.patience);
        loop {
            match self.directory.page(from, self.rate).await {
                Err(error @ DirectoryError::Unavailable(_)) => patience.wait(error.into(), progress).await?,
                page => return page.context("the directory cannot be walked"),
            }
        }
    }

    /// Asks until the server accepts, as long as it is worth it.
    async fn ask(&self, body: Option<&serde_json::Value>, progress: &Progress) -> anyhow::Result<Counts> {
        let (mut patience, began) = (Patience::new(self.patience), Stopwatch::start());
        loop {
            match self.ask_once(body).await? {
                Asked::Counts(counts) => return Ok(counts),
                Asked::Busy(pause) => {
                    ensure!(
                        began.elapsed() < STANDSTILL,
                        "the server has accepted nothing for {STANDSTILL:?}"
                    );
                    patience = Patience::new(self.patience);
                    tokio::time::sleep(pause).await;
                }
                Asked::Away(error) => patience.wait(error, progress).await?,
            }
        }
    }

    async fn ask_once(&self, body: Option<&serde_json::Value>) -> anyhow::Result<Asked> {
        let answer = match body {
            Some(body) => self.admin.post(PATH, body).await,
            None => self.admin.get(PATH).await,
        };
        let Answer { status, retry_after, body } = match answer {
            Ok(answer) => answer,
            Err(error) => return Ok(Asked::Away(error)),
        };
        match status {
            200 | 202 => {
                serde_json::from_value(body).map(Asked::Counts).context("the answer is of no avatar-proxy")
            }
            503 if body["error"] == "busy" => {
                Ok(Asked::Busy(Duration::from_secs(retry_after.unwrap_or(1).clamp(1, 60))))
            }
            500.. => Ok(Asked::Away(anyhow::anyhow!("{} answered {status}", self.admin.name()))),
            _ => {
                let said = body["message"].as_str().map(|said| format!(": {said}")).unwrap_or_default();
                bail!("{} answered {status}{said}", self.admin.name())
            }
        }
    }
}

/// Pauses, doubling, before what does not answer is asked again; for a bounded time.
struct Patience {
    whole: Duration,
    began: Stopwatch,
    pause: Duration,
}

impl Patience {
    fn new(whole: Duration) -> Self {
        Self { whole, began: Stopwatch::start(), pause: FIRST_PAUSE }
    }

    /// Waits a while, or gives up with what was met last.
    async fn wait(&mut self, error: anyhow::Error, progress: &Progress) -> anyhow::Result<()> {
        let left = self.whole.saturating_sub(self.began.elapsed());
        if left.is_zero() {
            return Err(error.context(format!("given up after {:?}", self.whole)));
        }
        if self.pause == FIRST_PAUSE {
            progress.say(&format!("{error:#}: waiting for at most {:?}", self.whole));
        }
        tokio::time::sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
