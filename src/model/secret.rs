//! [`Secret`]: a value that must never be printed.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A token, key or sealed value. `Debug` prints no part of it, there is no `Display`, and the memory is wiped when the last
/// copy is dropped.
#[derive(Clone, serde::Deserialize)]
#[serde(from = "String")]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(text.into())))
    }

    /// The text itself. A review should look at every caller.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// Compared in constant time.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq;
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}
