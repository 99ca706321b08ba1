//! Splits a sealed value in every way in which it can be read.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::layout::{Encoding, Layout};
use crate::model::{SealedToken, Secret};

/// One way to read a sealed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) layout: Layout,
    pub(super) encoding: Encoding,
    /// The whole text was base64 of another text.
    pub(super) wrapped: bool,
    /// 12 or 16 bytes; 24 for `Secretbox`.
    pub(super) iv: Vec<u8>,
    pub(super) tag: [u8; 16],
    pub(super) ct: Vec<u8>,
}

/// The most ways to read one value; further ones are not tried.
pub(super) const MAX_CANDIDATES: usize = 64;

const TAG: usize = 16;
const IVS: [usize; 2] = [12, 16];
const NONCE: usize = 24;

/// The names of the members of a JSON object.
const DATA_NAMES: [&str; 8] =
    ["data", "ciphertext", "cipherText", "encrypted", "encryptedData", "content", "value", "ct"];
const IV_NAMES: [&str; 2] = ["iv", "nonce"];
const TAG_NAMES: [&str; 4] = ["tag", "authTag", "auth_tag", "authenticationTag"];

/// All ways to read `sealed`, secretbox last.
pub(super) fn candidates(sealed: &SealedToken) -> Vec<Candidate> {
    let column = |text: &Option<Secret>| {
        text.as_ref().map(|text| text.expose().trim().to_owned()).filter(|text| !text.is_empty())
    };
    let value = sealed.value.expose().trim();
    let mut found = Found::default();
    match (column(&sealed.iv), column(&sealed.tag)) {
        (None, None) => found.text(value),
        (Some(iv), tag) => found.fields(Layout::Columns, value, &iv, tag.as_deref()),
        (None, Some(tag)) => found.tag_column(value, &tag),
    }
    found.0.sort_by_key(|candidate| candidate.layout == Layout::Secretbox);
    found.0.truncate(MAX_CANDIDATES);
    found.0
}

#[derive(Default)]
struct Found(Vec<Candidate>);

impl Found {
    /// A text, or the text that it encodes in base64.
    fn text(&mut self, text: &str) {
        self.bare(text);
        let inner = base64_bytes(text).and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some(inner) = inner.filter(|inner| inner.contains([':', '.', '{'])) {
            let before = self.0.len();
            self.bare(inner.trim());
            self.0[before..].iter_mut().for_each(|candidate| candidate.wrapped = true);
        }
    }

    fn bare(&mut self, text: &str) {
        if text.starts_with('{') {
            return self.json(text);
        }
        let parts: Vec<&str> = text.split([':', '.']).collect();
        if let Some(Split([iv, b, c])) = Split::last(&parts) {
            self.three(Layout::IvTagCt, iv, b, c);
            self.three(Layout::IvCtTag, iv, c, b);
        }
        if let Some(Split([iv, sealed])) = Split::last(&parts) {
            self.two(Layout::IvSealed, iv, sealed);
        }
        if let Some(Split([one])) = Split::last(&parts) {
            self.one(one);
        }
    }

    fn json(&mut self, text: &str) {
        let Ok(object) = serde_json::from_str::<Map<String, Value>>(text) else { return };
        let field = |names: &[&str]| names.iter().find_map(|name| object.get(*name)?.as_str());
        let (data, iv, tag) = (field(&DATA_NAMES), field(&IV_NAMES), field(&TAG_NAMES));
        if let (Some(data), Some(iv)) = (data, iv) {
            self.fields(Layout::Json, data, iv, tag);
        }
    }

    /// Typebot's version 1 writes `iv.tag` where version 2 has only the iv, with the tag after the data.
    fn fields(&mut self, layout: Layout, data: &str, iv: &str, tag: Option<&str>) {
        let data = data.rsplit([':', '.']).next().unwrap_or(data);
        match (tag, iv.split_once([':', '.'])) {
            (Some(tag), _) => self.three(layout, iv, tag, data),
            (None, Some((iv, tag))) => self.three(layout, iv, tag, data),
            (None, None) => self.two(layout, iv, data),
        }
    }

    /// The tag has a column and the iv has none: then the iv stands before the ciphertext.
    fn tag_column(&mut self, value: &str, tag: &str) {
        if let Some((iv, ct)) = value.rsplit_once([':', '.']) {
            return self.three(Layout::Columns, iv, tag, ct);
        }
        for (encoding, bytes) in decodings(value) {
            for iv in IVS {
                if let (Some((iv, ct)), Some(tag)) = (bytes.split_at_checked(iv), tag_bytes(tag)) {
                    self.push(Layout::Columns, encoding, iv, tag, ct);
                }
            }
        }
    }

    fn three(&mut self, layout: Layout, iv: &str, tag: &str, ct: &str) {
        let (Some(iv), Some(tag)) = (iv_bytes(iv), tag_bytes(tag)) else { return };
        for (encoding, ct) in decodings(ct) {
            self.push(layout, encoding, &iv, tag, &ct);
        }
    }

    fn two(&mut self, layout: Layout, iv: &str, sealed: &str) {
        let Some(iv) = iv_bytes(iv) else { return };
        for (encoding, sealed) in decodings(sealed) {
            if let Some((ct, tag)) = sealed.split_last_chunk::<TAG>() {
                self.push(layout, encoding, &iv, *tag, ct);
            }
        }
    }

    fn one(&mut self, text: &str) {
        for (encoding, bytes) in decodings(text) {
            for iv in IVS {
                let Some((iv, rest)) = bytes.split_at_checked(iv) else { continue };
                if let Some((tag, ct)) = rest.split_first_chunk::<TAG>() {
                    self.push(Layout::OneTagCt, encoding, iv, *tag, ct);
                }
                if let Some((ct, tag)) = rest.split_last_chunk::<TAG>() {
                    self.push(Layout::OneCtTag, encoding, iv, *tag, ct);
                }
            }
            if let Some((nonce, rest)) = bytes.split_at_checked(NONCE)
                && let Some((mac, ct)) = rest.split_first_chunk::<TAG>()
            {
                self.push(Layout::Secretbox, encoding, nonce, *mac, ct);
            }
        }
    }

    fn push(&mut self, layout: Layout, encoding: Encoding, iv: &[u8], tag: [u8; TAG], ct: &[u8]) {
        self.0.push(Candidate { layout, encoding, wrapped: false, iv: iv.to_vec(), tag, ct: ct.to_vec() });
    }
}

/// The last `N` parts of a text, if no more than three short words stand before them.
struct Split<'a, const N: usize>([&'a str; N]);

impl<'a, const N: usize> Split<'a, N> {
    fn last(parts: &[&'a str]) -> Option<Self> {
        let (words, parts) = parts.split_last_chunk::<N>()?;
        let is_word = |word: &&str| {
            word.len() <= 16 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        (words.len() <= 3 && words.iter().all(is_word)).then_some(Self(*parts))
    }
}

/// The bytes of a text that may be hex, base64 or both.
fn decodings(text: &str) -> impl Iterator<Item = (Encoding, Vec<u8>)> {
    let hex = hex_bytes(text).map(|bytes| (Encoding::Hex, bytes));
    let base64 = base64_bytes(text).map(|bytes| (Encoding::Base64, bytes));
    hex.into_iter().chain(base64)
}

/// The length of an iv distinguishes hex from base64.
fn iv_bytes(text: &str) -> Option<Vec<u8>> {
    decodings(text).map(|(_, bytes)| bytes).find(|bytes| IVS.contains(&bytes.len()))
}

fn tag_bytes(text: &str) -> Option<[u8; TAG]> {
    decodings(text).find_map(|(_, bytes)| bytes.try_into().ok())
}

/// Hex of either case; PostgreSQL writes a `bytea` with `\x` before it.
pub(super) fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("\\x").unwrap_or(text)).ok()
}

/// Base64 of either alphabet, padded or not; leftover bits must be zero.
pub(super) fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const EITHER: [GeneralPurpose; 2] =
        [GeneralPurpose::new(&STANDARD, CONFIG), GeneralPurpose::new(&URL_SAFE, CONFIG)];
    EITHER.iter().find_map(|engine| engine.decode(text).ok())
}
