//! [`Wire`]: where an answer is written, and until when its request counts as under way.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::WriteHalf;

use crate::crowd::UnderWay;

/// A socket takes so many bytes at once. With them its request is over: the client's next one may come before this task
/// is run again, and is not at the same time.
const LAST: usize = 16 * 1024;

/// The way back to a client.
pub(crate) struct Wire<'a> {
    stream: WriteHalf<'a>,
    under_way: Option<UnderWay<'a>>,
}

impl<'a> Wire<'a> {
    /// The way back, and what ends when the client has gone.
    pub(crate) fn new(
        stream: &'a mut TcpStream,
        under_way: Option<UnderWay<'a>>,
    ) -> (Self, impl Future<Output = ()> + use<'a>) {
        let (mut read, stream) = stream.split();
        let gone = async move {
            let mut more = [0; 1024];
            while read.read(&mut more).await.is_ok_and(|length| length > 0) {}
        };
        (Self { stream, under_way }, gone)
    }

    /// A part of the answer that is not its last.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The last part, and the end of the connection.
    pub(crate) async fn end(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let (most, last) = bytes.split_at(bytes.len().saturating_sub(LAST));
        self.write(most).await?;
        self.under_way = None;
        self.write(last).await?;
        self.stream.shutdown().await
    }

    /// Has the connection reset when it is dropped.
    pub(crate) fn reset(&self) -> std::io::Result<()> {
        socket2::SockRef::from(self.stream.as_ref()).set_linger(Some(Duration::ZERO))
    }
}
