//! [`Link`]: a picture's current address at the provider's CDN.

use std::time::Duration;

use super::{Address, Identity, Invalid, Timestamp, expires_at, units};

/// Where the bytes can be fetched again, and until when.
#[derive(Debug, Clone)]
pub struct Link {
    /// The address, byte for byte as the provider gave it.
    pub address: Address,
    /// When the provider gave it.
    pub resolved_at: Timestamp,
    /// When it must no longer be used: the end of its own signature less the margin, or the default.
    pub expires_at: Timestamp,
    /// Which picture it leads to.
    pub identity: Identity,
    /// Whether the address contains a credential, as Telegram's contains the bot token. Such a link is never written back or
    /// shown, and is stored only encrypted.
    pub is_secret: bool,
}

/// Section `[link]`.
#[derive(Debug, Clone, Copy)]
pub struct LinkConfig {
    /// A link is dropped this long before its own signature ends, but at most a quarter of its life before.
    pub margin: Duration,
    /// The life of a link whose address names no end.
    pub default_ttl: Duration,
}

/// Section `[link]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkWritten {
    margin: units::Span,
    default_ttl: units::Span,
}

impl TryFrom<LinkWritten> for LinkConfig {
    type Error = Invalid;

    fn try_from(written: LinkWritten) -> Result<Self, Invalid> {
        Ok(Self {
            margin: written.margin.get(),
            default_ttl: written.default_ttl.at_least("default_ttl", Duration::from_secs(1))?,
        })
    }
}

impl LinkConfig {
    /// When a link resolved at `resolved_at` must be dropped.
    pub fn drop_at(&self, address: &Address, resolved_at: Timestamp) -> Timestamp {
        match expires_at(address, resolved_at) {
            Some(end) => self.before(end, resolved_at),
            None => resolved_at + self.default_ttl,
        }
    }

    fn before(&self, end: Timestamp, resolved_at: Timestamp) -> Timestamp {
        end - self.margin.min(end.since(resolved_at) / 4)
    }
}

impl Link {
    /// A link that the provider gave at `resolved_at`.
    pub fn new(
        address: Address,
        identity: Identity,
        is_secret: bool,
        resolved_at: Timestamp,
        config: &LinkConfig,
    ) -> Self {
        let expires_at = config.drop_at(&address, resolved_at);
        Self { address, resolved_at, expires_at, identity, is_secret }
    }

    /// The same link with the end that the provider names beside the address, if that is earlier than the address's own.
    pub fn ending(self, end: Timestamp, config: &LinkConfig) -> Self {
        let named = config.before(end, self.resolved_at);
        let own = expires_at(&self.address, self.resolved_at).map(|_| self.expires_at);
        Self { expires_at: own.map_or(named, |own| own.min(named)), ..self }
    }

    /// Whether the bytes may still be fetched with it. A link that a wrong clock dated into the future counts as ended,
    /// because how much of its life is left cannot be known.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at && self.resolved_at.age(now).is_some()
    }
}
