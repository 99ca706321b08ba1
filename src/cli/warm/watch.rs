//! [`WarmWatch`]: a walk in the server, seen through `/api/warm`.

use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use serde_json::{Value, json};

use super::progress::ProgressLine;
use crate::avatar::{WarmState, WarmStatus};
use crate::cli::admin::{Admin, AdminAnswer};
use crate::clock::monotonic;

const PATH: &str = "/api/warm";
/// Between two questions for the progress.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// A server that stays away for longer than a restart takes is not waited for. The walk does not need this command.
const SERVER_AWAY: Duration = Duration::from_secs(60);
/// What an operator does when a walk has ended early.
const RESUME: &str = "the same command with --resume continues from there";

/// A walk that this command began or joined.
pub(super) struct WarmWatch<'a> {
    admin: &'a Admin,
    walk: WarmStatus,
    progress: ProgressLine,
}

impl<'a> WarmWatch<'a> {
    /// Begins a walk. With `resume` it continues the last one, or joins the one under way.
    pub(super) async fn begin(admin: &'a Admin, rate: u16, resume: bool) -> anyhow::Result<Self> {
        let AdminAnswer { status, body } = admin
            .post(PATH, &json!({ "rate": rate, "resume": resume }))
            .await
            .context("the walk runs in the server, which must be up")?;
        let progress = ProgressLine::new();
        match status {
            202 => Ok(Self { admin, walk: parse(&body)?, progress }),
            409 => {
                let walk = parse(&body)?;
                let (under_way, done) = (u16::from(walk.rate), walk.done);
                ensure!(
                    resume,
                    "a walk is under way already, {done} avatars are done; --resume shows its progress, --stop stops it"
                );
                progress.say(&format!("a walk is under way already, at {under_way} avatars a second"));
                Ok(Self { admin, walk, progress })
            }
            _ => Err(refused(admin, status, &body)),
        }
    }

    /// Ends the display; returns how many avatars were done when the server was last asked.
    pub(super) fn leave(&self) -> u64 {
        self.progress.end();
        self.walk.done
    }

    /// Shows the progress until the walk ends; an error unless every connection was visited.
    pub(super) async fn follow(&mut self) -> anyhow::Result<()> {
        let ended = self.poll_until_it_ends().await;
        self.progress.end();
        let WarmStatus { done, failed, .. } = self.walk;
        ended.with_context(|| format!("{done} avatars are done"))?;
        self.progress.say(&match failed {
            0 => format!("done: {done} avatars"),
            _ => format!(
                "done: {done} avatars, {failed} of them without a current picture: the server's log says why"
            ),
        });
        Ok(())
    }

    async fn poll_until_it_ends(&mut self) -> anyhow::Result<()> {
        loop {
            self.progress.show(&self.walk);
            match self.walk.state {
                WarmState::Running | WarmState::Interrupted => {}
                WarmState::Done => return Ok(()),
                WarmState::Stopped => bail!("the walk was stopped; {RESUME}"),
                WarmState::Failed => {
                    let problem = self.walk.problem.as_deref().unwrap_or("see the server's log");
                    bail!("the directory cannot be walked: {problem}; {RESUME}")
                }
            }
            tokio::time::sleep(POLL_INTERVAL).await;
            let walk = self.poll().await?;
            ensure!(
                walk.as_ref().is_some_and(|walk| walk.started_at == self.walk.started_at),
                "the server at {} knows nothing of this walk: it was restarted without a disk store, or another walk was \
                 begun, or another instance answers there",
                self.admin.name()
            );
            self.walk = walk.unwrap_or_else(|| self.walk.clone());
        }
    }

    /// The walk as the server sees it; a server that restarts is waited for.
    async fn poll(&self) -> anyhow::Result<Option<WarmStatus>> {
        let (asked, mut is_said) = (monotonic(), false);
        loop {
            let error = match self.admin.get(PATH).await {
                Ok(AdminAnswer { status: 200, body }) if body["state"] == "idle" => return Ok(None),
                Ok(AdminAnswer { status: 200, body }) => return parse(&body).map(Some),
                Ok(AdminAnswer { status, body }) if status < 500 => {
                    return Err(refused(self.admin, status, &body));
                }
                Ok(AdminAnswer { status, body }) => refused(self.admin, status, &body),
                Err(error) => error,
            };
            ensure!(
                asked.elapsed() < SERVER_AWAY,
                "{error:#}: given up after {SERVER_AWAY:?}; the walk does not need this command, --resume watches it again"
            );
            if !is_said {
                self.progress.say(&format!("{error:#}: waiting for the server, at most {SERVER_AWAY:?}"));
                is_said = true;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// Stops the walk under way; returns what an operator wants to know of it.
pub(super) async fn stop(admin: &Admin) -> anyhow::Result<String> {
    let AdminAnswer { status, body } = admin.delete(PATH).await?;
    match (status, &body["state"]) {
        (200, state) if state == "stopped" => {
            Ok(format!("stopped: {} avatars are done; {RESUME}", parse(&body)?.done))
        }
        (200, _) => Ok("no walk is under way".to_owned()),
        _ => Err(refused(admin, status, &body)),
    }
}

fn parse(body: &Value) -> anyhow::Result<WarmStatus> {
    serde_json::from_value(body.clone()).context("the answer is not one of avatar-proxy")
}

fn refused(admin: &Admin, status: u16, body: &Value) -> anyhow::Error {
    let message = body["message"].as_str().map(|message| format!(": {message}")).unwrap_or_default();
    let hint = if status == 404 { " (is it the admin port of this version of avatar-proxy?)" } else { "" };
    anyhow!("{} answered {status}{message}{hint}", admin.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::AdminConfig;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_stays_away_is_given_up() {
        // No program listens on port 1, and the paused clock jumps over every pause.
        let admin =
            Admin::new(&AdminConfig { listen: None, token: None }, Some("http://127.0.0.1:1")).unwrap();
        let walk = json!({ "state": "running", "rate": 10, "started_at": 1, "done": 3, "failed": 0 });
        let mut watch =
            WarmWatch { admin: &admin, walk: parse(&walk).unwrap(), progress: ProgressLine::new() };
        let error = format!("{:#}", watch.follow().await.unwrap_err());
        assert!(error.starts_with("3 avatars are done: "), "{error}");
        assert!(error.contains("given up after 60s"), "{error}");
    }
}
