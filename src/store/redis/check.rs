//! [`RedisSurvey`]: what `check` finds out about a Redis.
//!
//! Every command that an instance uses is tried, on keys of an avatar that is none, so that an ACL which forbids one of
//! them is noticed here and not at the first purge. Nothing is left behind; where this is cut off, it goes by itself.

use std::time::Duration;

use aes_gcm::aead::Generate;
use futures_util::StreamExt;
use redis::aio::PubSub;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{FromRedisValue, RedisResult};

use super::config::RedisConfig;
use super::connect::connection::{Connection, Wire};
use super::data::keys::{AvatarKeys, Keys};
use super::data::scripts;
use super::supervisor::said;
use crate::model::AvatarId;

/// To connect; and for each kind of command.
const WITHIN: Duration = Duration::from_secs(5);
/// What a check that is cut off leaves behind lives so long, in milliseconds.
const LIFE: u64 = 10_000;

/// What was found at a Redis that can be connected to. Each trouble is a text for people without a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSurvey {
    /// The primaries, `host:port` each.
    pub primaries: Vec<String>,
    /// Its name and version, where the login may ask for it.
    pub version: Option<String>,
    /// Whether an instance hears what another publishes.
    pub subscribing: Result<(), String>,
    /// Whether what an instance reads and writes is allowed.
    pub storing: Result<(), String>,
}

impl RedisConfig {
    /// Connects, and tries all that an instance does.
    ///
    /// # Errors
    /// There is no connection: why.
    pub async fn survey(&self) -> Result<RedisSurvey, String> {
        let mut connection = self.server.connect(WITHIN).await.map_err(|error| error.to_string())?;
        let keys = Keys::new(&self.prefix);
        let random = <[u8; 8]>::try_generate().map_err(|error| error.to_string())?;
        let name = format!("check-{}", hex::encode(random));
        let id = AvatarId::parse(&name).map_err(|error| error.to_string())?;
        let own = keys.of(&id);
        let storing = in_time(self.store(&mut connection, &keys, &own)).await;
        // What remains of an attempt that failed in the middle goes by itself where it may not be deleted.
        let _ = in_time(delete(&mut connection, &own)).await;
        Ok(RedisSurvey {
            primaries: primaries(&connection).await,
            version: version(&connection).await,
            subscribing: self.hear(&mut connection, &keys, &name).await,
            storing,
        })
    }

    /// The commands of `entries`, `lease`, `purge` and `listen`, in that order.
    async fn store(&self, connection: &mut Connection, keys: &Keys, own: &AvatarKeys) -> RedisResult<()> {
        let sealed = |key: &str| self.sealer.seal(key, b"{}").unwrap_or_default();
        // Before the scripts: what a script may not do is not told by name.
        let mut pipe = redis::pipe();
        pipe.cmd("GETRANGE").arg(&own.picture).arg(0).arg(1).ignore();
        pipe.cmd("PEXPIRE").arg(&own.entry).arg(LIFE).ignore();
        pipe.cmd("SET").arg(&own.lease).arg("check").arg("NX").arg("PX").arg(LIFE).ignore();
        pipe.cmd("PTTL").arg(&own.lease).ignore();
        pipe.exec_async(connection).await?;
        let mut put = scripts::PUT.prepare_invoke();
        put.key(&own.entry).key(&own.picture).key(&own.link).key(&own.trouble).key(&own.hard).key(&own.soft);
        put.arg(0).arg(0).arg("").arg(0).arg(sealed(&own.entry)).arg(sealed(&own.picture));
        put.arg(sealed(&own.link)).arg(sealed(&own.trouble)).arg(LIFE).arg(LIFE).arg(LIFE).arg(0).arg(0);
        put.invoke_async::<()>(connection).await?;
        let mut extend = scripts::EXTEND.prepare_invoke();
        extend.key(&own.lease).arg("check").arg(LIFE).invoke_async::<()>(connection).await?;
        let mut release = scripts::RELEASE.prepare_invoke();
        release.key(&own.lease).arg("check").invoke_async::<()>(connection).await?;
        let mut purge = scripts::PURGE.prepare_invoke();
        purge.key(&own.hard).key(&own.entry).key(&own.picture).key(&own.link).key(&own.trouble);
        purge.key(&own.soft).key(&own.event);
        purge.arg(1).arg("1:").arg(LIFE).arg("hard").arg("all").arg(LIFE);
        purge.invoke_async::<()>(connection).await?;
        let mut note = scripts::NOTE.prepare_invoke();
        note.key(&own.soft).arg(1).arg("1:").arg(LIFE).invoke_async::<()>(connection).await?;
        // These are tried on keys that are free now, since they would raise a generation or register an instance.
        let mut next = scripts::NEXT.prepare_invoke();
        next.key(&own.entry).arg(1).arg(LIFE).invoke_async::<()>(connection).await?;
        let mut register = scripts::REGISTER.prepare_invoke();
        register.key(&own.picture).arg("check").arg(LIFE).invoke_async::<()>(connection).await?;
        let mut pipe = redis::pipe();
        pipe.cmd("TIME")
            .ignore()
            .cmd("ZRANGE")
            .arg(keys.instances())
            .arg(0)
            .arg(-1)
            .arg("WITHSCORES")
            .ignore();
        pipe.exec_async(connection).await?;
        let mut pipe = redis::pipe();
        pipe.cmd("ZREM").arg(keys.instances()).arg("check").ignore();
        pipe.exec_async(connection).await?;
        let nodes = connection.primaries().await?;
        connection.scan(nodes.first().and_then(Option::as_ref), 0, &keys.entries()).await?;
        Ok(())
    }

    /// Subscribes as an instance does, and publishes what must be heard.
    async fn hear(&self, connection: &mut Connection, keys: &Keys, name: &str) -> Result<(), String> {
        let channels = [keys.news(), keys.inbox(name)];
        let subscribed = self.server.subscribe(connection, &channels, WITHIN).await;
        let mut subscription = subscribed.map_err(|error| error.to_string())?;
        let mut pipe = redis::pipe();
        pipe.cmd("PUBLISH").arg(&channels[1]).arg("check").ignore();
        in_time(pipe.exec_async(connection)).await?;
        tokio::time::timeout(WITHIN, heard(&mut subscription, &channels[1]))
            .await
            .unwrap_or_else(|_| Err(format!("what is published is not heard within {WITHIN:?}")))
    }
}

async fn heard(subscription: &mut PubSub, channel: &str) -> Result<(), String> {
    let mut messages = subscription.on_message();
    while let Some(message) = messages.next().await {
        if message.get_channel_name() == channel {
            return Ok(());
        }
    }
    Err("the subscription has ended".to_owned())
}

async fn delete(connection: &mut Connection, own: &AvatarKeys) -> RedisResult<()> {
    let mut pipe = redis::pipe();
    let all = [&own.entry, &own.picture, &own.link, &own.trouble, &own.hard, &own.soft, &own.lease];
    pipe.cmd("DEL").arg(all.as_slice()).ignore();
    pipe.exec_async(connection).await
}

async fn primaries(connection: &Connection) -> Vec<String> {
    match &connection.0 {
        Wire::Node { place, .. } => vec![place.to_string()],
        Wire::Cluster(_) => {
            let primaries = tokio::time::timeout(WITHIN, connection.primaries()).await;
            let primaries = primaries.ok().and_then(Result::ok).unwrap_or_default();
            primaries.into_iter().flatten().map(|place| place.to_string()).collect()
        }
    }
}

/// `Redis 7.0.15`; `None` where an ACL forbids the question.
async fn version(connection: &Connection) -> Option<String> {
    let mut info = redis::cmd("INFO");
    info.arg("server");
    let asked = async {
        match &connection.0 {
            Wire::Node { connection, .. } => info.query_async::<String>(&mut connection.clone()).await,
            Wire::Cluster(connection) => {
                let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
                Ok(String::from_redis_value(connection.clone().route_command(info, any).await?)?)
            }
        }
    };
    named(&tokio::time::timeout(WITHIN, asked).await.ok()?.ok()?)
}

/// Valkey tells the version of Redis that it is like, too.
fn named(info: &str) -> Option<String> {
    let field = |name: &str| {
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.trim();
        // SECURITY: a server's word goes to a terminal.
        value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte)).then_some(value)
    };
    match field("valkey_version") {
        Some(version) => Some(format!("Valkey {version}")),
        None => Some(format!("Redis {}", field("redis_version")?)),
    }
}

async fn in_time<T>(call: impl Future<Output = RedisResult<T>>) -> Result<T, String> {
    match tokio::time::timeout(WITHIN, call).await {
        Ok(answer) => answer.map_err(|error| said(&error)),
        Err(_) => Err(format!("no answer within {WITHIN:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_named_with_its_version() {
        for (info, name) in [
            ("# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\n", Some("Redis 7.0.15")),
            ("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n", Some("Valkey 8.1.0")),
            ("redis_version:7\x1b[2J\r\n", None),
            ("", None),
        ] {
            assert_eq!(named(info).as_deref(), name);
        }
    }
}
