//! [`Sentinels`]: who is the primary now.
//!
//! Ours, since the crate's own client follows no failover. All sentinels are asked at once: one that hangs costs no
//! time, and one that was cut off and names the old primary does not decide alone.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;

use super::connect_error::ConnectError;
use super::dial::Dial;
use super::url::Place;

/// The sentinels of one master.
pub(super) struct Sentinels {
    pub(super) places: Vec<Place>,
    pub(super) master: String,
    /// To the sentinels; they have a login of their own and no databases.
    pub(super) dial: Dial,
}

impl Sentinels {
    /// A connection to the primary, at the first address named by a sentinel where a primary answers.
    ///
    /// Each sentinel has half of `within` to answer, so that an outage of all is told as one.
    pub(super) async fn connect(
        &self,
        nodes: &Dial,
        within: Duration,
    ) -> Result<(MultiplexedConnection, Place), ConnectError> {
        let mut asked: FuturesUnordered<_> =
            self.places.iter().map(|place| self.ask_within(place, within / 2)).collect();
        let mut tried = Vec::new();
        let mut opening = FuturesUnordered::new();
        let mut failure = Failure::default();
        loop {
            tokio::select! {
                Some(answer) = asked.next(), if !asked.is_empty() => match answer {
                    Ok(Some(place)) if tried.contains(&place) => {}
                    Ok(Some(place)) => {
                        tried.push(place.clone());
                        opening.push(async move { (nodes.open_primary(&place).await, place) });
                    }
                    Ok(None) => failure.unknown = true,
                    Err(error) => failure.sentinel = Some(error.or_more_telling(failure.sentinel.take())),
                },
                Some(opened) = opening.next(), if !opening.is_empty() => match opened {
                    (Ok(connection), place) => return Ok((connection, place)),
                    (Err(error), _) => failure.node = Some(error.or_more_telling(failure.node.take())),
                },
                else => return Err(failure.worst(&self.master)),
            }
        }
    }

    /// Whether no majority of the sentinels that answer names another place. With no answer: true.
    pub(super) async fn still_name(&self, place: &Place, within: Duration) -> bool {
        let mut asked: FuturesUnordered<_> =
            self.places.iter().map(|sentinel| self.ask_within(sentinel, within)).collect();
        let mut votes: HashMap<Place, usize> = HashMap::new();
        while let Some(answer) = asked.next().await {
            if let Ok(Some(named)) = answer {
                let count = votes.entry(named).or_default();
                *count += 1;
                if *count > self.places.len() / 2 {
                    break;
                }
            }
        }
        let ours = votes.remove(place).unwrap_or(0);
        votes.values().all(|count| *count <= ours)
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
