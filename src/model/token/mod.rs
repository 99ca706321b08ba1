//! Opens tokens that dashboards sealed with AES-256-GCM (docs/providers.md, "Token layouts").
//!
//! Reading order: [`Keyring::open`] here, the ways to read a value in `layout.rs` and
//! `candidate.rs`, the forms of a key in `key.rs`.

mod candidate;
mod key;
mod layout;
#[cfg(test)]
mod tests;
mod unseal;

use aes_gcm::aead::{AeadInOut, Generate, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use zeroize::Zeroizing;

use super::{Invalid, SealedToken, Secret};
use candidate::{Candidate, candidates};
pub use key::Key;
pub use layout::{Encoding, Layout};
use unseal::unseal;

/// Section `[tokens]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokensWritten {
    keys: Vec<Secret>,
    format: String,
}

/// Section `[tokens]`.
pub struct TokensConfig {
    /// The keys, derived, and the layout that is pinned.
    pub keyring: Keyring,
}

/// The keys that open tokens, newest first, and the layouts that are tried.
pub struct Keyring {
    keys: Vec<Key>,
    pinned: Option<Layout>,
}

/// An opened token, and how it was found.
#[derive(Debug)]
pub struct Opened {
    /// The token itself.
    pub token: Secret,
    /// Which layout it had; `tokens.format` may pin it.
    pub layout: Layout,
    /// Which key opened it; 0 is the newest. 0 for `Plain` too.
    pub key: usize,
    how: Option<How>,
}

#[derive(Debug, Clone, Copy)]
struct How {
    encoding: Encoding,
    wrapped: bool,
    iv: usize,
    keys: usize,
}

/// Why a sealed token stays closed. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is none to try.
    #[error("the token is sealed, and tokens.keys is empty")]
    NoKeys,
    /// Longer than [`Keyring::MAX_LEN`].
    #[error("the sealed token is longer than {} bytes", Keyring::MAX_LEN)]
    TooLong,
    /// It cannot be taken apart in any known way, or not in the pinned one.
    #[error("the sealed token has no known layout, or not that of tokens.format")]
    UnknownLayout,
    /// It may be taken apart, but no key opens it.
    #[error("no key of tokens.keys opens the token")]
    NoKeyFits,
    /// A key opened it, but what came out is no token: empty, not UTF-8, or with control characters.
    #[error("the token was opened, but it is not text that a header can carry")]
    NotText,
}

/// Why a token was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There is no key to seal with.
    #[error("tokens.keys is empty")]
    NoKeys,
    /// Empty, longer than [`Keyring::MAX_TOKEN`], or with control characters: it could not be opened again.
    #[error("the token is empty, too long or holds control characters")]
    NotAToken,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
}

impl TryFrom<TokensWritten> for TokensConfig {
    type Error = Invalid;

    /// Derives every key, once; a passphrase with many rounds takes its time here and nowhere else.
    fn try_from(written: TokensWritten) -> Result<Self, Invalid> {
        let keys = Key::parse_all(&written.keys)?;
        let pinned = match written.format.as_str() {
            "auto" => None,
            name => Some(Layout::from_name(name).ok_or_else(|| unknown_format(name))?),
        };
        Ok(Self { keyring: Keyring { keys, pinned } })
    }
}

fn unknown_format(name: &str) -> Invalid {
    let names: Vec<&str> = Layout::ALL.iter().map(|layout| layout.as_str()).collect();
    Invalid::new("format", format!("{name:?}"), format!("\"auto\" or one of {}", names.join(", ")))
}

impl Keyring {
    /// The longest sealed value that is tried, in bytes, its columns together.
    pub const MAX_LEN: usize = 16 * 1024;
    /// The longest token that is sealed, in bytes: twice that and the other parts fit [`Self::MAX_LEN`].
    pub const MAX_TOKEN: usize = 8000;

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// A key for another purpose from each of these, newest first ([`Key::derive`]).
    pub fn derive(&self, purpose: &str) -> Vec<Key> {
        self.keys.iter().map(|key| key.derive(purpose)).collect()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Opens a token by trying every key on every way to read it: at most 16 keys on 64 ways of at most 16 KiB. The
    /// authentication tag makes that safe: a wrong way is taken for a right one in 2^128 trials.
    pub fn open(&self, sealed: &SealedToken) -> Result<Opened, OpenError> {
        if let Some(token) = sealed.value.expose().strip_prefix("plain:") {
            let token = readable(token.as_bytes())?;
            return Ok(Opened { token, layout: Layout::Plain, key: 0, how: None });
        }
        let columns = [Some(&sealed.value), sealed.iv.as_ref(), sealed.tag.as_ref()];
        if columns.into_iter().flatten().map(|text| text.expose().len()).sum::<usize>() > Self::MAX_LEN {
            return Err(OpenError::TooLong);
        }
        if self.is_empty() {
            return Err(OpenError::NoKeys);
        }
        let mut candidates = candidates(sealed);
        candidates.retain(|candidate| self.pinned.is_none_or(|layout| layout == candidate.layout));
        if candidates.is_empty() {
            return Err(OpenError::UnknownLayout);
        }
        let opened = candidates.iter().find_map(|candidate| self.try_keys(candidate));
        let (candidate, key, text) = opened.ok_or(OpenError::NoKeyFits)?;
        let Candidate { layout, encoding, wrapped, ref iv, .. } = *candidate;
        let how = How { encoding, wrapped, iv: iv.len(), keys: self.len() };
        Ok(Opened { token: readable(&text)?, layout, key, how: Some(how) })
    }

    fn try_keys<'a>(&self, candidate: &'a Candidate) -> Option<(&'a Candidate, usize, Zeroizing<Vec<u8>>)> {
        (self.keys.iter().enumerate())
            .find_map(|(number, key)| Some((candidate, number, unseal(key, candidate)?)))
    }

    /// Seals a token with the newest key as `hex(iv):hex(tag):hex(ct)`, the commonest layout, under a random 12-byte iv.
    pub fn seal(&self, token: &Secret) -> Result<String, SealError> {
        let key = self.keys.first().ok_or(SealError::NoKeys)?;
        let mut text = Zeroizing::new(token.expose().as_bytes().to_vec());
        if text.len() > Self::MAX_TOKEN || readable(&text).is_err() {
            return Err(SealError::NotAToken);
        }
        let iv = Nonce::try_generate().map_err(|_| SealError::NoRandomness)?;
        let tag = Aes256Gcm::new(key.bytes().into())
            .encrypt_inout_detached(&iv, b"", text.as_mut_slice().into())
            .map_err(|_| SealError::NotAToken)?;
        Ok(format!("{}:{}:{}", hex::encode(iv), hex::encode(tag), hex::encode(text.as_slice())))
    }
}

impl Opened {
    /// What `token check` prints: `layout iv:tag:ct (hex, 12-byte iv), key 2 of 3`. Nothing of the token.
    pub fn describe(&self) -> String {
        let layout = self.layout.as_str();
        let Some(How { encoding, wrapped, iv, keys }) = self.how else {
            return format!("layout {layout} (not sealed)");
        };
        let wrapped = if wrapped { ", wrapped in base64" } else { "" };
        let number = self.key + 1;
        format!("layout {layout} ({}, {iv}-byte iv{wrapped}), key {number} of {keys}", encoding.as_str())
    }
}

/// SECURITY: the token goes into a header and, for Telegram, into a path: a line break in it would be another header.
fn readable(text: &[u8]) -> Result<Secret, OpenError> {
    let text = std::str::from_utf8(text).map_err(|_| OpenError::NotText)?;
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(OpenError::NotText);
    }
    Ok(Secret::new(text))
}
