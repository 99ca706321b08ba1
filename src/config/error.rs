//! [`ConfigError`]: what is wrong with a configuration, as one line.

use std::path::PathBuf;

use super::Source;

/// What is wrong: where it was written, which key, which value, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that was named cannot be read.
    #[error("{from}: cannot be read: {source}")]
    Unreadable {
        /// The file, and the variable that named it.
        from: Source,
        /// Why.
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
        /// What the parser says. It never repeats the line itself, which may hold a secret.
        what: String,
    },
    /// A key or section that does not exist. Its value is not repeated: it may be a secret under a misspelt key.
    #[error("{from}: there is no `{key}`; {hint}")]
    Unknown {
        /// Where it was written.
        from: Source,
        /// The whole key.
        key: String,
        /// What may have been meant.
        hint: String,
    },
    /// A key of the contract whose feature is not built yet: nobody may set it and believe that it works.
    #[error("{from}: `{key}` is not supported yet; leave it out")]
    NotSupported {
        /// Where it was written.
        from: Source,
        /// The whole key.
        key: String,
    },
    /// A value that cannot be.
    #[error("{from}: {key} = {value}: expected {expected}")]
    Wrong {
        /// Where it was written.
        from: Source,
        /// The whole key.
        key: String,
        /// What was written; never a secret.
        value: String,
        /// What would be right, as the end of the sentence.
        expected: String,
    },
    /// A variable that cannot be taken as one key's value.
    #[error("{name}: expected {expected}")]
    Variable {
        /// The variable.
        name: String,
        /// What would be right, as the end of the sentence.
        expected: String,
    },
}
