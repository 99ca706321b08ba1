//! [`RedisCheck`]: what `avatar-proxy check` finds out about a Redis.
//!
//! It tries every command that an instance uses, on the keys of an avatar that does not exist, so that it finds an ACL which
//! forbids one of them before the first purge does. It leaves nothing behind; if it is cut off, the keys expire.

use std::time::Duration;

use aes_gcm::aead::Generate;
use futures_util::StreamExt;
use redis::aio::PubSub;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{FromRedisValue, RedisResult};

use super::config::RedisConfig;
use super::connect::connection::{RedisConnection, Wire};
use super::data::keys::{AvatarKeys, Keys};
use super::data::scripts;
use super::supervisor::text_of;
use crate::model::AvatarId;

/// To connect, and for each kind of command.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The keys of a check that is cut off expire after so many milliseconds.
const LIFE: u64 = 10_000;

/// A Redis that can be connected to. Each error is a text for people, without a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisCheck {
    /// The primaries, `host:port` each.
    pub primaries: Vec<String>,
    /// Its name and version, if the ACL allows the question.
    pub version: Option<String>,
    /// Whether an instance receives what another publishes.
    pub subscribing: Result<(), String>,
    /// Whether the ACL allows what an instance reads and writes.
    pub storing: Result<(), String>,
}

impl RedisConfig {
    /// Connects, and tries everything that an instance does.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn check(&self) -> Result<RedisCheck, String> {
        let mut connection = self.server.connect(TIMEOUT).await.map_err(|error| error.to_string())?;
        let keys = Keys::new(&self.prefix);
        let random = <[u8; 8]>::try_generate().map_err(|error| error.to_string())?;
        let name = format!("check-{}", hex::encode(random));
        let id = AvatarId::parse(&name).map_err(|error| error.to_string())?;
        let own = keys.of(&id);
        let storing = in_time(self.store(&mut connection, &keys, &own)).await;
        // What remains of an attempt that failed in the middle expires if it may not be deleted.
        let _ = in_time(delete(&mut connection, &own)).await;
        Ok(RedisCheck {
            primaries: primaries(&connection).await,
            version: version(&connection).await,
            subscribing: self.hear(&mut connection, &keys, &name).await,
            storing,
        })
    }

    /// The commands of `data`, `lease`, `purge` and `pubsub`, in that order.
    async fn store(
        &self,
        connection: &mut RedisConnection,
        keys: &Keys,
        own: &AvatarKeys,
    ) -> RedisResult<()> {
        let sealed = |key: &str| self.sealer.seal(key, b"{}").unwrap_or_default();
        // Before the scripts: an error inside a script does not name the command that is forbidden.
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
        // On keys that are free now: on their own these would raise the generation or register an instance.
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

    /// Subscribes as an instance does, and publishes a message that must arrive.
    async fn hear(&self, connection: &mut RedisConnection, keys: &Keys, name: &str) -> Result<(), String> {
        let channels = [keys.news(), keys.inbox(name)];
        let subscribed = self.server.subscribe(connection, &channels, TIMEOUT).await;
        let mut subscription = subscribed.map_err(|error| error.to_string())?;
        let mut pipe = redis::pipe();
        pipe.cmd("PUBLISH").arg(&channels[1]).arg("check").ignore();
        in_time(pipe.exec_async(connection)).await?;
        tokio::time::timeout(TIMEOUT, heard(&mut subscription, &channels[1]))
            .await
            .unwrap_or_else(|_| Err(format!("what is published does not arrive within {TIMEOUT:?}")))
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

async fn delete(connection: &mut RedisConnection, own: &AvatarKeys) -> RedisResult<()> {
    let mut pipe = redis::pipe();
    let all = [&own.entry, &own.picture, &own.link, &own.trouble, &own.hard, &own.soft, &own.lease];
    pipe.cmd("DEL").arg(all.as_slice()).ignore();
    pipe.exec_async(connection).await
}

async fn primaries(connection: &RedisConnection) -> Vec<String> {
    match &connection.0 {
        Wire::Node { place, .. } => vec![place.to_string()],
        Wire::Cluster(_) => {
            let primaries = tokio::time::timeout(TIMEOUT, connection.primaries()).await;
            let primaries = primaries.ok().and_then(Result::ok).unwrap_or_default();
            primaries.into_iter().flatten().map(|place| place.to_string()).collect()
        }
    }
}

/// `Redis 7.0.15`; `None` where an ACL forbids the question.
async fn version(connection: &RedisConnection) -> Option<String> {
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
    named(&tokio::time::timeout(TIMEOUT, asked).await.ok()?.ok()?)
}

/// Valkey also names the version of Redis that it is compatible with.
fn named(info: &str) -> Option<String> {
    let field = |name: &str| {
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.trim();
        // SECURITY: this text of a server goes to a terminal.
        value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte)).then_some(value)
    };
    match field("valkey_version") {
        Some(version) => Some(format!("Valkey {version}")),
        None => Some(format!("Redis {}", field("redis_version")?)),
    }
}

async fn in_time<T>(call: impl Future<Output = RedisResult<T>>) -> Result<T, String> {
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|error| text_of(&error)),
        Err(_) => Err(format!("no answer within {TIMEOUT:?}")),
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
