//! `token seal` and `token check`: they read tokens from stdin, since every user of the machine can read arguments.

use std::io::Read;

use anyhow::{Context, ensure};
use zeroize::Zeroizing;

use super::failure::CommandFailure;
use super::output::say;
use crate::config::{Config, Layers};
use crate::model::token::Keyring;
use crate::model::{SealedToken, Secret};

/// The longest input, in bytes: a sealed value with its iv and tag, and their line ends.
const MAX_INPUT: u64 = Keyring::MAX_LEN as u64 + 6;

/// Seals the token on stdin and prints the result.
pub(super) fn seal(layers: &Layers) -> Result<(), CommandFailure> {
    let tokens = Config::tokens(layers)?;
    let sealed = seal_text(&tokens.keyring, &input(std::io::stdin())?)?;
    say(&format!("{sealed}\n"))
}

/// Prints how the value on stdin is sealed, never the token itself.
pub(super) fn check(layers: &Layers) -> Result<(), CommandFailure> {
    let tokens = Config::tokens(layers)?;
    let found = check_text(&tokens.keyring, &input(std::io::stdin())?)?;
    say(&format!("{found}\n"))
}

fn seal_text(keyring: &Keyring, text: &str) -> anyhow::Result<String> {
    let token = text.lines().next().unwrap_or_default();
    keyring.seal(&Secret::new(token)).context("not sealed")
}

fn check_text(keyring: &Keyring, text: &str) -> anyhow::Result<String> {
    let mut lines = text.lines().map(Secret::new);
    let value = lines.next().unwrap_or_else(|| Secret::new(""));
    ensure!(!value.is_empty(), "there is no sealed token on stdin");
    let sealed = SealedToken { value, iv: lines.next(), tag: lines.next() };
    Ok(keyring.open(&sealed).context("not opened")?.describe())
}

fn input(from: impl Read) -> anyhow::Result<Zeroizing<String>> {
    // The whole capacity at once, since a text that grows leaves copies behind that are not wiped.
    let mut text = Zeroizing::new(String::with_capacity(MAX_INPUT as usize + 1));
    from.take(MAX_INPUT + 1).read_to_string(&mut text).context("stdin cannot be read")?;
    ensure!(text.len() as u64 <= MAX_INPUT, "stdin is longer than {MAX_INPUT} bytes");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn keyring(keys: &str) -> Keyring {
        let environment = Environment::new([("AVATAR_PROXY__TOKENS__KEYS".into(), keys.into())]).unwrap();
        Config::tokens(&Layers::load(None, &environment).unwrap()).unwrap().keyring
    }

    #[test]
    fn a_sealed_token_is_checked_and_not_printed() {
        let keyring = keyring("[\"sha256:new\", \"sha256:old\"]");
        let sealed = seal_text(&keyring, "EAABhunter2\n").unwrap();
        assert!(!sealed.contains("hunter2"));
        let found = check_text(&keyring, &format!("{sealed}\n")).unwrap();
        assert!(found.contains("key 1 of 2") && !found.contains("hunter2"), "{found}");
    }

    #[test]
    fn iv_and_tag_may_stand_on_lines_of_their_own() {
        let keyring = keyring("[\"sha256:new\"]");
        let sealed = seal_text(&keyring, "EAABhunter2").unwrap();
        let parts: Vec<&str> = sealed.split(':').collect();
        let [iv, tag, text] = parts[..] else { panic!("{sealed}") };
        check_text(&keyring, &format!("{text}\n{iv}\n{tag}\n")).unwrap();
    }

    #[test]
    fn an_empty_and_an_overlong_input_are_refused() {
        let keyring = keyring("[\"sha256:new\"]");
        assert!(check_text(&keyring, "\n").is_err());
        assert!(seal_text(&keyring, "").is_err());
        assert!(input(std::io::repeat(b'a')).is_err());
        assert_eq!(input("a token".as_bytes()).unwrap().as_str(), "a token");
    }
}
