//! [`Invalid`]: a configured value that breaks a rule.

/// Which key of a section, what was written, and what would be right.
///
/// Sections' `TryFrom` return it; `config` adds the section and the file or variable it came from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value}: expected {expected}")]
pub struct Invalid {
    /// The key within its section, such as `fresh_for`.
    pub key: &'static str,
    /// What was written, as shown to the user; `<secret>` for a secret.
    pub value: String,
    /// What would be right, as the end of the sentence "expected ...".
    pub expected: String,
}

impl Invalid {
    /// Puts the three parts together.
    pub fn new(key: &'static str, value: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { key, value: value.into(), expected: expected.into() }
    }
}
