//! [`Body`]: the body of an answer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// The longest piece handed to hyper at once, in bytes. hyper takes the next piece of an HTTP/2 body only when the client
/// has opened its window, so a client that stopped reading is noticed to within one piece.
const MAX_PIECE: usize = 32 << 10;

/// Bytes that arrive one after the other.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// The body of an answer. Its length is always known beforehand.
pub enum Body {
    /// Nothing.
    Empty,
    /// The whole body is in memory.
    Full(Bytes),
    /// The body is still coming in.
    Stream {
        /// Bytes that the client has not been given yet.
        left: u64,
        /// The source of these bytes.
        stream: ByteStream,
    },
}

/// Why a body broke off. HTTP/1.1 then closes the connection early and HTTP/2 resets the stream, so that a client never takes
/// a part for the whole (RFC 9112 8, RFC 9113 8.1.1).
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The stream ended before its declared length.
    #[error("the body ended {0} bytes early")]
    Short(u64),
    /// The stream went on beyond its declared length; the surplus is not sent.
    #[error("the body is longer than declared")]
    Long,
    /// The source failed. The cause is logged, so it must contain no address and no secret.
    #[error("the body's source failed")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Body {
    /// No bytes.
    pub const fn empty() -> Self {
        Self::Empty
    }

    /// These bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }

    /// A body of exactly `length` bytes, read from `stream`.
    pub fn stream(length: u64, stream: ByteStream) -> Self {
        Self::Stream { left: length, stream }
    }

    /// How many bytes are still to come.
    pub fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Full(bytes) => bytes.len() as u64,
            Self::Stream { left, .. } => *left,
        }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(Some(Ok(bytes.split_to(bytes.len().min(MAX_PIECE))))),
            Self::Stream { left: 0, .. } => Poll::Ready(None),
            Self::Stream { left, stream } => stream.as_mut().poll_next(cx).map(|next| match next {
                None => Some(Err(BodyError::Short(*left))),
                Some(Err(error)) => Some(Err(error)),
                Some(Ok(bytes)) => Some(count(left, bytes)),
            }),
        }
    }
}

fn count(left: &mut u64, bytes: Bytes) -> Result<Bytes, BodyError> {
    *left = left.checked_sub(bytes.len() as u64).ok_or(BodyError::Long)?;
    Ok(bytes)
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let piece = this.poll_piece(cx);
        // A broken body stays broken, and its source is dropped at once.
        if let Poll::Ready(Some(Err(_))) = piece {
            *this = Self::Empty;
        }
        piece.map(|next| next.map(|result| result.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream { left, .. } => write!(f, "Stream({left} bytes left)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::BodyExt;

    use super::*;

    fn pieces(length: u64, parts: &[&'static str]) -> Body {
        let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect();
        Body::stream(length, Box::pin(stream::iter(parts)))
    }

    #[tokio::test]
    async fn a_stream_of_the_declared_length_is_passed_on() {
        let body = pieces(6, &["abc", "", "def"]);
        assert_eq!(body.size_hint().exact(), Some(6));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abcdef");
    }

    #[tokio::test]
    async fn a_stream_that_ends_early_is_an_error() {
        let error = pieces(7, &["abc", "def"]).collect().await.unwrap_err();
        assert!(matches!(error, BodyError::Short(1)), "{error:?}");
    }

    #[tokio::test]
    async fn a_stream_that_goes_on_is_an_error_and_the_rest_is_not_sent() {
        let mut body = pieces(5, &["abc", "def"]);
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
        assert!(matches!(body.frame().await.unwrap(), Err(BodyError::Long)));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_long_body_leaves_in_pieces_and_complete() {
        let bytes: Bytes = (0..100_000u32).map(|n| n as u8).collect::<Vec<_>>().into();
        let mut body = Body::full(bytes.clone());
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first.len(), MAX_PIECE);
        let rest = body.collect().await.unwrap().to_bytes();
        assert_eq!([first, rest].concat(), bytes);
    }
}
