//! [`Connection`]: one row of the dashboard's directory.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{AvatarId, Provider, Secret, Timestamp};

/// A connected account as the directory knows it.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The id in the address, with the table's prefix if it has one.
    pub id: AvatarId,
    /// The provider whose API knows the picture.
    pub provider: Provider,
    /// The account at the provider (page id, chat id); `None` means the one that the token belongs to.
    pub account: Option<String>,
    /// The access token as the dashboard stored it.
    pub token: SealedToken,
    /// The name from which initials are made.
    pub name: Option<Arc<str>>,
    /// The address that the dashboard last stored. It may have expired long ago. It is signed, so as secret as a token.
    pub picture_url: Option<Secret>,
    /// When the token ends, if the dashboard recorded it.
    pub token_expires_at: Option<Timestamp>,
    /// The configured table of the row; `None` for a `[[connection]]` entry. Only `directory` reads it.
    pub table: Option<usize>,
}

/// A token as stored: one text, or three where iv and tag have columns of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedToken {
    /// The sealed value, or `plain:...` in the configuration.
    pub value: Secret,
    /// The initialisation vector, if it has a column of its own.
    pub iv: Option<Secret>,
    /// The authentication tag, if it has a column of its own.
    pub tag: Option<Secret>,
}

impl SealedToken {
    /// A token in one text.
    pub fn of(value: impl Into<String>) -> Self {
        Self { value: Secret::new(value), iv: None, tag: None }
    }
}

/// A hash of provider, account and sealed token. A trouble holds only while this stays the same.
///
/// Every trouble carries it, so that a new token in the row ends its pause. A store may keep it because it is a hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", hex::encode(&self.0[..4]))
    }
}

impl Connection {
    /// The hash of provider, account and sealed token. Each part is hashed with its length, so that no two rows collide by
    /// moving characters from one part to the next.
    pub fn fingerprint(&self) -> Fingerprint {
        let optional =
            |secret: &Option<Secret>| secret.as_ref().map_or(String::new(), |s| s.expose().to_owned());
        let parts = [
            self.provider.as_str(),
            self.account.as_deref().unwrap_or(""),
            self.token.value.expose(),
            &optional(&self.token.iv),
            &optional(&self.token.tag),
        ];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Fingerprint(hash.finalize().into())
    }
}
