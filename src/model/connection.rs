//! [`Connection`]: one row of the dashboard's directory.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{AvatarId, Provider, Secret, Timestamp};

/// A connected account as the directory knows it.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The id in the address; with the table's prefix, if it has one.
    pub id: AvatarId,
    /// Whose API to ask.
    pub provider: Provider,
    /// The account at the provider (page id, chat id); `None` = the one that the token belongs to.
    pub account: Option<String>,
    /// The access token as the dashboard stored it.
    pub token: SealedToken,
    /// The name from which initials are made.
    pub name: Option<Arc<str>>,
    /// The address that the dashboard last stored; may be long dead. Signed, so as secret as a token.
    pub picture_url: Option<Secret>,
    /// When the token ends, as far as the dashboard wrote it down.
    pub token_expires_at: Option<Timestamp>,
    /// Which configured table the row came from; `None` for a `[[connection]]` entry. Only `directory` reads it.
    pub table: Option<usize>,
}

/// A token at rest: one text, or three where iv and tag are columns of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedToken {
    /// The sealed value, or `plain:...` in the configuration.
    pub value: Secret,
    /// The column with the initialisation vector, if it is one of its own.
    pub iv: Option<Secret>,
    /// The column with the authentication tag, if it is one of its own.
    pub tag: Option<Secret>,
}

impl SealedToken {
    /// A token that is one text.
    pub fn of(value: impl Into<String>) -> Self {
        Self { value: Secret::new(value), iv: None, tag: None }
    }
}

/// What must stay the same for a trouble to stay true: provider, account and sealed token, as a hash.
///
/// Troubles carry it, so that a new token in the row ends every pause; being a hash it may lie in a store.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", hex::encode(&self.0[..4]))
    }
}

impl Connection {
    /// The hash of provider, account and sealed token; every part goes in with its length, so that no two rows collide
    /// by shifting characters from one part to the next.
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
