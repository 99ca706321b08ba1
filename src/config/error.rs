//! [`ConfigError`]: the error of a configuration, as one line.

use std::path::PathBuf;

use super::Source;

/// An error: where the value was written, its key, the value, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{from}: cannot be read: {source}")]
    Unreadable {
        /// The file, and the variable that names it.
        from: Source,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file is not TOML.
    #[error("{}:{line}:{column}: {what}", .file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// The parser's message. It never repeats the line itself, which may contain a secret.
        what: String,
    },
    /// A key or section that does not exist. The line does not repeat the value, which may be a secret under a misspelt key.
    #[error("{from}: there is no `{key}`; {hint}")]
    Unknown {
        /// Where it was written.
        from: Source,
        /// The whole key.
        key: String,
        /// A key that may have been meant.
        hint: String,
    },
    /// A key whose feature is not built yet: an operator who sets it must not believe that it works.
    #[error("{from}: `{key}` is not supported yet; leave it out")]
    NotSupported {
        /// Where it was written.
        from: Source,
        /// The whole key.
        key: String,
    },
    /// An invalid value.
    #[error("{from}: {key} = {value}: expected {expected}")]
    Wrong {
        /// Where it was written.
        from: Source,
        /// The whole key.
        key: String,
        /// The value as written; never a secret.
        value: String,
        /// What would be right, as the end of the sentence.
        expected: String,
    },
    /// A variable that cannot set an option.
    #[error("{name}: expected {expected}")]
    Variable {
        /// The variable.
        name: String,
        /// What would be right, as the end of the sentence.
        expected: String,
    },
}
