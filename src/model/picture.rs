//! [`Picture`]: checked bytes and their properties.

use std::fmt;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{Identity, ImageHeader, Timestamp};

/// A strong entity tag (RFC 9110 8.8.3): the first 16 bytes of the SHA-256 of the picture's bytes, in hex and quotes.
///
/// Shared bytes, so that a header needs no copy.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ETag(Bytes);

impl ETag {
    /// The tag of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let hash = Sha256::digest(bytes);
        Self(format!("\"{}\"", hex::encode(&hash[..16])).into())
    }

    /// The tag with its quotes, as in the header.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The same as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A complete, checked picture.
#[derive(Clone)]
pub struct Picture {
    /// The whole file.
    pub bytes: Bytes,
    /// Format and dimensions, read from the bytes.
    pub header: ImageHeader,
    /// The hash of the bytes.
    pub etag: ETag,
    /// Which picture it is at the provider.
    pub identity: Identity,
    /// The origin's `Last-Modified` if it was valid and not in the future, else the time when these bytes were first stored.
    pub last_modified: Timestamp,
    /// The same as an HTTP date (RFC 9110 5.6.7), formatted once.
    pub last_modified_date: Bytes,
}

/// A picture in one size and format, as an answer carries it. A clone copies no bytes.
#[derive(Debug, Clone)]
pub struct Representation {
    /// The whole file.
    pub bytes: Bytes,
    /// The hash of the bytes.
    pub etag: ETag,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// As [`Picture::last_modified`].
    pub last_modified: Timestamp,
    /// The same as an HTTP date.
    pub last_modified_date: Bytes,
}

impl Picture {
    /// The picture as the provider has it.
    pub fn original(&self) -> Representation {
        Representation {
            bytes: self.bytes.clone(),
            etag: self.etag.clone(),
            content_type: self.header.kind.content_type(),
            width: self.header.width,
            height: self.header.height,
            last_modified: self.last_modified,
            last_modified_date: self.last_modified_date.clone(),
        }
    }

    /// A picture from bytes whose header has been read.
    pub fn new(bytes: Bytes, header: ImageHeader, identity: Identity, last_modified: Timestamp) -> Self {
        let last_modified_date = http_date(last_modified);
        Self { etag: ETag::of(&bytes), bytes, header, identity, last_modified, last_modified_date }
    }

    /// The same bytes with another identity and date.
    pub fn renamed(self, identity: Identity, last_modified: Timestamp) -> Self {
        Self { identity, last_modified, last_modified_date: http_date(last_modified), ..self }
    }
}

fn http_date(at: Timestamp) -> Bytes {
    httpdate::fmt_http_date(at.to_system_time()).into()
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ImageHeader { kind, width, height } = self.header;
        write!(f, "{} {width}x{height}, {} bytes, {:?}", kind.extension(), self.bytes.len(), self.etag)
    }
}
