//! [`Connection`]: one for all commands, wherever it leads. A clone shares it.

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, Pipeline, RedisFuture, Value};

use super::url::Place;

/// An open connection, and where it leads.
#[derive(Clone)]
pub(super) struct Connection(pub(super) Wire);

#[derive(Clone)]
pub(super) enum Wire {
    Node { connection: MultiplexedConnection, place: Place },
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match &mut self.0 {
            Wire::Node { connection, .. } => connection.req_packed_command(command),
            Wire::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match &mut self.0 {
            Wire::Node { connection, .. } => connection.req_packed_commands(pipeline, offset, count),
            Wire::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match &self.0 {
            Wire::Node { connection, .. } => connection.get_db(),
            Wire::Cluster(connection) => connection.get_db(),
        }
    }
}
