//! [`Filling`]: a picture on its way in, read by all who wait for it while it grows.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::watch;

use crate::model::{Generation, ImageHeader, Provider};

/// The origin broke off, or sent other than it declared. What was sent so far must not end cleanly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the origin broke off")]
pub struct Broken;

/// A buffer that grows to a declared length. Bounded by `origin.max_bytes`, which was checked before.
#[derive(Debug)]
pub struct Filling {
    /// Format and dimensions, read out of the first bytes.
    pub header: ImageHeader,
    /// The declared length, in bytes.
    pub length: u64,
    /// Whose picture, for its tags.
    pub provider: Provider,
    /// When its refresh began: it may have been purged since.
    pub(super) generation: Generation,
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

impl Filling {
    /// An empty buffer.
    pub(super) fn new(header: ImageHeader, length: u64, provider: Provider, generation: Generation) -> Self {
        let (progress, _) = watch::channel(Progress::Growing(0));
        Self { header, length, provider, generation, chunks: Mutex::default(), progress }
    }

    /// Adds what has come in and wakes the readers.
    pub(super) fn push(&self, chunk: Bytes) {
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
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
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner).get(index).cloned()
    }

    /// Reads it from its start, however far it has grown.
    pub fn read(self: Arc<Self>) -> impl Stream<Item = Result<Bytes, Broken>> + Send + 'static {
        let progress = self.progress.subscribe();
        futures_util::stream::unfold(Some((self, progress, 0)), |reader| async move {
            let (filling, mut progress, index) = reader?;
            loop {
                let seen = *progress.borrow_and_update();
                match seen {
                    Progress::Growing(count) | Progress::Complete(count) if index < count => {
                        let chunk = filling.chunk(index)?;
                        return Some((Ok(chunk), Some((filling, progress, index + 1))));
                    }
                    Progress::Complete(_) => return None,
                    Progress::Broken => return Some((Err(Broken), None)),
                    Progress::Growing(_) => {
                        if progress.changed().await.is_err() {
                            return Some((Err(Broken), None));
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

    fn filling() -> Arc<Filling> {
        let header = ImageHeader { kind: PictureKind::Png, width: 1, height: 1 };
        Arc::new(Filling::new(header, 6, Provider::Facebook, Generation::default()))
    }

    #[tokio::test]
    async fn every_reader_gets_every_byte_whenever_it_begins() {
        let filling = filling();
        let reader = filling.clone().read();
        filling.push(Bytes::from_static(b"abc"));
        filling.push(Bytes::from_static(b"def"));
        filling.end(true);
        for reader in [reader.left_stream(), filling.read().right_stream()] {
            let chunks: Vec<_> = reader.collect().await;
            assert_eq!(chunks, [Ok(Bytes::from_static(b"abc")), Ok(Bytes::from_static(b"def"))]);
        }
    }

    #[tokio::test]
    async fn a_broken_one_never_ends_cleanly() {
        let filling = filling();
        filling.push(Bytes::from_static(b"abc"));
        filling.end(false);
        filling.end(true);
        let chunks: Vec<_> = filling.read().collect().await;
        assert_eq!(chunks, [Err(Broken)]);
    }
}
