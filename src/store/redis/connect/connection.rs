//! [`RedisConnection`]: one for all commands, wherever it leads; a clone shares it. [`Meaning`]: what an error says about it.

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, ServerErrorKind, Value};

use super::error::cut;
use super::url::Place;

/// An open connection, and where it leads.
#[derive(Clone)]
pub(crate) struct RedisConnection(pub(crate) Wire);

#[derive(Clone)]
pub(crate) enum Wire {
    Node { connection: MultiplexedConnection, place: Place },
    Cluster(ClusterConnection),
}

/// What an error says about the connection that it came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It leads to a server that can do nothing now. Another connection may lead elsewhere.
    Useless,
    /// The same as a timeout: one of several nodes is lost, and the others may be well.
    TimedOut,
    /// It is well, and the server refuses the command.
    Refused,
    /// It is well, and the server refuses nothing.
    Well,
}

impl Meaning {
    /// A single node speaks for all keys, each node of a cluster for its own slots.
    pub(crate) fn of(error: &RedisError, is_cluster: bool) -> Self {
        use ServerErrorKind::{Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
        let lost = if is_cluster { Self::TimedOut } else { Self::Useless };
        match error.kind() {
            // The value at that key has another shape than ours.
            ErrorKind::UnexpectedReturnType => Self::Well,
            // A slot is just moving, and the crate has followed it as often as it may.
            ErrorKind::Server(TryAgain | Moved | Ask) if is_cluster => Self::Well,
            // A node that is a replica now, still loads its data or has lost its primary or its cluster.
            ErrorKind::Server(ReadOnly | MasterDown | BusyLoading | ClusterDown) => lost,
            ErrorKind::Server(_) | ErrorKind::Extension => Self::Refused,
            _ if error.is_timeout() => Self::TimedOut,
            _ => lost,
        }
    }
}

/// The text of an error. Neither Redis nor the crate repeats a password or a value in it.
pub(crate) fn text_of(error: &RedisError) -> String {
    // The first failure of a pipeline; the crate's own text is a list.
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

impl ConnectionLike for RedisConnection {
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
    fn an_error_that_ends_the_connection_to_a_node_is_the_loss_of_one_of_many_in_a_cluster() {
        let text_of = |code: &'static str| {
            let error = redis::parse_redis_value(format!("-{code} text\r\n").as_bytes()).unwrap();
            error.extract_error().unwrap_err()
        };
        let io = |kind: std::io::ErrorKind| RedisError::from(std::io::Error::from(kind));
        let lost = (ErrorKind::ClusterConnectionNotFound, "no connection");
        use Meaning::{Refused, TimedOut, Useless, Well};
        for (error, of_a_node, of_a_cluster) in [
            (text_of("READONLY"), Useless, TimedOut),
            (text_of("MASTERDOWN"), Useless, TimedOut),
            (text_of("LOADING"), Useless, TimedOut),
            (text_of("CLUSTERDOWN"), Useless, TimedOut),
            (io(std::io::ErrorKind::ConnectionRefused), Useless, TimedOut),
            (io(std::io::ErrorKind::BrokenPipe), Useless, TimedOut),
            (RedisError::from(lost), Useless, TimedOut),
            (io(std::io::ErrorKind::TimedOut), TimedOut, TimedOut),
            (text_of("TRYAGAIN"), Refused, Well),
            // A node of a cluster that is written as `redis://`.
            (text_of("MOVED"), Refused, Well),
            (text_of("OOM"), Refused, Refused),
            (text_of("NOPERM"), Refused, Refused),
            (RedisError::from((ErrorKind::UnexpectedReturnType, "of another shape")), Well, Well),
        ] {
            let meant = [false, true].map(|is_cluster| Meaning::of(&error, is_cluster));
            assert_eq!(meant, [of_a_node, of_a_cluster], "{error}");
        }
    }
}
