//! Constant load: viewers on keep-alive connections, each of whom looks at one page's picture after another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use avatar_proxy::clock::Stopwatch;
use graphsim::{Account, Graphsim, Kind, PictureFile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::accounts::small;

/// Connections, over all instances together.
const VIEWERS: usize = 64;
/// Between two views of one viewer. Several tests share the machine, and none is to measure that.
const PACE: Duration = Duration::from_millis(200);
/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pages that are viewed from the beginning, and those that each later stage adds: no store holds anything of them then.
const HELD: usize = 8;
const COLD: usize = 4;

/// What happens while the load goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Before,
    During,
    After,
}

const STAGES: [Stage; 3] = [Stage::Before, Stage::During, Stage::After];

/// The stage of now, which all viewers read.
#[derive(Clone)]
pub(super) struct Now(Arc<AtomicUsize>);

impl Now {
    pub(super) fn get(&self) -> Stage {
        STAGES[self.0.load(Ordering::SeqCst)]
    }

    pub(super) fn set(&self, stage: Stage) {
        self.0.store(stage as usize, Ordering::SeqCst);
    }
}

/// Pages with a picture each.
pub(super) struct Pages {
    pictures: Vec<PictureFile>,
}

impl Pages {
    /// Adds them to the stand-in.
    pub(super) fn add(sim: &Graphsim) -> Self {
        let pictures: Vec<_> = (0..HELD + 2 * COLD).map(|n| small(u32::try_from(n + 1).unwrap())).collect();
        for (n, picture) in pictures.iter().enumerate() {
            sim.add(Account::new(Kind::Facebook, &account(n), &format!("EAApage{n}"), picture.clone()));
        }
        Self { pictures }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = String> {
        (0..self.pictures.len()).map(id)
    }

    /// As entries of the configuration.
    pub(super) fn entries(&self) -> String {
        let entry = |n| {
            let (id, account) = (id(n), account(n));
            format!(
                "[[connection]]\nid = \"{id}\"\nprovider = \"facebook\"\naccount = \"{account}\"\n\
                 token = \"plain:EAApage{n}\"\nname = \"Page {n}\"\npicture_url = \"\"\n"
            )
        };
        (0..self.pictures.len()).map(entry).collect()
    }
}

fn id(n: usize) -> String {
    format!("page-{n:02}")
}

fn account(n: usize) -> String {
    format!("1045000000001{n:02}")
}

/// One view.
struct View {
    stage: Stage,
    took: Duration,
    /// What was wrong with the answer.
    failure: Option<String>,
}

/// The viewers at work.
pub(super) struct Load {
    pub(super) now: Now,
    stop: Arc<AtomicBool>,
    viewers: JoinSet<Vec<View>>,
}

/// What they saw.
pub(super) struct Report {
    views: Vec<View>,
}

impl Load {
    /// Spread evenly over the instances at these addresses.
    pub(super) fn start(addresses: &[SocketAddr], pages: &Arc<Pages>) -> Self {
        let (now, stop) = (Now(Arc::new(AtomicUsize::new(0))), Arc::new(AtomicBool::new(false)));
        let mut viewers = JoinSet::new();
        for number in 0..VIEWERS {
            let address = addresses[number % addresses.len()];
            let viewer = Viewer { address, connection: None, pages: pages.clone() };
            viewers.spawn(viewer.look(number, now.clone(), stop.clone()));
        }
        Self { now, stop, viewers }
    }

    pub(super) async fn stop(self) -> Report {
        self.stop.store(true, Ordering::SeqCst);
        Report { views: self.viewers.join_all().await.into_iter().flatten().collect() }
    }
}

impl Report {
    /// What 99 of 100 answers did not exceed.
    pub(super) fn p99(&self, stage: Stage) -> Duration {
        let mut took: Vec<_> = self.of(stage).map(|view| view.took).collect();
        took.sort();
        took[took.len() * 99 / 100]
    }

    pub(super) fn count(&self, stage: Stage) -> usize {
        self.of(stage).count()
    }

    /// What was wrong, with the stage in which it was.
    pub(super) fn failures(&self) -> Vec<String> {
        let failures = self.views.iter().filter_map(|view| Some((view.stage, view.failure.as_ref()?)));
        failures.map(|(stage, failure)| format!("{stage:?}: {failure}")).collect()
    }

    fn of(&self, stage: Stage) -> impl Iterator<Item = &View> {
        self.views.iter().filter(move |view| view.stage == stage)
    }
}

struct Viewer {
    address: SocketAddr,
    connection: Option<TcpStream>,
    pages: Arc<Pages>,
}

impl Viewer {
    async fn look(mut self, number: usize, now: Now, stop: Arc<AtomicBool>) -> Vec<View> {
        // Not all in the same moment.
        tokio::time::sleep(PACE * u32::try_from(number).unwrap() / u32::try_from(VIEWERS).unwrap()).await;
        let mut views = Vec::new();
        for n in number.. {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let stage = now.get();
            let page = n % (HELD + COLD * stage as usize);
            let took = Stopwatch::start();
            let answer = tokio::time::timeout(PATIENCE, self.view(page)).await;
            let failure = match answer {
                Ok(Ok(answer)) => wrong(&answer, &self.pages.pictures[page].bytes),
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {PATIENCE:?}")),
            };
            if failure.is_some() {
                self.connection = None;
            }
            let failure = failure.map(|failure| format!("{}: {failure}", id(page)));
            views.push(View { stage, took: took.elapsed(), failure });
            tokio::time::sleep(PACE).await;
        }
        views
    }

    /// One answer, head and body, on the connection that stays open.
    async fn view(&mut self, page: usize) -> std::io::Result<Vec<u8>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(TcpStream::connect(self.address).await?),
        };
        let head = format!("GET /avatar/{} HTTP/1.1\r\nHost: a\r\n\r\n", id(page));
        connection.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        while whole_length(&answer).is_none_or(|length| answer.len() < length) {
            if connection.read_buf(&mut answer).await? == 0 {
                return Err(std::io::Error::other(format!(
                    "the connection ended after {} bytes",
                    answer.len()
                )));
            }
        }
        Ok(answer)
    }
}

/// How long an answer is, once its head is there. Every answer of this server declares its length.
fn whole_length(answer: &[u8]) -> Option<usize> {
    let head = head(answer)?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Some(head.len() + length.expect("a content-length").parse::<usize>().unwrap())
}

fn head(answer: &[u8]) -> Option<&str> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    Some(std::str::from_utf8(&answer[..end]).unwrap())
}

/// What is wrong with an answer that must be this picture.
fn wrong(answer: &[u8], picture: &[u8]) -> Option<String> {
    let head = head(answer)?;
    let is_right = head.starts_with("HTTP/1.1 200 ") && &answer[head.len()..] == picture;
    (!is_right).then(|| format!("not its picture: {head}"))
}
