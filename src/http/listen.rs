//! [`ListenAddress`] and [`Listener`]: where clients connect.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};

use super::ListenError;
use super::io::Socket;

/// Connections that the kernel queues while no more are accepted.
const BACKLOG: u32 = 1024;

/// The kernel's send buffer of one connection, in bytes.
///
/// Without a limit it grows to megabytes for a client that does not read, and the kernel reports room only when a third of it
/// is free again: a slow but honest reader would look dead for minutes. Linux doubles the figure for its bookkeeping.
const SEND_BUFFER: u32 = 256 << 10;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and a port; for port 0 the system chooses one.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// A bound socket. Dropping it removes the file of a Unix socket.
#[derive(Debug)]
pub struct Listener(Bound);

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketFile),
}

/// Removes the file when the listener ends, so that the next start can bind the path.
#[derive(Debug)]
struct SocketFile(PathBuf);

/// The client's address, an extension of each request; `None` behind a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub Option<SocketAddr>);

impl ListenAddress {
    /// Reads `IP:port` or `unix:/absolute/path`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Some(Self::Unix(path.into())),
            Some(_) => None,
            None => text.parse().ok().map(Self::Tcp),
        }
    }

    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listener {
    /// Binds the address. The socket file of a process that died is replaced; one that accepts connections is not.
    ///
    /// # Errors
    /// The address is in use, the path is no socket, or the system refuses.
    pub async fn bind(address: &ListenAddress) -> Result<Self, ListenError> {
        let bound = match address {
            ListenAddress::Tcp(tcp) => bind_tcp(*tcp).map_err(|error| match error.kind() {
                io::ErrorKind::AddrInUse => ListenError::InUse(address.to_string()),
                _ => ListenError::Io(address.to_string(), error),
            })?,
            ListenAddress::Unix(path) => {
                clear_stale(path, address).await?;
                let listener =
                    UnixListener::bind(path).map_err(|error| ListenError::Io(address.to_string(), error))?;
                Bound::Unix(listener, SocketFile(path.clone()))
            }
        };
        Ok(Self(bound))
    }

    /// The actual address: port 0 is replaced by the port that the system chose.
    pub fn local_address(&self) -> ListenAddress {
        match &self.0 {
            Bound::Tcp(_, address) => ListenAddress::Tcp(*address),
            Bound::Unix(_, file) => ListenAddress::Unix(file.0.clone()),
        }
    }

    pub(super) async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match &self.0 {
            Bound::Tcp(listener, _) => {
                let (stream, peer) = listener.accept().await?;
                // Each answer is written as a whole, so waiting for more bytes to fill a segment would only delay it.
                stream.set_nodelay(true)?;
                Ok((Socket::Tcp(stream), Peer(Some(peer))))
            }
            Bound::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), Peer(None)))
            }
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Bound> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Without it a restart fails while old connections are in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let local = listener.local_addr()?;
    Ok(Bound::Tcp(listener, local))
}

async fn clear_stale(path: &Path, address: &ListenAddress) -> Result<(), ListenError> {
    let failed = |error| ListenError::Io(address.to_string(), error);
    match tokio::fs::symlink_metadata(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ListenError::NotASocket(address.to_string()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tokio::fs::remove_file(path).await.map_err(failed)
        }
        // EAGAIN means that its backlog is full: a process owns it, too.
        Ok(_) | Err(_) => Err(ListenError::InUse(address.to_string())),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "could not remove the socket's file");
        }
    }
}
