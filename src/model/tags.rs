//! [`Tags`]: the names under which a CDN can purge an avatar.

use bytes::Bytes;

use super::{AvatarId, Provider};

/// `avatar-<id>` and the provider, written once for each of the two headers that carry them.
#[derive(Debug, Clone)]
pub struct Tags {
    /// Separated by a space, for `Surrogate-Key` (Fastly).
    pub surrogate_key: Bytes,
    /// Separated by a comma, for `Cache-Tag` (Cloudflare, Akamai).
    pub cache_tag: Bytes,
}

impl Tags {
    /// The tags of one avatar.
    pub fn new(id: &AvatarId, provider: Provider) -> Self {
        Self {
            surrogate_key: format!("avatar-{id} {provider}").into(),
            cache_tag: format!("avatar-{id},{provider}").into(),
        }
    }
}
