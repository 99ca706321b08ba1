//! [`Download`]: a picture while it arrives. Its bytes are hostile until type, dimensions and length have been checked.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use reqwest::header::LAST_MODIFIED;
use tokio::time::{Instant, timeout_at};

use super::error::FetchError;
use crate::model::{ImageHeader, ImagesConfig, SniffError, Timestamp, looks_complete, sniff};

/// Format and dimensions must stand within this many bytes. A JPEG has them after its metadata blocks, which are at most
/// 64 KiB each.
const HEADER_WITHIN: usize = 256 * 1024;

/// The limits on a download.
#[derive(Debug, Clone, Copy)]
pub(super) struct DownloadBounds {
    pub(super) max_bytes: u64,
    pub(super) images: ImagesConfig,
    pub(super) stream_above: u64,
    pub(super) deadline: Instant,
}

/// A picture whose first bytes have been read and checked.
#[derive(Debug)]
pub struct Download {
    header: ImageHeader,
    length: Option<u64>,
    last_modified: Option<Timestamp>,
    // Chunks that were read for the header and not yet returned.
    first: VecDeque<Bytes>,
    response: Response,
    counted: u64,
    bounds: DownloadBounds,
}

impl Download {
    /// Reads until format and dimensions are known.
    pub(super) async fn begin(response: Response, bounds: DownloadBounds) -> Result<Self, FetchError> {
        let length = response.content_length();
        if length.is_some_and(|length| length > bounds.max_bytes) {
            return Err(FetchError::TooLarge(bounds.max_bytes));
        }
        let last_modified = response.headers().get(LAST_MODIFIED).and_then(|value| {
            Some(Timestamp::from_system_time(httpdate::parse_http_date(value.to_str().ok()?).ok()?))
        });
        // A stand-in: `read_header` replaces it, or the download is dropped.
        let unread = ImageHeader { kind: crate::model::PictureKind::Jpeg, width: 0, height: 0 };
        let mut download = Self {
            header: unread,
            length,
            last_modified,
            first: VecDeque::new(),
            response,
            counted: 0,
            bounds,
        };
        download.header = download.read_header().await?;
        Ok(download)
    }

    async fn read_header(&mut self) -> Result<ImageHeader, FetchError> {
        let mut prefix = BytesMut::new();
        loop {
            let chunk = self.receive().await?;
            let ended = chunk.is_none();
            if let Some(chunk) = chunk {
                prefix.extend_from_slice(&chunk);
                self.first.push_back(chunk);
            }
            match sniff(&prefix, self.bounds.images) {
                Ok(header) => return Ok(header),
                Err(SniffError::Incomplete) if !ended && prefix.len() < HEADER_WITHIN => {}
                // The first bytes may be too few to recognise a format by; wait for more before giving up.
                Err(SniffError::NotAPicture) if !ended && prefix.len() < 16 => {}
                Err(error) => return Err(FetchError::NotAPicture(error)),
            }
        }
    }

    /// Format and dimensions, read from the first bytes.
    pub fn header(&self) -> ImageHeader {
        self.header
    }

    /// The declared length, in bytes.
    pub fn declared_length(&self) -> Option<u64> {
        self.length
    }

    /// The origin's `Last-Modified`, if it is a date.
    pub fn last_modified(&self) -> Option<Timestamp> {
        self.last_modified
    }

    /// Whether it is long enough (`origin.stream_above`) to be passed on while it arrives.
    pub fn streams(&self) -> bool {
        self.length.is_some_and(|length| length > self.bounds.stream_above)
    }

    /// The next bytes, beginning with the first of the picture; `None` at the end.
    ///
    /// # Errors
    /// More or fewer bytes arrive than were declared or are allowed, or the time limit passes.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        match self.first.pop_front() {
            Some(chunk) => Ok(Some(chunk)),
            None => self.receive().await,
        }
    }

    /// Reads the whole picture. A body without a declared length must also end the way its format ends: nothing else reveals one
    /// that was cut off.
    ///
    /// # Errors
    /// As [`Download::chunk`].
    pub async fn gather(mut self) -> Result<Bytes, FetchError> {
        let capacity = self.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let mut whole = BytesMut::with_capacity(capacity);
        while let Some(chunk) = self.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        if self.length.is_none() && !looks_complete(self.header.kind, &whole) {
            return Err(FetchError::Truncated);
        }
        Ok(whole.freeze())
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, FetchError> {
        let received = timeout_at(self.bounds.deadline, self.response.chunk()).await;
        let chunk =
            received.map_err(|_| FetchError::TimedOut)?.map_err(|error| match FetchError::of(&error) {
                // However the connection broke, the body is incomplete.
                FetchError::Connection(_) => FetchError::Truncated,
                other => other,
            })?;
        match &chunk {
            Some(chunk) => {
                self.counted += chunk.len() as u64;
                if self.counted > self.bounds.max_bytes {
                    return Err(FetchError::TooLarge(self.bounds.max_bytes));
                }
            }
            None if self.length.is_some_and(|length| length != self.counted) => {
                return Err(FetchError::Truncated);
            }
            None => {}
        }
        Ok(chunk)
    }
}

/// The time `span` from now.
pub(super) fn deadline(span: Duration) -> Instant {
    crate::clock::monotonic() + span
}
