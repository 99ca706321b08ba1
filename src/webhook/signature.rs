//! [`SigningKey`]: proves to the receiver who sent a message, and when.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::model::{Secret, Timestamp};

/// The bytes of a secret (Standard Webhooks, "Signature scheme").
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

/// The decoded `events.secret`.
#[derive(Clone)]
pub(super) struct SigningKey(std::sync::Arc<Zeroizing<Vec<u8>>>);

impl SigningKey {
    /// Parses `whsec_` and 24 to 64 bytes in base64.
    pub(super) fn parse(secret: &Secret) -> Option<Self> {
        let text = secret.expose().strip_prefix("whsec_")?;
        // Some generators leave out the padding.
        let bytes = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()?;
        LENGTH.contains(&bytes.len()).then(|| Self(std::sync::Arc::new(Zeroizing::new(bytes))))
    }

    /// The `webhook-signature` of a message sent at `now`. HMAC accepts a key of any length, so this is never `None`.
    pub(super) fn sign(&self, id: &str, now: Timestamp, body: &[u8]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{}.", now.as_secs()).as_bytes());
        mac.update(body);
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_has_the_specified_signature() {
        let key = SigningKey::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let signed = key.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp::from_secs(1_614_265_330),
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn a_secret_is_whsec_and_24_to_64_bytes() {
        let of = |length: usize| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        for (text, good) in [
            (of(24), true),
            (of(64), true),
            (of(25).trim_end_matches('=').to_owned(), true),
            (of(23), false),
            (of(65), false),
            (of(24)["whsec_".len()..].to_owned(), false),
            ("whsec_".to_owned(), false),
            ("whsec_not base64 at all, but long enough".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(SigningKey::parse(&Secret::new(&text)).is_some(), good, "{text}");
        }
        let key = SigningKey::parse(&Secret::new(of(24))).unwrap();
        assert_eq!(format!("{key:?}"), "<secret>");
    }
}
