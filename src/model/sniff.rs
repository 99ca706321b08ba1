//! The format and dimensions of a picture, decided by its bytes alone.
//!
//! Five small readers of our own: while a picture is arriving, "not yet" and "never" must be distinguished, and hostile
//! bytes reach this code first. Each reads only a header; nothing is decoded or allocated.

use super::ImagesConfig;
use super::PictureKind;

#[cfg(test)]
mod tests;

/// Format and dimensions, read from a picture's first bytes.
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
    /// The first bytes are of no served format (text, HTML, SVG, ...), or the header contradicts itself.
    #[error("the bytes are not a JPEG, PNG, GIF, WebP or AVIF")]
    NotAPicture,
    /// The format is known, or still possible, but the dimensions have not arrived yet.
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

use SniffError::{Incomplete, NotAPicture};

/// Reads format and dimensions from the first bytes; a picture above `images.max_pixels` is refused.
///
/// # Errors
/// [`SniffError::Incomplete`] where more bytes could still make it a picture; for a whole file this means that it was cut off.
pub fn sniff(bytes: &[u8], images: ImagesConfig) -> Result<ImageHeader, SniffError> {
    let kind = kind_of(bytes)?;
    let (width, height) = match kind {
        PictureKind::Jpeg => jpeg(bytes)?,
        PictureKind::Png => png(bytes)?,
        PictureKind::Gif => gif(bytes)?,
        PictureKind::Webp => webp(bytes)?,
        PictureKind::Avif => avif(bytes)?,
    };
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > images.max_pixels {
        return Err(SniffError::Dimensions { width, height });
    }
    Ok(ImageHeader { kind, width, height })
}

/// Whether a file ends the way its format ends, for a body without a declared length: a file that was cut off usually does
/// not.
///
/// JPEG: an end-of-image marker anywhere (an embedded thumbnail has one too); PNG: an IEND chunk anywhere; GIF: the trailer,
/// apart from zeros after it; WebP: at least the length in its RIFF header; AVIF: always `true`, because its boxes have no
/// fixed order. So `false` means that the file is cut off or malformed, and `true` proves nothing.
pub fn looks_complete(kind: PictureKind, bytes: &[u8]) -> bool {
    let holds = |marker: &[u8]| bytes.windows(marker.len()).rev().any(|window| window == marker);
    match kind {
        PictureKind::Jpeg => holds(b"\xFF\xD9"),
        PictureKind::Png => holds(b"\0\0\0\0IEND\xAE\x42\x60\x82"),
        PictureKind::Gif => bytes.iter().rev().find(|byte| **byte != 0) == Some(&0x3B),
        PictureKind::Webp => {
            number(bytes, 4, u32::from_le_bytes).is_ok_and(|riff| bytes.len() as u64 >= u64::from(riff) + 8)
        }
        PictureKind::Avif => true,
    }
}

const PNG: &[u8] = b"\x89PNG\r\n\x1A\n";

/// The format by its signature.
///
/// SECURITY: neither name nor Content-Type counts, so that no SVG or HTML can pass as a picture.
fn kind_of(bytes: &[u8]) -> Result<PictureKind, SniffError> {
    for (signature, kind) in [
        (b"\xFF\xD8\xFF".as_slice(), PictureKind::Jpeg),
        (PNG, PictureKind::Png),
        (b"GIF87a", PictureKind::Gif),
        (b"GIF89a", PictureKind::Gif),
    ] {
        if bytes.starts_with(signature) {
            return Ok(kind);
        }
        if signature.starts_with(bytes) {
            return Err(Incomplete);
        }
    }
    if begins(bytes, 0, b"RIFF")? {
        return begins(bytes, 8, b"WEBP")?.then_some(PictureKind::Webp).ok_or(NotAPicture);
    }
    // The box begins with its length, which is small.
    if begins(bytes, 0, b"\0\0")? && begins(bytes, 4, b"ftyp")? && is_avif(bytes)? {
        return Ok(PictureKind::Avif);
    }
    Err(NotAPicture)
}

/// Whether `signature` stands at this place; `Incomplete` if the bytes so far agree with it.
fn begins(bytes: &[u8], at: usize, signature: &[u8]) -> Result<bool, SniffError> {
    let come = bytes.get(at..).unwrap_or(&[]);
    if come.len() < signature.len() && signature.starts_with(come) {
        return Err(Incomplete);
    }
    Ok(come.starts_with(signature))
}

/// Whether AVIF is among the brands of the `ftyp` box (ISO 14496-12 4.3), major or compatible.
fn is_avif(bytes: &[u8]) -> Result<bool, SniffError> {
    let size = number(bytes, 0, u32::from_be_bytes)? as usize;
    if !(16..=1024).contains(&size) || !size.is_multiple_of(4) {
        return Err(NotAPicture);
    }
    let is_brand = |brand: &[u8]| brand == b"avif" || brand == b"avis";
    let body = &bytes[8..size.min(bytes.len())];
    // The second word is the version of the major brand.
    let found = body.chunks_exact(4).enumerate().any(|(place, brand)| place != 1 && is_brand(brand));
    if !found && bytes.len() < size { Err(Incomplete) } else { Ok(found) }
}

type Dimensions = Result<(u32, u32), SniffError>;

/// Walks the segments to the first frame header (ITU T.81 B.2.2).
fn jpeg(bytes: &[u8]) -> Dimensions {
    let mut at = 2;
    loop {
        let marker = byte(bytes, at)?;
        if marker != 0xFF {
            return Err(NotAPicture);
        }
        match byte(bytes, at + 1)? {
            // Any number of fill bytes may stand before a marker's code (B.1.1.2).
            0xFF => at += 1,
            // Frame headers; C4, C8 and CC are other segments.
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                let height = number(bytes, at + 5, u16::from_be_bytes)?;
                let width = number(bytes, at + 7, u16::from_be_bytes)?;
                return Ok((width.into(), height.into()));
            }
            // Markers without a segment.
            0x01 | 0xD0..=0xD7 => at += 2,
            // A second start, the end or the picture's data before any frame header.
            0x00 | 0xD8..=0xDA => return Err(NotAPicture),
            _ => {
                let length = usize::from(number(bytes, at + 2, u16::from_be_bytes)?);
                if length < 2 {
                    return Err(NotAPicture);
                }
                at += 2 + length;
            }
        }
    }
}

/// IHDR is the first chunk (PNG 11.2.1); a dimension has 31 bits.
fn png(bytes: &[u8]) -> Dimensions {
    if !begins(bytes, 8, b"\0\0\0\x0DIHDR")? {
        return Err(NotAPicture);
    }
    let (width, height) = (number(bytes, 16, u32::from_be_bytes)?, number(bytes, 20, u32::from_be_bytes)?);
    if width.max(height) > i32::MAX as u32 { Err(NotAPicture) } else { Ok((width, height)) }
}

/// The logical screen (GIF89a 18).
fn gif(bytes: &[u8]) -> Dimensions {
    Ok((number(bytes, 6, u16::from_le_bytes)?.into(), number(bytes, 8, u16::from_le_bytes)?.into()))
}

/// The first chunk (RFC 9649 2.5 to 2.7).
fn webp(bytes: &[u8]) -> Dimensions {
    let [a, b, c, d] = read(bytes, 12)?;
    match &[a, b, c, d] {
        b"VP8X" => {
            let [w0, w1, w2, h0, h1, h2] = read(bytes, 24)?;
            Ok((u32::from_le_bytes([w0, w1, w2, 0]) + 1, u32::from_le_bytes([h0, h1, h2, 0]) + 1))
        }
        b"VP8L" if byte(bytes, 20)? == 0x2F => {
            let packed = number(bytes, 21, u32::from_le_bytes)?;
            Ok(((packed & 0x3FFF) + 1, ((packed >> 14) & 0x3FFF) + 1))
        }
        // RFC 6386 9.1: a key frame, its start code, and two bits of scale above each dimension.
        b"VP8 " if byte(bytes, 20)? & 1 == 0 && read(bytes, 23)? == [0x9D, 0x01, 0x2A] => {
            let dimension = |at| Ok(u32::from(number(bytes, at, u16::from_le_bytes)? & 0x3FFF));
            Ok((dimension(26)?, dimension(28)?))
        }
        _ => Err(NotAPicture),
    }
}

/// The largest `ispe` in `meta/iprp/ipco` (ISO 23008-12 6.5.3): an image of tiles has one for its tiles too. A rotation may
/// swap width and height; nothing here depends on which is which.
fn avif(bytes: &[u8]) -> Dimensions {
    let meta = boxed(bytes, b"meta", Incomplete)?;
    let iprp = boxed(meta.get(4..).ok_or(NotAPicture)?, b"iprp", NotAPicture)?;
    let mut properties = boxed(iprp, b"ipco", NotAPicture)?;
    let mut largest = None;
    while let Some((name, body, rest)) = next_box(properties)? {
        if name == *b"ispe" {
            let found = (number(body, 4, u32::from_be_bytes)?, number(body, 8, u32::from_be_bytes)?);
            let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
            largest = largest.max(Some((area(found), found)));
        }
        properties = rest;
    }
    largest.map(|(_, found)| found).ok_or(NotAPicture)
}

/// The body of the first box with this name.
fn boxed<'a>(mut bytes: &'a [u8], name: &[u8; 4], missing: SniffError) -> Result<&'a [u8], SniffError> {
    while let Some((found, body, rest)) = next_box(bytes)? {
        if found == *name {
            return Ok(body);
        }
        bytes = rest;
    }
    Err(missing)
}

type Part<'a> = ([u8; 4], &'a [u8], &'a [u8]);

/// Name, body and the bytes after it (ISO 14496-12 4.2); `None` at the end. A box that reaches to the end of the file or has
/// a 64-bit length never stands before the properties, so it is refused.
fn next_box(bytes: &[u8]) -> Result<Option<Part<'_>>, SniffError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let size = number(bytes, 0, u32::from_be_bytes)? as usize;
    let name = read(bytes, 4)?;
    if size < 8 {
        return Err(NotAPicture);
    }
    let (this, rest) = bytes.split_at_checked(size).ok_or(Incomplete)?;
    Ok(Some((name, &this[8..], rest)))
}

fn byte(bytes: &[u8], at: usize) -> Result<u8, SniffError> {
    bytes.get(at).copied().ok_or(Incomplete)
}

fn read<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], SniffError> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Incomplete)
}

fn number<const N: usize, T>(bytes: &[u8], at: usize, of: fn([u8; N]) -> T) -> Result<T, SniffError> {
    read(bytes, at).map(of)
}
