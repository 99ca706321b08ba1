//! [`AvatarId`]: the connection's id in the address.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The id in `/avatar/<id>`: 1 to 64 characters of `[A-Za-z0-9_-]`.
///
/// Parsed once at the entrance and trusted afterwards: it needs no escaping in a header, a log line or a key.
/// Prisma's `cuid()`, `uuid()`, `nanoid()` and `autoincrement()` all fit.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AvatarId(Arc<str>);

/// The text is not an [`AvatarId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 64 characters of A-Z, a-z, 0-9, _ and -")]
pub struct InvalidId;

impl AvatarId {
    /// The longest id, in characters.
    pub const MAX_LEN: usize = 64;

    /// Checks the text.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        Self::check(text).then(|| Self(text.into())).ok_or(InvalidId)
    }

    /// Whether `text` is an id. Does not allocate: the hit path uses it.
    pub fn check(text: &str) -> bool {
        (1..=Self::MAX_LEN).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for AvatarId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AvatarId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AvatarId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_prisma_default_are_accepted() {
        for id in [
            "clx3k2j9d0000abcd1234efgh",
            "018f3a5e-7b1c-7cc0-9d3e-0123456789ab",
            "V1StGXR8_Z5jdHi6B-myT",
            "7",
        ] {
            assert_eq!(AvatarId::parse(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = "a".repeat(65);
        for id in ["", "a/b", "a.b", "a b", "a%00", "ä", "\u{202e}x", "a\0", long.as_str()] {
            assert!(AvatarId::parse(id).is_err(), "{id:?}");
        }
    }
}
