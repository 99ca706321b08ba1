//! Commands that go to each primary: `SCAN` walks over the keys of one.

use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{FromRedisValue, RedisResult, Value};

use super::cluster::primaries_of;
use super::connection::{RedisConnection, Wire};
use super::url::Place;

/// Keys that one step looks at.
const SCAN_COUNT: u32 = 500;

impl RedisConnection {
    /// The nodes that have keys; `None` is the one that this connection leads to.
    pub(crate) async fn primaries(&self) -> RedisResult<Vec<Option<Place>>> {
        match &self.0 {
            Wire::Node { .. } => Ok(vec![None]),
            Wire::Cluster(connection) => {
                Ok(primaries_of(connection.clone()).await?.into_iter().map(Some).collect())
            }
        }
    }

    /// One step of `SCAN`: the next cursor (0 = this node is done) and the keys.
    pub(crate) async fn scan(
        &self,
        node: Option<&Place>,
        cursor: u64,
        pattern: &str,
    ) -> RedisResult<(u64, Vec<String>)> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN_COUNT);
        let answer: Value = match (&self.0, node) {
            (Wire::Cluster(connection), Some(Place::Tcp(host, port))) => {
                let node = SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port };
                connection.clone().route_command(scan, RoutingInfo::SingleNode(node)).await?
            }
            _ => scan.query_async(&mut self.clone()).await?,
        };
        Ok(FromRedisValue::from_redis_value(answer)?)
    }
}
