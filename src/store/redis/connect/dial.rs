//! [`Dial`]: opens a connection to one server.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, RedisConnectionInfo,
    RedisError, RedisResult, ServerErrorKind,
};

use super::error::ConnectError;
use super::tls::Tls;
use super::url::{Login, Place};

/// Callers put a shorter deadline of their own around each call. This one is for a call that forgot.
const RESPONSE_BOUND: Duration = Duration::from_secs(10);
/// Requests that wait to be written on one connection. A further one waits in its caller, under its deadline.
const PIPELINE_BUFFER: usize = 256;

/// What all servers of one kind have in common.
#[derive(Clone)]
pub(super) struct Dial {
    pub(super) login: Login,
    pub(super) tls: Tls,
    pub(super) database: u32,
}

impl Dial {
    pub(super) fn client(&self, place: &Place) -> RedisResult<Client> {
        let info = self
            .address(place)
            .into_connection_info()?
            .set_redis_settings(self.settings())
            .set_tcp_settings(tcp_settings());
        match (&self.tls, place) {
            (Tls::On(certificates), Place::Tcp(..)) => Client::build_with_tls(info, certificates.clone()),
            (Tls::On(_), Place::Unix(_)) | (Tls::Off, _) => Client::open(info),
        }
    }

    /// Opens and logs in.
    pub(super) async fn open(&self, place: &Place) -> Result<MultiplexedConnection, ConnectError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(RESPONSE_BOUND))
            .set_response_timeout(Some(RESPONSE_BOUND))
            .set_pipeline_buffer_size(PIPELINE_BUFFER);
        let opened =
            async { self.client(place)?.get_multiplexed_async_connection_with_config(&config).await };
        opened.await.map_err(|error| ConnectError::of(&error, place))
    }

    /// Opens, logs in and gets an answer to PING.
    pub(super) async fn open_answering(&self, place: &Place) -> Result<MultiplexedConnection, ConnectError> {
        let mut connection = self.open(place).await?;
        let pong = redis::cmd("PING").exec_async(&mut connection).await;
        unless_forbidden(pong, ()).map_err(|error| ConnectError::of(&error, place))?;
        Ok(connection)
    }

    /// Opens a server that answers and is a primary by ROLE.
    pub(super) async fn open_primary(&self, place: &Place) -> Result<MultiplexedConnection, ConnectError> {
        let mut connection = self.open_answering(place).await?;
        let role = redis::cmd("ROLE").query_async::<Vec<redis::Value>>(&mut connection).await;
        let role = unless_forbidden(role, Vec::new()).map_err(|error| ConnectError::of(&error, place))?;
        match role.first() {
            Some(redis::Value::BulkString(role)) if role != b"master" => {
                Err(ConnectError::NotAPrimary { at: place.to_string() })
            }
            _ => Ok(connection),
        }
    }

    /// Opens, logs in and subscribes.
    pub(super) async fn open_subscribed(
        &self,
        place: &Place,
        channels: &[String],
    ) -> Result<redis::aio::PubSub, ConnectError> {
        let subscribed = async {
            let mut subscription = self.client(place)?.get_async_pubsub().await?;
            subscription.subscribe(channels).await?;
            Ok(subscription)
        };
        subscribed.await.map_err(|error| ConnectError::of(&error, place))
    }

    pub(super) fn address(&self, place: &Place) -> ConnectionAddr {
        match (place, &self.tls) {
            (Place::Unix(path), _) => ConnectionAddr::Unix(path.clone()),
            (Place::Tcp(host, port), Tls::Off) => ConnectionAddr::Tcp(host.clone(), *port),
            (Place::Tcp(host, port), Tls::On(_)) => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            }
        }
    }

    /// Without the crate's name, since an ACL may forbid `CLIENT SETINFO`.
    pub(super) fn settings(&self) -> RedisConnectionInfo {
        let mut settings =
            RedisConnectionInfo::default().set_db(i64::from(self.database)).set_skip_set_lib_name();
        if let Some(user) = &self.login.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.login.password {
            settings = settings.set_password(password.expose());
        }
        settings
    }
}

/// Keep-alive notices a lost machine, or a firewall that forgot the connection, within half a minute.
pub(super) fn tcp_settings() -> TcpSettings {
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(5));
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive.with_retries(3))
}

/// A server that forbids or does not know the command has taken the login, so that is no failure.
fn unless_forbidden<T>(answer: RedisResult<T>, unasked: T) -> Result<T, RedisError> {
    match answer {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::ResponseError)
            ) =>
        {
            Ok(unasked)
        }
        other => other,
    }
}

/// The first of `attempts` that succeeds; the most telling error if none does; `None` if there are none.
///
/// The next attempt starts when one has failed, or after `patience` beside those that still run, so that a server that hangs
/// does not use up the time of all.
pub(super) async fn first_of<T>(
    attempts: impl IntoIterator<Item = impl Future<Output = Result<T, ConnectError>>>,
    patience: Duration,
) -> Option<Result<T, ConnectError>> {
    let mut waiting: VecDeque<_> = attempts.into_iter().collect();
    let mut running = FuturesUnordered::new();
    let mut last = None;
    loop {
        if let Some(attempt) = waiting.pop_front() {
            running.push(attempt);
        }
        tokio::select! {
            biased;
            ended = running.next(), if !running.is_empty() => match ended {
                Some(Ok(opened)) => return Some(Ok(opened)),
                Some(Err(error)) => last = Some(error.or_more_telling(last)),
                None => {}
            },
            () = tokio::time::sleep(patience), if !waiting.is_empty() => {}
            else => return last.map(Err),
        }
    }
}
