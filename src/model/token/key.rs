//! The forms of a dashboard's AES-256 key (docs/providers.md, "Token layouts").
//!
//! | form | the 32 bytes | what the dashboard's code says |
//! |---|---|---|
//! | 64 hex characters, `hex:...` | decoded | `Buffer.from(key, 'hex')` |
//! | `base64:...` | decoded; url-safe and unpadded too | `Buffer.from(key, 'base64')` |
//! | `utf8:...` | the text itself, exactly 32 bytes | `Buffer.from(key)` |
//! | `sha256:<passphrase>` | SHA-256 | `createHash('sha256').update(passphrase).digest()` |
//! | `scrypt:<salt>:<passphrase>` | N = 16384, r = 8, p = 1 | `scryptSync(passphrase, salt, 32)` |
//! | `hkdf-sha256:<salt>:<info>:<secret>` | HKDF (RFC 5869) | `hkdfSync('sha256', secret, salt, info, 32)` |
//! | `pbkdf2-sha256:<rounds>:<salt>:<passphrase>` | PBKDF2 (RFC 8018) | `pbkdf2Sync(passphrase, salt, rounds, 32, 'sha256')` |
//! | `pad0:...` | filled with `0`, cut | `key.padEnd(32, '0').slice(0, 32)` |
//! | `padspace:...` | filled with spaces, cut | `key.padEnd(32).slice(0, 32)` |
//! | `padnul:...` | filled with NUL, cut | `Buffer.alloc(32).write(key)` |
//! | `k1.aesgcm256.<base64url>` | decoded | 47ng/cloak |
//!
//! The last part is the rest of the text, colons included. `padEnd` and `slice` count UTF-16 units and we count bytes:
//! a text beyond ASCII makes more than 32 bytes there, which Node refuses, unless the code cuts it again by bytes; then both
//! results are the same.

use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::candidate::{base64_bytes, hex_bytes};
use crate::model::{Invalid, Secret};

/// 32 bytes, wiped when dropped.
pub struct Key(Zeroizing<[u8; 32]>);

/// The most keys of a list.
const MAX_KEYS: usize = 16;
/// The most rounds of PBKDF2: some seconds of one core at start.
const MAX_ROUNDS: u32 = 5_000_000;
/// Binary logarithm of Node's default scrypt cost, with its `r` and `p`.
const SCRYPT: (u8, u32, u32) = (14, 8, 1);
/// The longest entry, in bytes.
const MAX_LEN: usize = 4096;

impl Key {
    /// Parses one entry of `tokens.keys`; the error says what would be right and contains nothing of the entry.
    pub(super) fn parse(entry: &Secret) -> Result<Self, String> {
        let text = entry.expose();
        if text.len() > MAX_LEN {
            return Err(format!("at most {MAX_LEN} bytes"));
        }
        if let Some(rest) = text.strip_prefix("k1.aesgcm256.") {
            return decoded(base64_bytes(rest), "k1.aesgcm256. and 32 bytes in base64url");
        }
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return decoded(hex_bytes(text), FORMS);
        }
        let (form, rest) = text.split_once(':').ok_or(FORMS)?;
        let key = match form {
            "hex" => return decoded(hex_bytes(rest), "hex: and 64 hex characters"),
            "base64" => return decoded(base64_bytes(rest), "base64: and 32 bytes in base64"),
            "utf8" => return decoded(Some(rest.into()), "utf8: and a text of exactly 32 bytes"),
            "sha256" => sha256(rest),
            "scrypt" => scrypt(rest),
            "hkdf-sha256" => hkdf_sha256(rest),
            "pbkdf2-sha256" => pbkdf2_sha256(rest),
            "pad0" => padded(rest, b'0'),
            "padspace" => padded(rest, b' '),
            "padnul" => padded(rest, 0),
            _ => return Err(FORMS.to_owned()),
        };
        key.map(Self).map_err(str::to_owned)
    }

    /// Parses a list such as `tokens.keys`; the error names `keys` and the number of the entry.
    pub fn parse_all(entries: &[Secret]) -> Result<Vec<Self>, Invalid> {
        let refused = |expected: String| Invalid::new("keys", "<secret>", expected);
        if entries.len() > MAX_KEYS {
            return Err(refused(format!("at most {MAX_KEYS} keys")));
        }
        (entries.iter().zip(1..))
            .map(|(entry, number)| {
                Self::parse(entry).map_err(|right| refused(format!("as entry {number} {right}")))
            })
            .collect()
    }

    /// The bytes themselves. A review should look at every caller.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key for another purpose, by HKDF-SHA256 (RFC 5869) without salt; `purpose` is its `info`. It reveals nothing about this
    /// key.
    pub fn derive(&self, purpose: &str) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let expanded = Hkdf::<Sha256>::new(None, self.bytes()).expand(purpose.as_bytes(), key.as_mut());
        debug_assert!(expanded.is_ok(), "32 bytes are one block");
        Self(key)
    }
}

const FORMS: &str = "64 hex characters, or hex:, base64:, utf8:, sha256:<passphrase>, scrypt:<salt>:<passphrase>, \
    hkdf-sha256:<salt>:<info>:<secret>, pbkdf2-sha256:<rounds>:<salt>:<passphrase>, pad0:, padspace: or padnul:";

type Bytes32 = Zeroizing<[u8; 32]>;

fn decoded(bytes: Option<Vec<u8>>, expected: &str) -> Result<Key, String> {
    let bytes = Zeroizing::new(bytes.ok_or(expected)?);
    let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| expected)?;
    Ok(Key(Zeroizing::new(key)))
}

fn sha256(passphrase: &str) -> Result<Bytes32, &'static str> {
    not_empty(passphrase, "sha256:<passphrase>")?;
    Ok(Zeroizing::new(Sha256::digest(passphrase.as_bytes()).into()))
}

fn scrypt(rest: &str) -> Result<Bytes32, &'static str> {
    const EXPECTED: &str = "scrypt:<salt>:<passphrase>";
    let (salt, passphrase) = rest.split_once(':').ok_or(EXPECTED)?;
    not_empty(passphrase, EXPECTED)?;
    let mut key = Zeroizing::new([0; 32]);
    let (log_n, r, p) = SCRYPT;
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| EXPECTED)?;
    scrypt::scrypt(passphrase.as_bytes(), salt.as_bytes(), &params, key.as_mut()).map_err(|_| EXPECTED)?;
    Ok(key)
}

fn hkdf_sha256(rest: &str) -> Result<Bytes32, &'static str> {
    const EXPECTED: &str = "hkdf-sha256:<salt>:<info>:<secret> (salt and info may be empty)";
    let (salt, rest) = rest.split_once(':').ok_or(EXPECTED)?;
    let (info, secret) = rest.split_once(':').ok_or(EXPECTED)?;
    not_empty(secret, EXPECTED)?;
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt.as_bytes()), secret.as_bytes())
        .expand(info.as_bytes(), key.as_mut())
        .map_err(|_| EXPECTED)?;
    Ok(key)
}

fn pbkdf2_sha256(rest: &str) -> Result<Bytes32, &'static str> {
    const EXPECTED: &str = "pbkdf2-sha256:<rounds>:<salt>:<passphrase>, 1 to 5000000 rounds";
    let (rounds, rest) = rest.split_once(':').ok_or(EXPECTED)?;
    let (salt, passphrase) = rest.split_once(':').ok_or(EXPECTED)?;
    not_empty(passphrase, EXPECTED)?;
    let rounds: u32 = rounds.parse().map_err(|_| EXPECTED)?;
    if !(1..=MAX_ROUNDS).contains(&rounds) {
        return Err(EXPECTED);
    }
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(passphrase.as_bytes(), salt.as_bytes(), rounds, key.as_mut());
    Ok(key)
}

fn padded(text: &str, filler: u8) -> Result<Bytes32, &'static str> {
    not_empty(text, "a text after pad0:, padspace: or padnul:")?;
    let mut key = Zeroizing::new([filler; 32]);
    let kept = text.len().min(32);
    key[..kept].copy_from_slice(&text.as_bytes()[..kept]);
    Ok(key)
}

/// SECURITY: an unset variable in a compose file must not become the key of everything.
fn not_empty(text: &str, expected: &'static str) -> Result<(), &'static str> {
    if text.is_empty() { Err(expected) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(form: &str) -> Result<String, String> {
        Key::parse(&Secret::new(form)).map(|key| hex::encode(key.bytes()))
    }

    #[test]
    fn every_form_makes_the_key_of_its_specification() {
        let zeros = "00".repeat(32);
        for (form, expected) in [
            (zeros.clone(), zeros.as_str()),
            (format!("hex:{}", "Ab".repeat(32)), &"ab".repeat(32)),
            (format!("base64:{}=", "A".repeat(43)), &zeros),
            (format!("base64:{}", "_".repeat(42) + "8"), &"ff".repeat(32)),
            (format!("utf8:{}", "a".repeat(32)), &"61".repeat(32)),
            (format!("utf8:{}", "ä".repeat(16)), &"c3a4".repeat(16)),
            // FIPS 180-2, "abc".
            ("sha256:abc".into(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            // RFC 7914 section 11, N = 16384, r = 8, p = 1: the first 32 of its 64 bytes.
            (
                "scrypt:SodiumChloride:pleaseletmein".into(),
                "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2",
            ),
            // RFC 7914 section 11, PBKDF2-HMAC-SHA-256: the first 32 of its 64 bytes.
            (
                "pbkdf2-sha256:1:salt:passwd".into(),
                "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc",
            ),
            ("pad0:ab".into(), &("6162".to_owned() + &"30".repeat(30))),
            ("padspace:ab".into(), &("6162".to_owned() + &"20".repeat(30))),
            ("padnul:ab".into(), &("6162".to_owned() + &"00".repeat(30))),
            (format!("pad0:{}", "a".repeat(40)), &"61".repeat(32)),
            (format!("k1.aesgcm256.{}=", "A".repeat(43)), &zeros),
        ] {
            assert_eq!(key(&form).as_deref(), Ok(expected), "{form}");
        }
    }

    #[test]
    fn the_last_part_is_the_rest_of_the_text() {
        assert_eq!(key("sha256:a:b:c").unwrap(), hex::encode(Sha256::digest("a:b:c")));
        assert_ne!(key("scrypt:salt:a:b"), key("scrypt:salt:a"));
        assert_ne!(key("hkdf-sha256:::a:b"), key("hkdf-sha256:::a"));
        assert_ne!(key("pbkdf2-sha256:1:salt:a:b"), key("pbkdf2-sha256:1:salt:a"));
    }

    #[test]
    fn an_unknown_form_is_refused_without_repeating_it() {
        for form in [
            "",
            "correcthorse",
            "hex:",
            "hex:abcd",
            "base64:????",
            "base64:AAAA",
            "utf8:short",
            "sha256:",
            "scrypt:",
            "scrypt:salt",
            "scrypt:salt:",
            "hkdf-sha256:a:b",
            "hkdf-sha256:a:b:",
            "pbkdf2-sha256:0:salt:correcthorse",
            "pbkdf2-sha256:-1:s:p",
            "pbkdf2-sha256:5000001:s:p",
            "pbkdf2-sha256:x:s:p",
            "pad0:",
            "padspace:",
            "padnul:",
            "md5:correcthorse",
            "k1.aesgcm256.AAAA",
            ":",
            "::",
        ] {
            let error = key(form).expect_err(form);
            assert!(!error.contains("correcthorse"), "{error}");
        }
        assert!(key(&"a".repeat(5000)).is_err());
    }
}
