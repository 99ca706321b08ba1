//! [`StreamBuffer`]: a picture that is being downloaded, read by its waiters while it grows.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::model::{Generation, ImageHeader, Provider};

/// The origin broke off, or sent something else than it declared. An answer that was begun must not end cleanly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the origin broke off")]
pub struct StreamBroken;

/// A buffer that grows to a declared length, which was checked against `origin.max_bytes` before.
#[derive(Debug)]
pub struct StreamBuffer {
    /// Format and dimensions, read from the first bytes.
    pub header: ImageHeader,
    /// The declared length, in bytes.
    pub length: u64,
    /// Whose picture, for its tags.
    pub provider: Provider,
    /// The generation in which its refresh began: the avatar may have been purged since.
    pub(in crate::avatar) generation: Generation,
    // A plain mutex: held to push or to clone one chunk, never across an await.
    chunks: Mutex<Vec<Bytes>>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Growing(usize),
    Complete(usize),
    Broken,
}

impl StreamBuffer {
    /// An empty buffer.
    pub(super) fn new(header: ImageHeader, length: u64, provider: Provider, generation: Generation) -> Self {
        let (progress, _) = watch::channel(Progress::Growing(0));
        Self { header, length, provider, generation, chunks: Mutex::default(), progress }
    }

    /// Adds a chunk and wakes the readers.
    pub(super) fn push(&self, chunk: Bytes) {
        let mut chunks = self.chunks.lock();
        chunks.push(chunk);
        let count = chunks.len();
        drop(chunks);
        self.progress.send_replace(Progress::Growing(count));
    }

    /// Ends it: complete, or broken off.
    pub(super) fn end(&self, complete: bool) {
        self.progress.send_modify(|progress| {
            *progress = match *progress {
                Progress::Growing(count) if complete => Progress::Complete(count),
                Progress::Growing(_) => Progress::Broken,
                ended @ (Progress::Complete(_) | Progress::Broken) => ended,
            };
        });
    }

    fn chunk(&self, index: usize) -> Option<Bytes> {
        self.chunks.lock().get(index).cloned()
    }

    /// Reads it from its start, however far it has grown.
    pub fn read(self: Arc<Self>) -> impl Stream<Item = Result<Bytes, StreamBroken>> + Send + 'static {
        let progress = self.progress.subscribe();
        futures_util::stream::unfold(Some((self, progress, 0)), |reader| async move {
            let (buffer, mut progress, index) = reader?;
            loop {
                let seen = *progress.borrow_and_update();
                match seen {
                    Progress::Growing(count) | Progress::Complete(count) if index < count => {
                        let chunk = buffer.chunk(index)?;
                        return Some((Ok(chunk), Some((buffer, progress, index + 1))));
                    }
                    Progress::Complete(_) => return None,
                    Progress::Broken => return Some((Err(StreamBroken), None)),
                    Progress::Growing(_) => {
                        if progress.changed().await.is_err() {
                            return Some((Err(StreamBroken), None));
                        }
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;
    use crate::model::PictureKind;

    fn buffer() -> Arc<StreamBuffer> {
        let header = ImageHeader { kind: PictureKind::Png, width: 1, height: 1 };
        Arc::new(StreamBuffer::new(header, 6, Provider::Facebook, Generation::default()))
    }

    #[tokio::test]
    async fn every_reader_gets_every_byte_whenever_it_begins() {
        let buffer = buffer();
        let reader = buffer.clone().read();
        buffer.push(Bytes::from_static(b"abc"));
        buffer.push(Bytes::from_static(b"def"));
        buffer.end(true);
        for reader in [reader.left_stream(), buffer.read().right_stream()] {
            let chunks: Vec<_> = reader.collect().await;
            assert_eq!(chunks, [Ok(Bytes::from_static(b"abc")), Ok(Bytes::from_static(b"def"))]);
        }
    }

    #[tokio::test]
    async fn a_broken_stream_never_ends_cleanly() {
        let buffer = buffer();
        buffer.push(Bytes::from_static(b"abc"));
        buffer.end(false);
        buffer.end(true);
        let chunks: Vec<_> = buffer.read().collect().await;
        assert_eq!(chunks, [Err(StreamBroken)]);
    }
}
