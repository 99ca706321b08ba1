//! From a section's merged values to the type of the code that uses it, with errors that name key, value and source.

use serde::de::DeserializeOwned;

use super::schema::{closest, is_secret};
use super::text::{HIDDEN, shortened};
use super::{ConfigError, Layers};
use crate::model::Invalid;

/// A section: its written form `W` is checked and converted to `C`.
///
/// # Errors
/// An unknown key in a block, a value of the wrong type, or a broken rule.
pub(super) fn section<W, C>(layers: &Layers, path: &str) -> Result<C, ConfigError>
where
    W: DeserializeOwned,
    C: TryFrom<W, Error = Invalid>,
{
    C::try_from(written::<W>(layers, path)?).map_err(|invalid| broken(layers, path, invalid))
}

/// A list of blocks, each checked as in [`section`].
///
/// # Errors
/// As [`section`]; the key says which block, counted from 1.
pub(super) fn blocks<W, C>(layers: &Layers, path: &str) -> Result<Vec<C>, ConfigError>
where
    W: DeserializeOwned,
    C: TryFrom<W, Error = Invalid>,
{
    let all = written::<Vec<W>>(layers, path)?.into_iter().enumerate();
    all.map(|(index, block)| {
        C::try_from(block).map_err(|invalid| broken(layers, &format!("{path}[{}]", index + 1), invalid))
    })
    .collect()
}

/// A section (or a list of blocks) as written, whose only rules are its types.
///
/// # Errors
/// An unknown key in a block, or a value of the wrong type.
pub(super) fn written<W: DeserializeOwned>(layers: &Layers, path: &str) -> Result<W, ConfigError> {
    serde_path_to_error::deserialize(layers.section(path)).map_err(|error| {
        let key = below(path, &counted_from_one(error.path()));
        misfit(layers, key, error.inner().message())
    })
}

/// The error for a rule that a section's `TryFrom` found broken.
pub(super) fn broken(layers: &Layers, path: &str, invalid: Invalid) -> ConfigError {
    let key = below(path, invalid.key);
    let value = match layers.shown(&key) {
        Some(written) if !layers.is_list(&key) => written,
        _ if is_secret(&key) => HIDDEN.to_owned(),
        _ => shortened(invalid.value),
    };
    ConfigError::Wrong { from: layers.source(&key), key, value, expected: invalid.expected }
}

/// serde's error in our words. Its messages repeat values, so only the second half is used where the value is a secret.
fn misfit(layers: &Layers, key: String, message: &str) -> ConfigError {
    let from = layers.source(&key);
    if let Some((field, known)) = unknown_name(message, "unknown field `") {
        // serde_path_to_error ends in the block or in the field itself, by where the error came up.
        let block = key.strip_suffix(field).map_or(key.as_str(), |block| block.trim_end_matches('.'));
        let hint = match closest(field, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        return ConfigError::Unknown { from, key: below(block, field), hint };
    }
    if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        return ConfigError::Variable {
            name: format!("{from}: {key}"),
            expected: format!("the key `{field}` in it"),
        };
    }
    let value = layers.shown(&key).unwrap_or_else(|| HIDDEN.to_owned());
    ConfigError::Wrong { from, expected: expected(&key, message), value, key }
}

fn expected(key: &str, message: &str) -> String {
    if let Some((name, known)) = unknown_name(message, "unknown variant `") {
        let all = known.iter().map(|one| format!("\"{one}\"")).collect::<Vec<_>>().join(", ");
        let near = closest(name, known.into_iter()).filter(|_| !is_secret(key));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
        return format!("one of {all}{hint}");
    }
    match message.split_once("expected ") {
        Some((_, right)) => in_words(right).to_owned(),
        None if is_secret(key) => "another value; see config.toml".to_owned(),
        None => format!("another value: {message}"),
    }
}

/// serde's name of a type, for readers who do not write Rust.
fn in_words(right: &str) -> &str {
    match right {
        "a string" => "a text in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number of 0 or more",
        "a nonzero u32" | "a nonzero u64" | "a nonzero usize" => "a whole number of 1 or more",
        other => other,
    }
}

/// The wrong name and the known ones from serde's "unknown field `x`, expected one of `a`, `b`".
fn unknown_name<'m>(message: &'m str, opening: &str) -> Option<(&'m str, Vec<&'m str>)> {
    let (name, rest) = message.strip_prefix(opening)?.split_once('`')?;
    Some((name, rest.split('`').skip(1).step_by(2).collect()))
}

fn below(path: &str, key: &str) -> String {
    match key {
        "" | "." => path.to_owned(),
        key if key.starts_with('[') => format!("{path}{key}"),
        key => format!("{path}.{key}"),
    }
}

/// serde's path, with blocks counted from 1.
fn counted_from_one(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut out = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => out.push_str(&format!("[{}]", index + 1)),
            Segment::Map { key } => out.push_str(&format!("{}{key}", if out.is_empty() { "" } else { "." })),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    out
}
