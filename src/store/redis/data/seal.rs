//! [`Sealer`]: seals every value before it leaves the process, so that an attacker with access to the Redis can neither read
//! nor forge one.
//!
//! A sealed value is `version (1) | key id (4) | nonce (12) | ciphertext | tag (16)`, by AES-256-GCM (NIST SP 800-38D)
//! with the name of its Redis key as associated data: a value that is copied to another key does not open.

use std::fmt;

use aes_gcm::aead::{AeadInOut, Generate, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use bytes::Bytes;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::model::ETag;
use crate::model::token::Key;

/// The layout above. A value of another version is a miss.
const VERSION: u8 = 1;
const HEAD: usize = 1 + KEY_ID + NONCE;
const KEY_ID: usize = 4;
const NONCE: usize = 12;
const TAG: usize = 16;

/// HKDF's `info`: sealing with `tokens.keys` itself would let one use of a key endanger the other.
const SEALING: &str = "avatar-proxy redis values 1";
const NAMING: &str = "avatar-proxy redis key id 1";
const MARKING: &str = "avatar-proxy redis picture mark 1";

/// The keys that open values, newest first; the newest seals.
pub(crate) struct Sealer(Vec<One>);

struct One {
    id: [u8; KEY_ID],
    cipher: Aes256Gcm,
    marks: Key,
}

/// Why a value does not open. It counts as a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Closed {
    #[error("an unknown version")]
    Version,
    #[error("sealed with an unknown key")]
    UnknownKey,
    #[error("it does not open")]
    Forged,
}

impl Sealer {
    /// `keys` are newest first. Without one nothing can be sealed, and the caller refuses the start.
    pub(crate) fn new(keys: &[Key]) -> Self {
        let one = |key: &Key| {
            let mut id = [0; KEY_ID];
            id.copy_from_slice(&key.derive(NAMING).bytes()[..KEY_ID]);
            One { id, cipher: Aes256Gcm::new(key.derive(SEALING).bytes().into()), marks: key.derive(MARKING) }
        };
        Self(keys.iter().map(one).collect())
    }

    /// Whether there is no key.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Seals a value for `key`. `None`: the system gave no random bytes, and nothing is stored.
    pub(crate) fn seal(&self, key: &str, plain: &[u8]) -> Option<Vec<u8>> {
        let One { id, cipher, .. } = self.0.first()?;
        let nonce = Nonce::try_generate().ok()?;
        let mut sealed = Vec::with_capacity(HEAD + plain.len() + TAG);
        sealed.push(VERSION);
        sealed.extend_from_slice(id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let body = (&mut sealed[HEAD..]).into();
        let tag = cipher.encrypt_inout_detached(&nonce, key.as_bytes(), body).ok()?;
        sealed.extend_from_slice(&tag);
        Some(sealed)
    }

    /// Opens a value that was read at `key`.
    pub(crate) fn open(&self, key: &str, mut sealed: Vec<u8>) -> Result<Bytes, Closed> {
        match sealed.first() {
            Some(&VERSION) => {}
            Some(_) => return Err(Closed::Version),
            None => return Err(Closed::Forged),
        }
        let end = sealed.len().checked_sub(TAG).filter(|end| *end >= HEAD).ok_or(Closed::Forged)?;
        let one = self.0.iter().find(|one| one.id == sealed[1..=KEY_ID]).ok_or(Closed::UnknownKey)?;
        let nonce = Nonce::try_from(&sealed[1 + KEY_ID..HEAD]).map_err(|_| Closed::Forged)?;
        let tag = Tag::try_from(&sealed[end..]).map_err(|_| Closed::Forged)?;
        sealed.truncate(end);
        let body = (&mut sealed[HEAD..]).into();
        one.cipher.decrypt_inout_detached(&nonce, key.as_bytes(), body, &tag).map_err(|_| Closed::Forged)?;
        Ok(Bytes::from(sealed).slice(HEAD..))
    }

    /// A mark that tells two pictures' bytes apart without opening them. Without the key it reveals nothing of them.
    pub(crate) fn mark(&self, etag: Option<&ETag>) -> String {
        etag.map_or_else(String::new, |etag| self.mark_of(etag.as_bytes()))
    }

    /// The same for any other text.
    pub(crate) fn mark_of(&self, text: &[u8]) -> String {
        let Some(One { marks, .. }) = self.0.first() else { return String::new() };
        let Ok(mut mac) = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(marks.bytes()) else {
            return String::new();
        };
        mac.update(text);
        hex::encode(&mac.finalize().into_bytes()[..8])
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    fn sealer(phrases: &[&str]) -> Sealer {
        let entries: Vec<Secret> = phrases.iter().map(|text| Secret::new(format!("sha256:{text}"))).collect();
        Sealer::new(&Key::parse_all(&entries).unwrap())
    }

    #[test]
    fn a_value_opens_under_its_own_key_alone() {
        let sealer = sealer(&["new"]);
        let sealed = sealer.seal("p:{a}:link", b"https://cdn.example/secret").unwrap();
        assert_eq!(sealer.open("p:{a}:link", sealed.clone()).unwrap(), b"https://cdn.example/secret"[..]);
        assert_eq!(sealer.open("p:{b}:link", sealed.clone()), Err(Closed::Forged));
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn a_value_with_a_changed_byte_does_not_open() {
        let sealer = sealer(&["new"]);
        let sealed = sealer.seal("k", b"value").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open("k", changed).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(sealer.open("k", sealed[..length].to_vec()).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn keys_are_rotated_by_putting_a_new_one_in_front() {
        let (old, both, new) = (sealer(&["old"]), sealer(&["new", "old"]), sealer(&["new"]));
        let before = old.seal("k", b"value").unwrap();
        assert_eq!(both.open("k", before.clone()).unwrap(), b"value"[..]);
        assert_eq!(new.open("k", before), Err(Closed::UnknownKey));
        let after = both.seal("k", b"value").unwrap();
        assert_eq!(new.open("k", after).unwrap(), b"value"[..]);
    }

    #[test]
    fn a_later_version_is_not_taken_for_a_forgery() {
        let sealer = sealer(&["new"]);
        let mut sealed = sealer.seal("k", b"value").unwrap();
        sealed[0] = 2;
        assert_eq!(sealer.open("k", sealed), Err(Closed::Version));
    }

    #[test]
    fn equal_pictures_have_equal_marks_under_one_key_alone() {
        let (one, other) = (ETag::of(b"one"), ETag::of(b"other"));
        let (sealer, stranger) = (sealer(&["a"]), sealer(&["b"]));
        assert_eq!(sealer.mark(Some(&one)), sealer.mark(Some(&one)));
        assert_ne!(sealer.mark(Some(&one)), sealer.mark(Some(&other)));
        assert_ne!(sealer.mark(Some(&one)), stranger.mark(Some(&one)));
        assert_eq!(sealer.mark(None), "");
    }
}
