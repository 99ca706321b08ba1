//! The layouts in which dashboards store AES-GCM's three parts.
//!
//! | name | text |
//! |---|---|
//! | `plain` | `plain:<token>`: not sealed, for `[[connection]]` entries |
//! | `iv:tag:ct` | three parts |
//! | `iv:ct:tag` | three parts |
//! | `iv:ct+tag` | two parts, the tag at the end of the second (WebCrypto); 47ng/cloak |
//! | `iv+tag+ct` | one part |
//! | `iv+ct+tag` | one part |
//! | `json` | an object with iv, data and perhaps tag |
//! | `columns` | the row's own columns for iv and perhaps tag |
//! | `secretbox` | libsodium: nonce (24) + mac (16) + ct, in one part |
//!
//! Everywhere: a part is hex or base64 (either alphabet, padded or not); parts are separated by `:` or `.`; up to three
//! short words may stand before them (`v1:`, `enc:`, `v1.aesgcm256.<fingerprint>.`); the iv has 12 or 16 bytes; the
//! whole text may be wrapped in base64 once more. Nothing is guessed from appearance: every candidate is
//! tried, and the 128-bit tag decides. A salt per value is not supported.

/// The places of iv, tag and ciphertext in a sealed value: the names of `tokens.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `plain:<token>`.
    Plain,
    /// Three parts, the tag in the middle.
    IvTagCt,
    /// Three parts, the tag last.
    IvCtTag,
    /// Two parts, the tag at the end of the second.
    IvSealed,
    /// One part, the tag in the middle.
    OneTagCt,
    /// One part, the tag last.
    OneCtTag,
    /// A JSON object.
    Json,
    /// Columns of their own for iv and perhaps tag.
    Columns,
    /// libsodium's `crypto_secretbox`.
    Secretbox,
}

impl Layout {
    /// All layouts, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Plain,
        Self::IvTagCt,
        Self::IvCtTag,
        Self::IvSealed,
        Self::OneTagCt,
        Self::OneCtTag,
        Self::Json,
        Self::Columns,
        Self::Secretbox,
    ];

    /// The name in `tokens.format` and in what `token check` prints.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::IvTagCt => "iv:tag:ct",
            Self::IvCtTag => "iv:ct:tag",
            Self::IvSealed => "iv:ct+tag",
            Self::OneTagCt => "iv+tag+ct",
            Self::OneCtTag => "iv+ct+tag",
            Self::Json => "json",
            Self::Columns => "columns",
            Self::Secretbox => "secretbox",
        }
    }

    /// The layout with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.as_str() == name)
    }
}

/// The encoding of the ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal.
    Hex,
    /// Base64 of either alphabet.
    Base64,
}

impl Encoding {
    /// The name in what `token check` prints.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
        }
    }
}
