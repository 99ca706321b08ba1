//! [`Sentinels`]: who is the primary now.
//!
//! Ours, since the crate's own client follows no failover. All sentinels are asked at once: one that hangs costs no
//! time, and one that was cut off and names the old primary does not decide alone.

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
    /// To the sentinels; they have a login of their own and no databases.
    pub(super) dial: Dial,
}

impl Sentinels {
    /// A connection to the primary: where most sentinels of those that answer have it, and a primary answers by ROLE.
    ///
    /// SECURITY: an old primary that was cut off with one sentinel says by ROLE that it is one, too. A purge that is carried
    /// out there is heard by nobody, so what fewer sentinels say counts for nothing. Each sentinel has half of `within`
    /// to answer, so that an outage of all is told as one.
    pub(super) async fn connect(
        &self,
        nodes: &Dial,
        within: Duration,
    ) -> Result<(MultiplexedConnection, Place), ConnectError> {
        let told = self.told(within / 2).await;
        let mut failure = told.failure;
        let opening = told.votes.most_named().into_iter().map(async |place| {
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

    /// Whether no other place is named by more of the sentinels that answer. With no answer: true.
    pub(super) async fn still_name(&self, place: &Place, within: Duration) -> bool {
        let most = self.told(within).await.votes.most_named();
        most.is_empty() || most.contains(place)
    }

    /// What the sentinels say, asked all at once; no more than is needed to know what the majority of all says.
    async fn told(&self, within: Duration) -> Told {
        let mut asked: FuturesUnordered<_> =
            self.places.iter().map(|sentinel| self.ask_within(sentinel, within)).collect();
        let mut told = Told::default();
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(Some(place)) => {
                    if told.votes.count(place) > self.places.len() / 2 {
                        break;
                    }
                }
                Ok(None) => told.failure.unknown = true,
                Err(error) => {
                    let earlier = told.failure.sentinel.take();
                    told.failure.sentinel = Some(error.or_more_telling(earlier));
                }
            }
        }
        told
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

/// What the sentinels said.
#[derive(Default)]
struct Told {
    votes: Votes,
    failure: Failure,
}

/// How many sentinels named a place.
#[derive(Default)]
struct Votes(HashMap<Place, usize>);

impl Votes {
    /// One more, and how many there are now.
    fn count(&mut self, place: Place) -> usize {
        let count = self.0.entry(place).or_default();
        *count += 1;
        *count
    }

    /// Several where as many sentinels name one as the other.
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
