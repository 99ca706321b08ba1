//! [`Tags`]: the names under which a CDN can purge an avatar.

use bytes::Bytes;

use super::{AvatarId, Provider};

/// `avatar-<id>` and the provider, formatted once for each of the two headers.
#[derive(Debug, Clone)]
pub struct Tags {
    /// Separated by spaces, for `Surrogate-Key` (Fastly).
    pub surrogate_key: Bytes,
    /// Separated by commas, for `Cache-Tag` (Cloudflare, Akamai).
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
