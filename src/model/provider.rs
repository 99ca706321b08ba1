//! [`Provider`]: whose API knows the picture.

use std::fmt;

/// The networks this server speaks to.
///
/// Stored forms carry the name of one, and an entry outlives the configuration: a provider that nobody configures any
/// more is still a provider, whose avatars can be read, purged and swept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// Instagram with Instagram Login or through Facebook Login.
    Instagram,
    /// Facebook pages.
    Facebook,
    /// The Telegram Bot API.
    Telegram,
    /// An API that answers JSON, described by the operator under this name.
    Json(ProviderName),
}

/// The name that an operator gave a provider: up to [`ProviderName::MAX_LEN`] of a-z, 0-9 and -, a letter first.
///
/// The text lies within, so that a hit copies it and allocates nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderName {
    /// Filled up with NUL, which no name holds, so that the order is that of the texts.
    text: [u8; Self::MAX_LEN],
    len: u8,
}

impl Provider {
    /// Those that need no description, in the order in which they are documented. Their names are taken.
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

    /// The provider of that name, configured or not; `None` if nobody can be called so.
    pub fn from_name(name: &str) -> Option<Self> {
        let built_in = Self::BUILT_IN.into_iter().find(|provider| provider.as_str() == name);
        built_in.or_else(|| ProviderName::parse(name).map(Self::Json))
    }
}

impl ProviderName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 31;

    /// Checks a text and takes it over. Whether it is one of the built-in names is the caller's affair.
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
        // Only ASCII is ever taken, so this never falls back.
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
    fn whatever_could_be_called_so_is_a_provider() {
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
    fn what_is_no_name_is_no_provider() {
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
