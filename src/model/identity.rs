//! [`Identity`]: which picture an address leads to, whatever its signature.

use super::Address;

/// Same identity = same picture, so only the clocks move and nothing is downloaded.
///
/// For Meta it is the last path segment with the `stp` parameter: hosts vary by place and signatures rotate
/// (PROVIDERS 5.4). For Telegram it is `file_unique_id`. A lookaside path holds no file name, so it has none.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Identity(Option<String>);

impl Identity {
    /// Unknown: never the same as another.
    pub const UNKNOWN: Self = Self(None);

    /// An identity that the provider names itself.
    pub fn named(name: impl Into<String>) -> Self {
        Self(Some(name.into()))
    }

    /// Read out of a picture's address.
    pub fn of(address: &Address) -> Self {
        let (path, query) = address.path_and_query();
        let segment = path.rsplit('/').next().unwrap_or("");
        if !segment.contains('.') {
            return Self::UNKNOWN;
        }
        let stp = query.split('&').find_map(|pair| pair.strip_prefix("stp=")).unwrap_or("");
        Self(Some(format!("{segment}?stp={stp}")))
    }

    /// Whether both are known and equal.
    pub fn same(&self, other: &Self) -> bool {
        self.0.is_some() && self.0 == other.0
    }

    /// The text, for stored forms.
    pub fn as_deref(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The last path segment, for placeholder file names.
    pub fn file_name(&self) -> Option<&str> {
        self.0.as_deref().map(|name| name.split('?').next().unwrap_or(name))
    }
}

impl From<Option<String>> for Identity {
    fn from(name: Option<String>) -> Self {
        Self(name)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("unknown"))
    }
}
