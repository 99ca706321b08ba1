//! [`Provider`]: the network whose API knows the picture.

use std::fmt;

/// The networks this server speaks to.
///
/// Stored entries name their provider and outlive the configuration: a provider that is no longer configured is still a
/// provider, whose avatars can be read, purged and swept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// Instagram with Instagram Login or through Facebook Login.
    Instagram,
    /// Facebook pages.
    Facebook,
    /// The Telegram Bot API.
    Telegram,
    /// An API that answers JSON, configured under this name.
    Json(ProviderName),
}

/// The configured name of a provider: up to [`ProviderName::MAX_LEN`] of a-z, 0-9 and -, a letter first.
///
/// The text is stored inline, so that a hit copies it without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderName {
    /// Padded with NUL, which no name contains, so that names are ordered as their texts are.
    text: [u8; Self::MAX_LEN],
    len: u8,
}

impl Provider {
    /// The providers that need no block, in the order of the documentation. No block may use their names.
    pub const BUILT_IN: [Self; 3] = [Self::Instagram, Self::Facebook, Self::Telegram];

    /// The name in configuration, logs, tags and stored forms.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Instagram => "instagram",
            Self::Facebook => "facebook",
            Self::Telegram => "telegram",
            Self::Json(name) => name.as_str(),
        }
    }

    /// The provider with this name, configured or not; `None` if the text is no name.
    pub fn from_name(name: &str) -> Option<Self> {
        let built_in = Self::BUILT_IN.into_iter().find(|provider| provider.as_str() == name);
        built_in.or_else(|| ProviderName::parse(name).map(Self::Json))
    }
}

impl ProviderName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 31;

    /// Checks the text. The caller excludes the built-in names.
    fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let well_formed =
            text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(allowed);
        if !well_formed || text.len() > Self::MAX_LEN {
            return None;
        }
        let mut name = Self { text: [0; Self::MAX_LEN], len: text.len() as u8 };
        name.text[..text.len()].copy_from_slice(text.as_bytes());
        Some(name)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // `parse` accepts only ASCII, so the fallback is never used.
        std::str::from_utf8(&self.text[..usize::from(self.len)]).unwrap_or("")
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_well_formed_name_is_a_provider() {
        for (name, provider) in Provider::BUILT_IN.map(|provider| (provider.to_string(), provider)) {
            assert_eq!(Provider::from_name(&name), Some(provider));
        }
        for name in ["threads", "x", "linkedin-organisation", "a2", &"a".repeat(31)] {
            let provider = Provider::from_name(name).unwrap();
            assert!(matches!(provider, Provider::Json(_)), "{name}");
            assert_eq!(provider.as_str(), name);
        }
    }

    #[test]
    fn a_malformed_name_is_no_provider() {
        for name in ["", "Threads", "2x", "-a", "a b", "a_b", "a:b", "a*", "a{b}", "ä", &"a".repeat(32)] {
            assert_eq!(Provider::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn names_are_ordered_as_their_texts_are() {
        let names = ["a", "a-", "a1", "aa", "b"].map(|name| Provider::from_name(name).unwrap());
        assert!(names.is_sorted());
    }
}
