//! Tries one key on one candidate. A file of its own, because the two ciphers' crates need different traits of one name.

use zeroize::Zeroizing;

use super::candidate::Candidate;
use super::key::Key;
use super::layout::Layout;

/// The candidate's text under this key, if its tag is right.
pub(super) fn unseal(key: &Key, candidate: &Candidate) -> Option<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(candidate.ct.clone());
    match (candidate.layout, candidate.iv.as_slice()) {
        (Layout::Secretbox, nonce) => secretbox(key, nonce.try_into().ok()?, candidate.tag, &mut text)?,
        (_, iv) => gcm(key, iv, candidate.tag, &mut text)?,
    }
    Some(text)
}

/// AES-256-GCM without associated data. Node accepts ivs of any length, and 16 bytes are common; `ring` supports only 12.
fn gcm(key: &Key, iv: &[u8], tag: [u8; 16], text: &mut [u8]) -> Option<()> {
    use aes_gcm::aead::consts::{U12, U16};
    use aes_gcm::aead::{AeadInOut, KeyInit};
    use aes_gcm::{AesGcm, aes::Aes256};

    let key = key.bytes().into();
    if let Ok(iv) = <[u8; 12]>::try_from(iv) {
        let cipher = AesGcm::<Aes256, U12>::new(key);
        return cipher.decrypt_inout_detached(&iv.into(), b"", text.into(), &tag.into()).ok();
    }
    let iv = <[u8; 16]>::try_from(iv).ok()?;
    let cipher = AesGcm::<Aes256, U16>::new(key);
    cipher.decrypt_inout_detached(&iv.into(), b"", text.into(), &tag.into()).ok()
}

/// libsodium's `crypto_secretbox_easy`: XSalsa20 and Poly1305.
fn secretbox(key: &Key, nonce: [u8; 24], mac: [u8; 16], text: &mut [u8]) -> Option<()> {
    use crypto_secretbox::XSalsa20Poly1305;
    use crypto_secretbox::aead::{AeadInPlace, KeyInit};

    let cipher = XSalsa20Poly1305::new(key.bytes().into());
    cipher.decrypt_in_place_detached(&nonce.into(), b"", text, &mac.into()).ok()
}
