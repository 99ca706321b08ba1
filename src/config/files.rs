//! Reads and parses files: bounded in length, with errors that name the place.

use std::io::Read;
use std::path::Path;

use toml::Table;

use super::duplicate::given_twice;
use super::{ConfigError, Source};

/// The longest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Reads a whole file as text.
pub(super) fn read(path: &Path, from: &Source) -> Result<String, ConfigError> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
        .and_then(|read| match read as u64 {
            ..=MAX_FILE => Ok(text),
            _ => Err(std::io::Error::other("it is longer than 1 MiB")),
        })
        .map_err(|source| ConfigError::Unreadable { from: from.clone(), source })
}

/// Parses a file's text as TOML.
pub(super) fn parse(file: &Path, text: &str) -> Result<Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| {
        let before = &text[..error.span().map_or(0, |span| span.start).min(text.len())];
        let line = before.rsplit('\n').next().unwrap_or_default();
        ConfigError::Syntax {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            what: given_twice(text, &error)
                .map_or_else(|| error.message().replace('\n', ", "), |key| format!("`{key}` is given twice")),
        }
    })
}

/// Removes one line end, which editors and `echo` leave behind a secret.
pub(super) fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}
