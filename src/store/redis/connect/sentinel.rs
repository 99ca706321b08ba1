//! [`Sentinels`]: which server is the primary now.
//!
//! Our own, since the crate's client follows no failover. It asks all sentinels at once: one that hangs costs no time, and
//! one that was cut off and names the old primary does not decide alone.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;

use super::dial::{Dial, first_of};
use super::error::ConnectError;
use super::url::Place;

/// The sentinels of one master.
pub(super) struct Sentinels {
    pub(super) places: Vec<Place>,
    pub(super) master: String,
    /// To the sentinels, which have a login of their own and no databases.
    pub(super) dial: Dial,
}

impl Sentinels {
    /// A connection to the server that most of the sentinels that answer name, if it is a primary by ROLE.
    ///
    /// SECURITY: an old primary that was cut off together with one sentinel also claims by ROLE to be a primary. No instance
    /// would hear of a purge there, so what fewer sentinels name does not count. Each sentinel has half of `within` to
    /// answer, so that an outage of all of them is reported as one.
    pub(super) async fn connect(
        &self,
        nodes: &Dial,
        within: Duration,
    ) -> Result<(MultiplexedConnection, Place), ConnectError> {
        let answers = self.answers(within / 2).await;
        let mut failure = answers.failure;
        let opening = answers.votes.most_named().into_iter().map(async |place| {
            let opened = nodes.open_primary(&place).await;
            opened.map(|connection| (connection, place))
        });
        match first_of(opening, within / 8).await {
            Some(Ok(opened)) => return Ok(opened),
            Some(Err(error)) => failure.node = Some(error),
            None => {}
        }
        Err(failure.worst(&self.master))
    }

    /// Whether the sentinels that answer name no other server more often. True if none answers.
    pub(super) async fn still_name(&self, place: &Place, within: Duration) -> bool {
        let most = self.answers(within).await.votes.most_named();
        most.is_empty() || most.contains(place)
    }

    /// Asks all sentinels at once, until the answer of the majority is known.
    async fn answers(&self, within: Duration) -> Answers {
        let mut asked: FuturesUnordered<_> =
            self.places.iter().map(|sentinel| self.ask_within(sentinel, within)).collect();
        let mut answers = Answers::default();
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(Some(place)) => {
                    if answers.votes.count(place) > self.places.len() / 2 {
                        break;
                    }
                }
                Ok(None) => answers.failure.unknown = true,
                Err(error) => {
                    let earlier = answers.failure.sentinel.take();
                    answers.failure.sentinel = Some(error.or_more_telling(earlier));
                }
            }
        }
        answers
    }

    async fn ask_within(&self, sentinel: &Place, within: Duration) -> Result<Option<Place>, ConnectError> {
        let answer = tokio::time::timeout(within, self.ask(sentinel)).await;
        answer.unwrap_or(Err(ConnectError::TimedOut(within))).map_err(ConnectError::of_sentinel)
    }

    /// `None` if it watches no master of this name.
    async fn ask(&self, sentinel: &Place) -> Result<Option<Place>, ConnectError> {
        let mut connection = self.dial.open(sentinel).await?;
        let named: Option<(String, u16)> = redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.master)
            .query_async(&mut connection)
            .await
            .map_err(|error| ConnectError::of(&error, sentinel))?;
        Ok(named.map(|(host, port)| Place::Tcp(host, port)))
    }
}

/// What the sentinels answered.
#[derive(Default)]
struct Answers {
    votes: Votes,
    failure: Failure,
}

/// How many sentinels named a place.
#[derive(Default)]
struct Votes(HashMap<Place, usize>);

impl Votes {
    /// Counts a vote, and returns how many that server has.
    fn count(&mut self, place: Place) -> usize {
        let count = self.0.entry(place).or_default();
        *count += 1;
        *count
    }

    /// The servers with the most votes.
    fn most_named(self) -> Vec<Place> {
        let most = self.0.values().copied().max().unwrap_or(0);
        self.0.into_iter().filter(|(_, count)| *count == most).map(|(place, _)| place).collect()
    }
}

/// What went wrong, nearest to the primary first.
#[derive(Default)]
struct Failure {
    node: Option<ConnectError>,
    unknown: bool,
    sentinel: Option<ConnectError>,
}

impl Failure {
    fn worst(self, master: &str) -> ConnectError {
        match self {
            Self { node: Some(error), .. } => error,
            Self { unknown: true, .. } => ConnectError::UnknownMaster(master.to_owned()),
            Self { sentinel: Some(login @ ConnectError::SentinelLoginRefused { .. }), .. } => login,
            Self { sentinel: Some(error), .. } => ConnectError::NoSentinel(Box::new(error)),
            Self { sentinel: None, .. } => ConnectError::UnknownMaster(master.to_owned()),
        }
    }
}
