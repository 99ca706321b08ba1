//! The layouts in which dashboards store AES-GCM's three parts.
//!
//! | name | text | PROVIDERS 9 |
//! |---|---|---|
//! | `plain` | `plain:<token>`: not sealed, for `[[connection]]` entries | |
//! | `iv:tag:ct` | three parts | rows 1, 2, 6 |
//! | `iv:ct:tag` | three parts | row 3 |
//! | `iv:ct+tag` | two parts, the tag at the end of the second (WebCrypto); 47ng/cloak | rows 5, 6 |
//! | `iv+tag+ct` | one part | row 4 |
//! | `iv+ct+tag` | one part | row 5 |
//! | `json` | an object with iv, data and perhaps tag | row 7 |
//! | `columns` | the row's own columns for iv and perhaps tag | row 7 |
//! | `secretbox` | libsodium: nonce (24) + mac (16) + ct, in one part | row 9 |
//!
//! Everywhere: a part is hex or base64 (either alphabet, padded or not); parts are parted by `:` or `.`; up to three
//! short words may stand before them (`v1:`, `enc:`, `v1.aesgcm256.<fingerprint>.`); the iv has 12 or 16 bytes; the
//! whole text may be wrapped in base64 once more. Nothing is guessed by looks: every candidate is tried, and the
//! 128-bit tag decides. A salt that differs per value (row 8) is not supported.

/// Where iv, tag and ciphertext stand in a sealed value: the names of `tokens.format`.
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
    /// All of them, in the order in which they are documented.
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

    /// The layout of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.as_str() == name)
    }
}

/// How the ciphertext's bytes were written.
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
