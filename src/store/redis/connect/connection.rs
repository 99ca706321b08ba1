//! [`Connection`]: one for all commands, wherever it leads. A clone shares it. And [`Meaning`]: what an error that came by
//! it says of it.

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, ServerErrorKind, Value};

use super::error::cut;
use super::url::Place;

/// An open connection, and where it leads.
#[derive(Clone)]
pub(crate) struct Connection(pub(crate) Wire);

#[derive(Clone)]
pub(crate) enum Wire {
    Node { connection: MultiplexedConnection, place: Place },
    Cluster(ClusterConnection),
}

/// What an error says of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It leads to where nothing can be done now; another one may lead elsewhere.
    Useless,
    /// As if nothing had come: of several nodes one is lost, and the others may be well.
    Silent,
    /// It is well, and the command was refused.
    Refused,
    /// It is well, and nobody refuses anything.
    Well,
}

impl Meaning {
    /// One node is all there is; of a cluster's nodes each speaks for its own slots.
    pub(crate) fn of(error: &RedisError, is_cluster: bool) -> Self {
        use ServerErrorKind::{Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
        let lost = if is_cluster { Self::Silent } else { Self::Useless };
        match error.kind() {
            // Somebody else wrote a value of another shape than ours.
            ErrorKind::UnexpectedReturnType => Self::Well,
            // A slot is just moving, and the crate has followed it as often as it may.
            ErrorKind::Server(TryAgain | Moved | Ask) if is_cluster => Self::Well,
            // A node that is a replica now, still loads its data or has lost its primary or its cluster.
            ErrorKind::Server(ReadOnly | MasterDown | BusyLoading | ClusterDown) => lost,
            ErrorKind::Server(_) | ErrorKind::Extension => Self::Refused,
            _ if error.is_timeout() => Self::Silent,
            _ => lost,
        }
    }
}

/// What Redis or the crate said. Neither repeats a password or a value.
pub(crate) fn said(error: &RedisError) -> String {
    // Of a pipeline the first that failed; the crate's own text of it is a list.
    let refusals = error.clone().into_server_errors();
    let text = match refusals.as_deref().and_then(<[_]>::first) {
        Some((_, refusal)) => match refusal.details() {
            Some(detail) => format!("{} {detail}", refusal.code()),
            None => refusal.code().to_owned(),
        },
        None => error.to_string(),
    };
    cut(&text)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_the_connection_to_a_node_is_the_loss_of_one_of_many_in_a_cluster() {
        let said = |code: &'static str| {
            let error = redis::parse_redis_value(format!("-{code} text\r\n").as_bytes()).unwrap();
            error.extract_error().unwrap_err()
        };
        let io = |kind: std::io::ErrorKind| RedisError::from(std::io::Error::from(kind));
        let lost = (ErrorKind::ClusterConnectionNotFound, "no connection");
        use Meaning::{Refused, Silent, Useless, Well};
        for (error, of_a_node, of_a_cluster) in [
            (said("READONLY"), Useless, Silent),
            (said("MASTERDOWN"), Useless, Silent),
            (said("LOADING"), Useless, Silent),
            (said("CLUSTERDOWN"), Useless, Silent),
            (io(std::io::ErrorKind::ConnectionRefused), Useless, Silent),
            (io(std::io::ErrorKind::BrokenPipe), Useless, Silent),
            (RedisError::from(lost), Useless, Silent),
            (io(std::io::ErrorKind::TimedOut), Silent, Silent),
            (said("TRYAGAIN"), Refused, Well),
            // A node of a cluster that is written as `redis://`.
            (said("MOVED"), Refused, Well),
            (said("OOM"), Refused, Refused),
            (said("NOPERM"), Refused, Refused),
            (RedisError::from((ErrorKind::UnexpectedReturnType, "of another shape")), Well, Well),
        ] {
            let meant = [false, true].map(|is_cluster| Meaning::of(&error, is_cluster));
            assert_eq!(meant, [of_a_node, of_a_cluster], "{error}");
        }
    }
}
