//! [`Provider`]: whose API knows the picture.

/// The networks this server speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Instagram with Instagram Login or through Facebook Login.
    Instagram,
    /// Facebook pages.
    Facebook,
    /// The Telegram Bot API.
    Telegram,
}

impl Provider {
    /// All of them, in the order in which they are documented.
    pub const ALL: [Self; 3] = [Self::Instagram, Self::Facebook, Self::Telegram];

    /// The name in configuration, logs, tags and stored forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Instagram => "instagram",
            Self::Facebook => "facebook",
            Self::Telegram => "telegram",
        }
    }

    /// The provider of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }
}

impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
