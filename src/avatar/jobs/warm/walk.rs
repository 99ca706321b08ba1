//! [`Walk`]: reads the directory page by page and queues each page, no faster than its rate.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Warmer;
use super::status::{WarmRate, WarmState};
use crate::avatar::jobs::queue::Failures;
use crate::avatar::refresh::Urgency;
use crate::directory::{Cursor, DirectoryError, Page};
use crate::model::Backoff;

/// Between two pages: a page holds as many connections as the rate allows in this time.
const PAGE_INTERVAL: Duration = Duration::from_secs(1);
/// Before a database that does not answer is asked again.
const RETRY_BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(8));

/// One walk over the directory.
struct Walk {
    warmer: Arc<Warmer>,
    rate: usize,
    /// The next page: from this cursor on, or from the first connection. `None` = all pages are queued.
    next: Option<Option<Cursor>>,
    /// Pages that are queued and not known to be done, oldest first.
    queued: VecDeque<QueuedPage>,
    is_counted: bool,
}

struct QueuedPage {
    avatars: u64,
    /// The page is done when all jobs up to this number are.
    number: u64,
    failures: Failures,
    next: Option<Cursor>,
}

impl Warmer {
    /// Walks over the directory from a cursor on.
    pub(super) async fn walk(self: Arc<Self>, rate: WarmRate, from: Option<Cursor>, stop: CancellationToken) {
        Walk::new(self, rate, from).run(stop).await;
    }
}

impl Walk {
    fn new(warmer: Arc<Warmer>, rate: WarmRate, from: Option<Cursor>) -> Self {
        Self { warmer, rate: rate.per_second(), next: Some(from), queued: VecDeque::new(), is_counted: false }
    }

    /// Walks until every connection is visited, or `stop` is cancelled, or the process ends.
    async fn run(mut self, stop: CancellationToken) {
        let warmer = self.warmer.clone();
        tracing::info!(rate = self.rate, status = ?warmer.status(), "warming: the walk begins");
        warmer.save().await;
        let (state, problem) = tokio::select! {
            biased;
            () = stop.cancelled() => (WarmState::Stopped, None),
            () = warmer.stopping.cancelled() => (WarmState::Interrupted, None),
            walked = self.visit_all() => match walked {
                Ok(()) => (WarmState::Done, None),
                Err(error) => (WarmState::Failed, Some(error.to_string())),
            },
        };
        self.settle();
        warmer.end(state, problem).await;
        tracing::info!(status = ?warmer.status(), "warming: the walk has ended");
    }

    /// May be dropped at any time: nothing is queued without being noted in `queued`.
    async fn visit_all(&mut self) -> Result<(), DirectoryError> {
        self.warmer.directory.expect_new_tables().await;
        let mut interval = tokio::time::interval(PAGE_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Some(from) = self.next.clone() {
            let page = self.page(from.as_ref()).await?;
            self.count_rows().await;
            if !page.ids.is_empty() {
                self.while_jobs_end(interval.tick()).await;
            }
            self.enqueue(page).await;
            self.settle_and_save().await;
        }
        while !self.queued.is_empty() {
            self.next_job_ended().await;
        }
        Ok(())
    }

    /// Reads a page, however long the database is away.
    async fn page(&mut self, from: Option<&Cursor>) -> Result<Page, DirectoryError> {
        let directory = self.warmer.directory.clone();
        let mut backoff = RETRY_BACKOFF;
        loop {
            let page = self.while_jobs_end(directory.page(from, self.rate)).await;
            let Err(error @ DirectoryError::Unavailable(_)) = page else {
                self.warmer.update(|status| status.problem = None);
                return page;
            };
            if backoff == RETRY_BACKOFF {
                tracing::warn!(%error, "warming: the walk waits for the directory");
            }
            self.warmer.update(|status| status.problem = Some(error.to_string()));
            backoff.fail();
            self.while_jobs_end(tokio::time::sleep(backoff.pause(0))).await;
        }
    }

    /// Counts once, when the database is known to answer. A database that cannot count in time costs no walk.
    async fn count_rows(&mut self) {
        if self.is_counted {
            return;
        }
        self.is_counted = true;
        let directory = self.warmer.directory.clone();
        let total = self.while_jobs_end(directory.count()).await.ok();
        self.warmer.update(|status| status.total = total);
    }

    /// Queues a page when no job waits any more. So a hook of the dashboard waits for one page at most, and a busy server
    /// slows the walk down.
    async fn enqueue(&mut self, page: Page) {
        let failures = Failures::default();
        let number = loop {
            match self.try_enqueue(&page, &failures) {
                Some(number) => break number,
                None => self.next_job_ended().await,
            }
        };
        let avatars = page.ids.len() as u64;
        self.next = page.next.clone().map(Some);
        self.queued.push_back(QueuedPage { avatars, number, failures, next: page.next });
    }

    fn try_enqueue(&self, page: &Page, failures: &Failures) -> Option<u64> {
        let Warmer { queue, directory, tiers, .. } = &*self.warmer;
        let room = queue.reserve(page.ids.len()).ok().filter(|_| queue.waiting() == 0)?;
        // An unknown id may have been viewed before its row was there.
        page.ids.iter().for_each(|id| directory.forget(id));
        Some(queue.add(room, &page.ids, Urgency::View, tiers.generation(), Some(failures)))
    }

    /// Waits, and notes meanwhile which pages are done.
    async fn while_jobs_end<T>(&mut self, wait: impl Future<Output = T>) -> T {
        let mut wait = pin!(wait);
        loop {
            tokio::select! {
                ended = &mut wait => return ended,
                () = self.next_job_ended() => {}
            }
        }
    }

    async fn next_job_ended(&mut self) {
        self.warmer.queue.ended().await;
        self.settle_and_save().await;
    }

    async fn settle_and_save(&mut self) {
        if self.settle() {
            self.warmer.save().await;
        }
    }

    /// Notes the pages that are done; true if there were any.
    fn settle(&mut self) -> bool {
        let Some(done) = self.warmer.queue.done() else { return false };
        let mut is_any = false;
        while let Some(page) = self.queued.pop_front_if(|page| page.number <= done) {
            let QueuedPage { avatars, failures, next, .. } = page;
            self.warmer.note_done(avatars, failures.load(Ordering::Relaxed), next);
            is_any = true;
        }
        is_any
    }
}
