//! Section `[redis]`.

use std::time::Duration;

use super::connect::tls::TlsFiles;
use super::connect::{SentinelLogin, Server};
use super::data::seal::Sealer;
use crate::model::token::{Key, Keyring};
use crate::model::{Generation, Invalid, Secret, Timestamp, units};

/// Section `[redis]`, where `redis.url` is not empty.
pub struct RedisConfig {
    pub(super) server: Server,
    pub(super) prefix: String,
    /// The budget of all calls of one request together.
    pub(super) timeout: Duration,
    /// How long an instance may hold the right to refresh an avatar without extending it.
    pub(super) lease: Duration,
    /// How long pictures are stored after their last use.
    pub(super) keep_bytes_for: Duration,
    /// Larger pictures stay local, in bytes.
    pub(super) max_value: u64,
    pub(super) sealer: Sealer,
}

/// Section `[redis]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisWritten {
    url: Secret,
    prefix: String,
    timeout: units::Span,
    lease: units::Span,
    keys: Vec<Secret>,
    keep_bytes_for: units::Span,
    max_value: units::Size,
    tls: TlsFiles,
    sentinel: SentinelLogin,
}

/// HKDF's `info` where `redis.keys` is empty.
const FROM_TOKENS: &str = "avatar-proxy redis.keys";
/// The longest prefix, in bytes.
const MAX_PREFIX: usize = 64;

impl RedisWritten {
    /// Checks the section; `None` without a URL.
    ///
    /// # Errors
    /// A value is out of bounds, or there is neither a key in `redis.keys` nor in `tokens.keys` to seal with.
    pub fn check(self, tokens: &Keyring) -> Result<Option<RedisConfig>, Invalid> {
        let timeout = self.timeout.at_least("timeout", Duration::from_millis(1))?;
        let lease = self.lease.at_least("lease", Duration::from_secs(1))?;
        if timeout >= lease {
            // A call could wait beyond the end of its lease, while another instance refreshes.
            let right = format!("less than redis.lease = {}", units::show_duration(lease));
            return Err(Invalid::new("timeout", units::show_duration(timeout), right));
        }
        let keep_bytes_for = self.keep_bytes_for.at_least("keep_bytes_for", Duration::from_secs(60))?;
        let max_value = self.max_value.at_least("max_value", 1024)?;
        let prefix = check_prefix(self.prefix)?;
        let sealer = Sealer::new(&sealing_keys(&self.keys, tokens)?);
        if self.url.is_empty() {
            return Ok(None);
        }
        if sealer.is_empty() {
            let right = "at least one key, here or in tokens.keys: every value in Redis is sealed";
            return Err(Invalid::new("keys", "[]", right));
        }
        let server = Server::new(&self.url, &prefix, self.tls, self.sentinel)?;
        Ok(Some(RedisConfig { server, prefix, timeout, lease, keep_bytes_for, max_value, sealer }))
    }
}

impl RedisConfig {
    /// The generation of the oldest purge that Redis still remembers: generations are times in milliseconds.
    pub fn remembers_since(&self, now: Timestamp) -> Generation {
        Generation((now - self.keep_bytes_for).as_millis().max(0).unsigned_abs())
    }

    /// The server, for people, without a secret.
    pub fn describe(&self) -> String {
        self.server.describe()
    }
}

/// A wildcard would make one deployment's `SCAN` see another's keys, and a brace would be a second hash tag.
fn check_prefix(prefix: String) -> Result<String, Invalid> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if (1..=MAX_PREFIX).contains(&prefix.len()) && prefix.bytes().all(plain) {
        return Ok(prefix);
    }
    Err(Invalid::new("prefix", format!("{prefix:?}"), "1 to 64 letters, digits and -_.:"))
}

fn sealing_keys(own: &[Secret], tokens: &Keyring) -> Result<Vec<Key>, Invalid> {
    if own.is_empty() { Ok(tokens.derive(FROM_TOKENS)) } else { Key::parse_all(own) }
}
