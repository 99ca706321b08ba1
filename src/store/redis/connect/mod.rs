//! [`Server`]: where Redis is, how it is run, and how connections to it are opened.
//!
//! Reading order: `url` (what `redis.url` says) and `tls`; `dial` (one server), `sentinel` (which server is the primary) and
//! `cluster` (many primaries); `connection` (what they open, and what an error says about it), `nodes` (commands for each
//! primary), `error`.

mod cluster;
pub(super) mod connection;
mod dial;
pub(super) mod error;
mod nodes;
mod sentinel;
pub(super) mod tls;
pub(super) mod url;

use std::fmt::Write as _;
use std::time::Duration;

use parking_lot::Mutex;

use crate::model::{Invalid, Secret};
use cluster::Cluster;
use connection::{RedisConnection, Wire};
use dial::Dial;
use error::ConnectError;
use sentinel::Sentinels;
use tls::{Tls, TlsFiles};
use url::{Login, Place, RedisUrl, Topology};

/// The user and password of the sentinels; empty is none. Those in the URL are for the data nodes.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SentinelLogin {
    pub(crate) username: String,
    pub(crate) password: Secret,
}

/// A Redis, however it is run.
pub(crate) struct Server {
    nodes: Dial,
    run: Run,
}

enum Run {
    Node(Place),
    Sentinel(Sentinels),
    Cluster(Cluster),
}

impl Server {
    /// `url` and `prefix` are those of `redis`. Reads the TLS files.
    ///
    /// The error names the key below `redis` and shows nothing that could be a part of a password.
    pub(crate) fn new(
        url: &Secret,
        prefix: &str,
        tls: TlsFiles,
        sentinel: SentinelLogin,
    ) -> Result<Self, Invalid> {
        let url = RedisUrl::parse(url.expose())?;
        let nodes = Dial { login: url.login, tls: Tls::new(url.tls, &tls)?, database: url.database };
        let login = sentinel_login(sentinel, &url.topology)?;
        let run = match url.topology {
            Topology::Node(place) => Run::Node(place),
            Topology::Sentinel { sentinels: places, master } => {
                let dial = Dial { login, tls: nodes.tls.clone(), database: 0 };
                Run::Sentinel(Sentinels { places, master, dial })
            }
            Topology::Cluster { seeds } => {
                let (prefix, primaries) = (prefix.to_owned(), Mutex::default());
                Run::Cluster(Cluster { seeds, dial: nodes.clone(), prefix, primaries })
            }
        };
        Ok(Self { nodes, run })
    }

    /// A connection to the current primary, or to all of a cluster. It is logged in and answers.
    pub(crate) async fn connect(&self, within: Duration) -> Result<RedisConnection, ConnectError> {
        bounded(within, async {
            Ok(RedisConnection(match &self.run {
                Run::Node(place) => {
                    Wire::Node { connection: self.nodes.open_primary(place).await?, place: place.clone() }
                }
                Run::Sentinel(sentinels) => {
                    let (connection, place) = sentinels.connect(&self.nodes, within).await?;
                    Wire::Node { connection, place }
                }
                Run::Cluster(cluster) => Wire::Cluster(cluster.connect(within).await?),
            }))
        })
        .await
    }

    /// A subscription to `channels` at the server that `connection` leads to; in a cluster, at any node.
    pub(crate) async fn subscribe(
        &self,
        connection: &RedisConnection,
        channels: &[String],
        within: Duration,
    ) -> Result<redis::aio::PubSub, ConnectError> {
        bounded(within, async {
            match (&connection.0, &self.run) {
                (Wire::Node { place, .. }, _) => self.nodes.open_subscribed(place, channels).await,
                (Wire::Cluster(connection), Run::Cluster(cluster)) => {
                    cluster.subscribe(connection, channels, within).await
                }
                (Wire::Cluster(_), Run::Node(_) | Run::Sentinel(_)) => Err(ConnectError::Other {
                    at: self.describe(),
                    why: "the connection belongs to another server".to_owned(),
                }),
            }
        })
        .await
    }

    /// Whether `connection` still leads to the primary that the sentinels name, or to those of the cluster. A single node
    /// names no other.
    ///
    /// True if no sentinel answers: an outage of the sentinels alone is no outage of Redis.
    pub(crate) async fn is_current(&self, connection: &RedisConnection, within: Duration) -> bool {
        match (&self.run, &connection.0) {
            (Run::Sentinel(sentinels), Wire::Node { place, .. }) => sentinels.still_name(place, within).await,
            (Run::Cluster(cluster), Wire::Cluster(connection)) => {
                cluster.has_its_primaries(connection, within).await
            }
            (Run::Sentinel(_), Wire::Cluster(_))
            | (Run::Cluster(_), Wire::Node { .. })
            | (Run::Node(_), _) => true,
        }
    }

    /// Whether `connection` answers anything in time; in a cluster, whether some shard works.
    pub(crate) async fn answers(
        &self,
        connection: &RedisConnection,
        within: Duration,
    ) -> Result<(), ConnectError> {
        if let (Run::Cluster(cluster), Wire::Cluster(connection)) = (&self.run, &connection.0) {
            return cluster.answers(connection, within).await;
        }
        let (ping, mut connection) = (redis::cmd("PING"), connection.clone());
        let answer = tokio::time::timeout(within, ping.query_async::<redis::Value>(&mut connection)).await;
        answer.map(|_| ()).map_err(|_| ConnectError::TimedOut(within))
    }

    /// Whether there are several primaries, so that one may be lost.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.run, Run::Cluster(_))
    }

    /// For `check` and the log, without a password.
    pub(crate) fn describe(&self) -> String {
        let mut text = match &self.run {
            Run::Node(place) => format!("one node at {place}"),
            Run::Sentinel(sentinels) => {
                format!("Sentinel {} at {}", sentinels.master, list(&sentinels.places))
            }
            Run::Cluster(cluster) => format!("a cluster at {}", list(&cluster.seeds)),
        };
        if let Tls::On(certificates) = &self.nodes.tls {
            text.push_str(if certificates.client_tls.is_some() {
                ", TLS with a client certificate"
            } else {
                ", TLS"
            });
        }
        // Writing to a String does not fail.
        if let Some(user) = &self.nodes.login.user {
            let _ = write!(text, ", user {user}");
        }
        if self.nodes.database != 0 {
            let _ = write!(text, ", database {}", self.nodes.database);
        }
        text
    }
}

async fn bounded<T>(
    within: Duration,
    attempt: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    tokio::time::timeout(within, attempt).await.unwrap_or(Err(ConnectError::TimedOut(within)))
}

fn sentinel_login(written: SentinelLogin, topology: &Topology) -> Result<Login, Invalid> {
    let user = Some(written.username).filter(|user| !user.is_empty());
    let password = Some(written.password).filter(|password| !password.is_empty());
    let shown = || user.clone().unwrap_or_default();
    match (topology, &user, &password) {
        (Topology::Sentinel { .. }, Some(_), None) => {
            Err(Invalid::new("sentinel.password", "", "the password of sentinel.username"))
        }
        (Topology::Sentinel { .. }, _, _) => Ok(Login { user, password }),
        (Topology::Node(_) | Topology::Cluster { .. }, None, None) => Ok(Login::default()),
        (Topology::Node(_) | Topology::Cluster { .. }, Some(_), _) => {
            Err(Invalid::new("sentinel.username", shown(), "nothing, since redis.url names no sentinels"))
        }
        (Topology::Node(_) | Topology::Cluster { .. }, None, Some(_)) => {
            Err(Invalid::new("sentinel.password", "<secret>", "nothing, since redis.url names no sentinels"))
        }
    }
}

fn list(places: &[Place]) -> String {
    places.iter().map(Place::to_string).collect::<Vec<_>>().join(", ")
}
