//! [`Invalid`]: a configured value that breaks a rule.

/// The key, its value, and what would be right.
///
/// The `TryFrom` of a section returns it; `config` adds the section and the file or variable that the value came from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value}: expected {expected}")]
pub struct Invalid {
    /// The key within its section, such as `fresh_for`.
    pub key: &'static str,
    /// The value as shown to the user; `<secret>` for a secret.
    pub value: String,
    /// What would be right, as the end of the sentence "expected ...".
    pub expected: String,
}

impl Invalid {
    /// An invalid value from its three parts.
    pub fn new(key: &'static str, value: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { key, value: value.into(), expected: expected.into() }
    }
}
