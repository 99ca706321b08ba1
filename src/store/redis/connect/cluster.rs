//! [`Cluster`]: many primaries behind one connection, which the crate maintains.

use parking_lot::{Mutex, MutexGuard};
use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::{ConnectionInfo, IntoConnectionInfo, RedisResult, Value};

use super::connection::{Meaning, text_of};
use super::dial::{Dial, first_of, tcp_settings};
use super::error::ConnectError;
use super::tls::Tls;
use super::url::Place;

/// The crate's retries of one request: a redirection, a slot that is just moving, a primary that is just lost.
const RETRIES: u32 = 3;
/// Milliseconds between them; the crate's own begin at 1,280.
const RETRY_WAIT: std::ops::Range<u64> = 5..50;

/// Hash tags in every sixteenth of the slots, so that every shard that is not tiny has one.
const TAGS: [u8; 16] = [10, 3, 61, 43, 11, 2, 60, 42, 12, 1, 63, 41, 13, 0, 62, 40];

/// A cluster, by the nodes that the configuration names.
pub(super) struct Cluster {
    pub(super) seeds: Vec<Place>,
    pub(super) dial: Dial,
    /// `redis.prefix`: the login may read keys below it.
    pub(super) prefix: String,
    /// The primaries when the last connection was made; empty if no node named them.
    pub(super) primaries: Mutex<Vec<Place>>,
}

impl Cluster {
    /// Connects as soon as one seed answers and names the slots. It leaves out nodes that are down.
    pub(super) async fn connect(&self, within: Duration) -> Result<ClusterConnection, ConnectError> {
        let at = self.seeds.first().ok_or(ConnectError::TimedOut(within))?;
        let client = self.client(within).map_err(|error| ConnectError::of(&error, at))?;
        // The rest of the time is for the reason.
        let failure = match tokio::time::timeout(within * 3 / 4, client.get_async_connection()).await {
            Ok(Ok(connection)) => match in_time(within / 4, primaries_of(connection.clone())).await {
                Ok(primaries) if primaries.is_empty() => {
                    ConnectError::ClusterDown("no slot is served".to_owned())
                }
                Err(error) if !error.is_io_error() => ConnectError::of(&error, at),
                named => {
                    *self.known() = named.unwrap_or_default();
                    return Ok(connection);
                }
            },
            Ok(Err(error)) => ConnectError::of(&error, at),
            Err(_) => ConnectError::TimedOut(within),
        };
        // The crate turns every reason into one text, so this asks the seeds once more.
        let attempts = self.seeds.iter().map(|seed| self.ask_state(seed, within / 8));
        match first_of(attempts, within / 16).await {
            Some(Err(why)) => Err(failure.or_more_telling(Some(why))),
            Some(Ok(())) | None => Err(failure),
        }
    }

    /// Any node delivers what is published at any other. Those that the cluster names come first: a seed that has left the
    /// cluster would take the subscription and deliver nothing.
    pub(super) async fn subscribe(
        &self,
        connection: &ClusterConnection,
        channels: &[String],
        within: Duration,
    ) -> Result<redis::aio::PubSub, ConnectError> {
        let mut places = in_time(within / 4, named_nodes(connection.clone())).await.unwrap_or_default();
        places.extend(self.seeds.iter().filter(|seed| !places.contains(seed)).cloned().collect::<Vec<_>>());
        let attempts = places.iter().map(|place| self.dial.open_subscribed(place, channels));
        first_of(attempts, within / 8).await.unwrap_or(Err(ConnectError::TimedOut(within)))
    }

    /// Whether some shard works: this reads from each, and one answer is enough.
    pub(super) async fn answers(
        &self,
        connection: &ClusterConnection,
        within: Duration,
    ) -> Result<(), ConnectError> {
        let mut asked: FuturesUnordered<_> = TAGS
            .iter()
            .map(|tag| {
                let (mut connection, key) = (connection.clone(), format!("{}:{{{tag}}}", self.prefix));
                async move { redis::cmd("GET").arg(key).query_async::<Value>(&mut connection).await }
            })
            .collect();
        let mut why = None;
        let any = async {
            while let Some(answer) = asked.next().await {
                match answer {
                    Err(error) if Meaning::of(&error, true) == Meaning::TimedOut => {
                        why = Some(text_of(&error))
                    }
                    Ok(_) | Err(_) => return true,
                }
            }
            false
        };
        if tokio::time::timeout(within, any).await == Ok(true) {
            return Ok(());
        }
        Err(why.map_or(ConnectError::TimedOut(within), ConnectError::ClusterDown))
    }

    /// Whether every node that was a primary when the last connection was made still is one. The crate learns of a change from
    /// the nodes. One that hangs reports nothing, and the crate would go on asking it for slots that have moved.
    pub(super) async fn has_its_primaries(&self, connection: &ClusterConnection, within: Duration) -> bool {
        let Ok(named) = in_time(within, primaries_of(connection.clone())).await else { return true };
        let mut known = self.known();
        if known.is_empty() {
            *known = named;
            return true;
        }
        known.iter().all(|place| named.contains(place))
    }

    fn known(&self) -> MutexGuard<'_, Vec<Place>> {
        self.primaries.lock()
    }

    fn client(&self, within: Duration) -> RedisResult<ClusterClient> {
        let seeds: RedisResult<Vec<ConnectionInfo>> = self
            .seeds
            .iter()
            .map(|seed| {
                let info = self.dial.address(seed).into_connection_info()?;
                Ok(info.set_redis_settings(self.dial.settings()))
            })
            .collect();
        // A seed that hangs has a quarter of the time: the crate waits for all seeds, and then for all nodes.
        let builder = ClusterClientBuilder::new(seeds?)
            .connection_timeout(within / 4)
            .response_timeout(within)
            .tcp_settings(tcp_settings())
            .retries(RETRIES)
            .min_retry_wait(RETRY_WAIT.start)
            .max_retry_wait(RETRY_WAIT.end);
        match &self.dial.tls {
            Tls::On(certificates) => builder.certs(certificates.clone()).build(),
            Tls::Off => builder.build(),
        }
    }

    /// Whether a seed answers as a part of a cluster.
    async fn ask_state(&self, seed: &Place, within: Duration) -> Result<(), ConnectError> {
        let asked = async {
            let mut connection = self.dial.open_answering(seed).await?;
            let slots = redis::cmd("CLUSTER").arg("SLOTS").exec_async(&mut connection).await;
            slots.map_err(|error| ConnectError::of(&error, seed))
        };
        tokio::time::timeout(within, asked).await.unwrap_or(Err(ConnectError::TimedOut(within)))
    }
}

/// The primaries alone.
pub(super) async fn primaries_of(mut connection: ClusterConnection) -> RedisResult<Vec<Place>> {
    let answer = redis::cmd("CLUSTER").arg("SLOTS").query_async::<Value>(&mut connection).await?;
    let mut places: Vec<Place> = Vec::new();
    if let Value::Array(ranges) = &answer {
        for range in ranges {
            let Value::Array(parts) = range else { continue };
            if let Some(place) = parts.get(2).and_then(node_of).filter(|place| !places.contains(place)) {
                places.push(place);
            }
        }
    }
    Ok(places)
}

/// Primaries first.
async fn named_nodes(mut connection: ClusterConnection) -> RedisResult<Vec<Place>> {
    let slots = redis::cmd("CLUSTER").arg("SLOTS").query_async::<Value>(&mut connection).await?;
    Ok(nodes_of(&slots))
}

/// Turns a timeout into an I/O error.
async fn in_time<T>(within: Duration, asked: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let answer = tokio::time::timeout(within, asked).await;
    answer.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

/// `[[start, end, [host, port, ..], [host, port, ..]], ..]`, each range's primary before its replicas
/// (<https://redis.io/docs/latest/commands/cluster-slots/>). A node whose host is unknown is left out.
fn nodes_of(slots: &Value) -> Vec<Place> {
    let Value::Array(ranges) = slots else { return Vec::new() };
    let nodes = |range: &Value| match range {
        Value::Array(parts) => parts.iter().skip(2).filter_map(node_of).collect(),
        _ => Vec::new(),
    };
    let ranges: Vec<Vec<Place>> = ranges.iter().map(nodes).collect();
    let primaries = ranges.iter().filter_map(|nodes| nodes.first());
    let replicas = ranges.iter().flat_map(|nodes| nodes.iter().skip(1));
    let mut places: Vec<Place> = Vec::new();
    for place in primaries.chain(replicas) {
        if !places.contains(place) {
            places.push(place.clone());
        }
    }
    places
}

fn node_of(node: &Value) -> Option<Place> {
    let Value::Array(parts) = node else { return None };
    let (Value::BulkString(host), Value::Int(port)) = (parts.first()?, parts.get(1)?) else { return None };
    let host = String::from_utf8(host.clone()).ok().filter(|host| !host.is_empty() && host != "?")?;
    Some(Place::Tcp(host, u16::try_from(*port).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CRC16, XMODEM (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>, appendix A).
    fn slot(tag: &str) -> u16 {
        let byte = |crc: u16, byte: u8| {
            let shift = |crc: u16, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            (0..8).fold(crc ^ u16::from(byte) << 8, shift)
        };
        tag.bytes().fold(0, byte) % 16_384
    }

    #[test]
    fn a_tag_lies_in_each_sixteenth_of_the_slots() {
        assert_eq!(slot("123456789"), 0x31C3);
        let sixteenths = TAGS.map(|tag| slot(&tag.to_string()) / 1024);
        assert_eq!(sixteenths.to_vec(), (0..16).collect::<Vec<_>>());
    }

    #[test]
    fn primaries_come_before_replicas_and_unknown_hosts_are_left_out() {
        let node = |host: &str, port| {
            Value::Array(vec![
                Value::BulkString(host.into()),
                Value::Int(port),
                Value::BulkString("id".into()),
            ])
        };
        let range = |nodes: &[Value]| Value::Array([&[Value::Int(0), Value::Int(9)], nodes].concat());
        let slots = Value::Array(vec![
            range(&[node("a", 1), node("b", 2)]),
            range(&[node("c", 3), node("?", 4), node("", 5), node("d", 70_000)]),
            range(&[node("a", 1), node("e", 6)]),
            Value::Nil,
        ]);
        let named: Vec<String> = nodes_of(&slots).iter().map(Place::to_string).collect();
        assert_eq!(named, ["a:1", "c:3", "b:2", "e:6"]);
        assert_eq!(nodes_of(&Value::Nil), []);
    }
}
