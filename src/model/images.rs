//! Section `[images]`: which pictures are taken.

use super::Invalid;

/// Section `[images]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImagesConfig {
    /// The largest picture, in pixels.
    pub max_pixels: u64,
}

/// Section `[images]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagesWritten {
    max_pixels: u64,
}

impl TryFrom<ImagesWritten> for ImagesConfig {
    type Error = Invalid;

    fn try_from(written: ImagesWritten) -> Result<Self, Invalid> {
        if written.max_pixels == 0 {
            return Err(Invalid::new("max_pixels", "0", "a number of 1 or more"));
        }
        Ok(Self { max_pixels: written.max_pixels })
    }
}
