//! The keyring against values that a real Node program sealed, and against arbitrary text.

use std::collections::HashMap;
use std::rc::Rc;

use proptest::prelude::*;

use super::candidate::{MAX_CANDIDATES, base64_bytes};
use super::*;

/// Made by `tests/fixtures/tokens/make.mjs`.
const FIXTURES: &str = include_str!("../../../tests/fixtures/tokens/tokens.json");
const NEW: &str = "sha256:new";
const OLD: &str = "sha256:old";

#[derive(serde::Deserialize)]
struct Fixture {
    name: String,
    layout: String,
    key: String,
    value: String,
    iv: Option<String>,
    tag: Option<String>,
    plaintext: String,
}

impl Fixture {
    fn sealed(&self) -> SealedToken {
        SealedToken {
            value: Secret::new(self.value.as_str()),
            iv: self.iv.clone().map(Secret::new),
            tag: self.tag.clone().map(Secret::new),
        }
    }
}

fn fixtures() -> Vec<Fixture> {
    serde_json::from_str(FIXTURES).unwrap()
}

fn config(keys: &[&str], format: &str) -> Result<TokensConfig, Invalid> {
    let keys = keys.iter().map(|key| Secret::new(*key)).collect();
    TokensWritten { keys, format: format.to_owned() }.try_into()
}

fn keyring(keys: &[&str]) -> Keyring {
    config(keys, "auto").map(|config| config.keyring).unwrap()
}

/// Every fixture with a keyring of its key; each is derived once, since scrypt takes a while in a debug build.
fn keyrings(format: impl Fn(&Fixture) -> String) -> Vec<(Fixture, Rc<Keyring>)> {
    let mut made: HashMap<(String, String), Rc<Keyring>> = HashMap::new();
    let with_keyring = |fixture: Fixture| {
        let format = format(&fixture);
        let keyring = made
            .entry((fixture.key.clone(), format.clone()))
            .or_insert_with(|| Rc::new(config(&[&fixture.key], &format).unwrap().keyring));
        let keyring = Rc::clone(keyring);
        (fixture, keyring)
    };
    fixtures().into_iter().map(with_keyring).collect()
}

#[test]
fn everything_that_node_sealed_opens_under_its_layout() {
    let all = keyrings(|_| "auto".to_owned());
    assert!(all.len() > 200);
    for (fixture, keyring) in all {
        let opened =
            keyring.open(&fixture.sealed()).unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
        assert_eq!(opened.token.expose(), fixture.plaintext, "{}", fixture.name);
        assert_eq!(opened.layout.as_str(), fixture.layout, "{}", fixture.name);
        assert_eq!(opened.key, 0);
    }
}

#[test]
fn the_fixtures_cover_every_sealed_layout_with_both_iv_lengths() {
    let all = fixtures();
    for layout in Layout::ALL.into_iter().filter(|layout| *layout != Layout::Plain) {
        let of_layout = || all.iter().filter(|fixture| fixture.layout == layout.as_str());
        assert!(of_layout().count() >= 3, "{layout:?}");
        for length in ["12-byte iv", "16-byte iv"] {
            assert!(
                layout == Layout::Secretbox || of_layout().any(|fixture| fixture.name.contains(length)),
                "{layout:?}"
            );
        }
    }
}

#[test]
fn the_layout_that_was_printed_can_be_pinned_and_others_stay_closed_then() {
    for (fixture, keyring) in keyrings(|fixture| fixture.layout.clone()) {
        assert!(keyring.open(&fixture.sealed()).is_ok(), "{}", fixture.name);
    }
    for (fixture, keyring) in keyrings(|fixture| {
        let other = if fixture.layout == "json" { Layout::Columns } else { Layout::Json };
        other.as_str().to_owned()
    }) {
        assert_eq!(
            keyring.open(&fixture.sealed()).unwrap_err(),
            OpenError::UnknownLayout,
            "{}",
            fixture.name
        );
    }
}

#[test]
fn every_other_key_leaves_them_all_closed() {
    let other =
        keyring(&["sha256:another", "hex:0000000000000000000000000000000000000000000000000000000000000000"]);
    for fixture in fixtures() {
        assert_eq!(other.open(&fixture.sealed()).unwrap_err(), OpenError::NoKeyFits, "{}", fixture.name);
    }
}

#[test]
fn a_token_sealed_under_an_older_key_opens_and_says_which_it_was() {
    let sealed = SealedToken::of(keyring(&[OLD]).seal(&Secret::new("EAAB")).unwrap());
    let opened = keyring(&["sha256:newest", NEW, OLD]).open(&sealed).unwrap();
    assert_eq!((opened.token.expose(), opened.key), ("EAAB", 2));
    assert_eq!(opened.describe(), "layout iv:tag:ct (hex, 12-byte iv), key 3 of 3");
}

#[test]
fn the_newest_key_seals_and_no_two_sealed_values_are_equal() {
    let keys = keyring(&[NEW, OLD]);
    let seal = || keys.seal(&Secret::new("EAAB")).unwrap();
    assert_ne!(seal(), seal());
    assert_eq!(keys.open(&SealedToken::of(seal())).unwrap().key, 0);
    assert_eq!(keyring(&[OLD]).open(&SealedToken::of(seal())).unwrap_err(), OpenError::NoKeyFits);
    let parts: Vec<usize> = seal().split(':').map(str::len).collect();
    assert_eq!(parts, [24, 32, 8]);
}

#[test]
fn a_plain_token_needs_no_key() {
    let opened = keyring(&[]).open(&SealedToken::of("plain:123:ABC")).unwrap();
    assert_eq!((opened.token.expose(), opened.layout), ("123:ABC", Layout::Plain));
    assert_eq!(opened.describe(), "layout plain (not sealed)");
}

#[test]
fn what_is_not_sealed_or_no_token_is_refused_by_its_reason() {
    let keys = keyring(&[NEW]);
    let open = |text: &str| keys.open(&SealedToken::of(text)).unwrap_err();
    assert_eq!(keyring(&[]).open(&SealedToken::of("a:b:c")).unwrap_err(), OpenError::NoKeys);
    assert_eq!(open(&"A".repeat(Keyring::MAX_LEN + 1)), OpenError::TooLong);
    for text in ["", "EAAB-a token in the clear", "a:b:c", "{}", "{\"iv\":1}", "v1:", "::::::::"] {
        assert_eq!(open(text), OpenError::UnknownLayout, "{text}");
    }
    for text in ["plain:", "plain:a\r\nX: y", "plain:a\u{7f}"] {
        assert_eq!(open(text), OpenError::NotText);
    }
    assert_eq!(keyring(&[]).seal(&Secret::new("EAAB")), Err(SealError::NoKeys));
    for token in [String::new(), "a\nb".into(), "A".repeat(Keyring::MAX_TOKEN + 1)] {
        assert_eq!(keys.seal(&Secret::new(token)), Err(SealError::NotAToken));
    }
    let longest = keys.seal(&Secret::new("A".repeat(Keyring::MAX_TOKEN))).unwrap();
    assert!(keys.open(&SealedToken::of(longest)).is_ok());
}

#[test]
fn a_wrong_key_or_format_is_named_by_its_place_and_never_repeated() {
    let error = config(&[NEW, "hunter2hunter2"], "auto").err().unwrap();
    assert_eq!((error.key, error.value.as_str()), ("keys", "<secret>"));
    assert!(error.expected.starts_with("as entry 2 64 hex characters"), "{error}");
    assert!(!error.to_string().contains("hunter2"));
    assert!(config(&["sha256:x"; 17], "auto").err().unwrap().expected.contains("at most 16"));
    let error = config(&[], "iv:tag").err().unwrap();
    assert_eq!((error.key, error.value.as_str()), ("format", "\"iv:tag\""));
    assert!(error.expected.contains("iv:tag:ct"));
}

#[test]
fn debug_of_what_was_opened_shows_nothing_of_the_token() {
    let opened = keyring(&[]).open(&SealedToken::of("plain:hunter2")).unwrap();
    assert!(!format!("{opened:?}").contains("hunter2"));
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics_and_never_opens(
        value in r"[0-9a-f:.{}=+/_A-Z -]{0,400}|\PC{0,200}",
        iv in proptest::option::of(r"[0-9a-f.:]{0,40}|\PC{0,20}"),
        tag in proptest::option::of(r"[0-9a-f]{0,40}|\PC{0,20}"),
    ) {
        let sealed = SealedToken { value: Secret::new(value), iv: iv.map(Secret::new), tag: tag.map(Secret::new) };
        prop_assert!(candidates(&sealed).len() < MAX_CANDIDATES);
        let plain = sealed.value.expose().starts_with("plain:");
        prop_assert!(plain || stayed_closed(&keyring(&[NEW, OLD]).open(&sealed)));
    }

    #[test]
    fn a_sealed_token_opens_again(token in r"[^\p{Cc}]{1,300}") {
        let keys = keyring(&[NEW]);
        let sealed = SealedToken::of(keys.seal(&Secret::new(token.as_str())).unwrap());
        let opened = keys.open(&sealed).unwrap();
        prop_assert_eq!(opened.token.expose(), token);
    }

    #[test]
    fn another_key_never_opens(token in r"[!-~]{1,300}", other in "[a-z]{4,20}") {
        let sealed = SealedToken::of(keyring(&[NEW]).seal(&Secret::new(token)).unwrap());
        prop_assert_eq!(keyring(&[&format!("sha256:{other}")]).open(&sealed).unwrap_err(), OpenError::NoKeyFits);
    }

    #[test]
    fn a_flipped_bit_never_opens(fixture in any::<prop::sample::Index>(), position in any::<prop::sample::Index>(), bit in 0u8..8) {
        // Of the key that needs no derivation; within a wrapped text a flip may be a change of hex case only.
        let usable = |f: &Fixture| f.key.len() == 64 && f.iv.is_none() && !f.name.contains("base64 of");
        let all: Vec<Fixture> = fixtures().into_iter().filter(usable).collect();
        let fixture = &all[fixture.index(all.len())];
        let flipped = flip(&fixture.value, position, bit);
        prop_assume!(flipped.is_some());
        let opened = keyring(&[&fixture.key]).open(&SealedToken::of(flipped.unwrap()));
        prop_assert!(stayed_closed(&opened), "{}", fixture.name);
    }
}

/// No tag was right: `NotText` would mean that one was.
fn stayed_closed(opened: &Result<Opened, OpenError>) -> bool {
    matches!(opened, Err(OpenError::NoKeyFits | OpenError::UnknownLayout))
}

/// Flips one bit of the bytes that one part of the text encodes: in the text itself a flip may only change the case of hex.
fn flip(text: &str, position: prop::sample::Index, bit: u8) -> Option<String> {
    let parts: Vec<&str> =
        text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/_-=".contains(c))).collect();
    let sealed: Vec<&str> =
        parts.into_iter().filter(|part| part.len() > 15 && !part.contains("gcm")).collect();
    let part = sealed.get(position.index(sealed.len().max(1)))?;
    let is_hex = part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut bytes = if is_hex { hex::decode(part).ok()? } else { base64_bytes(part)? };
    let at = position.index(bytes.len());
    bytes[at] ^= 1 << bit;
    let flipped = if is_hex {
        hex::encode(bytes)
    } else {
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
    };
    Some(text.replacen(part, &flipped, 1))
}
