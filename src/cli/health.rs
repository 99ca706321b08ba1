//! `health`: asks the running server for `/healthz`, for a container's HEALTHCHECK.
//!
//! It reads one key of the configuration and needs no other program: the image contains no shell and no curl.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};

use super::CommandFailure;
use crate::config::Layers;

/// For the connection, the request and the answer together.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// The length of `HTTP/1.1 200`.
const STATUS_LENGTH: usize = 12;

/// Succeeds if `/healthz` on `server.listen` answers 200 within two seconds.
pub(super) fn health(layers: &Layers) -> Result<(), CommandFailure> {
    let listen = layers.text("server.listen").unwrap_or_default().to_owned();
    Ok(within(HEALTH_TIMEOUT, move || ask(&listen))?)
}

/// Uses a thread, since neither a name's lookup nor the connection to a Unix socket takes a timeout.
fn within(
    deadline: Duration,
    work: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<()> {
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(deadline).unwrap_or_else(|_| Err(anyhow!("no answer within {deadline:?}")))
}

fn ask(listen: &str) -> anyhow::Result<()> {
    let status = match listen.strip_prefix("unix:") {
        Some(path) => {
            status(UnixStream::connect(path).with_context(|| format!("cannot connect to {path}"))?)?
        }
        None => status(connect(listen)?)?,
    };
    match status.as_str() {
        "200" => Ok(()),
        status => bail!("{listen} answered {status}"),
    }
}

fn connect(listen: &str) -> anyhow::Result<TcpStream> {
    let address = listen.to_socket_addrs().ok().and_then(|mut found| found.next());
    let address = reachable(address.with_context(|| format!("{listen} is no address"))?);
    TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))
}

/// The address to connect to: the loopback address for a server that listens on every address.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn status(mut stream: impl Read + Write) -> anyhow::Result<String> {
    stream.write_all(REQUEST).context("cannot ask")?;
    let mut line = [0; STATUS_LENGTH];
    stream.read_exact(&mut line).context("no answer")?;
    let line = std::str::from_utf8(&line).ok().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    Ok(line.context("the answer is not HTTP/1.1")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    /// Answers one connection and returns the request.
    fn answer_once(
        mut stream: impl Read + Write + Send + 'static,
        answer: &'static [u8],
    ) -> std::thread::JoinHandle<Vec<u8>> {
        std::thread::spawn(move || {
            let mut asked = vec![0; REQUEST.len()];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(answer).unwrap();
            asked
        })
    }

    fn tcp(answer: &'static [u8]) -> anyhow::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || answer_once(listener.accept().unwrap().0, answer).join());
        let result = within(HEALTH_TIMEOUT, move || ask(&format!("0.0.0.0:{port}")));
        assert_eq!(server.join().unwrap().unwrap(), REQUEST);
        result
    }

    #[test]
    fn only_200_is_healthy() {
        tcp(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        assert!(
            tcp(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
                .unwrap_err()
                .to_string()
                .ends_with("answered 503")
        );
        assert_eq!(tcp(b"SSH-2.0-OpenSSH_9").unwrap_err().to_string(), "the answer is not HTTP/1.1");
        assert_eq!(tcp(b"HTTP").unwrap_err().to_string(), "no answer");
    }

    #[test]
    fn a_unix_socket_is_asked_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            answer_once(listener.accept().unwrap().0, b"HTTP/1.1 200 OK\r\n\r\n").join().unwrap()
        });
        ask(&format!("unix:{}", path.display())).unwrap();
        assert_eq!(server.join().unwrap(), REQUEST);
    }

    #[test]
    fn a_closed_port_and_a_server_that_does_not_answer_are_failures() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let silent = address.clone();
        let error = within(Duration::from_millis(50), move || ask(&silent)).unwrap_err();
        assert_eq!(error.to_string(), "no answer within 50ms");
        drop(listener);
        assert!(ask(&address).is_err());
        assert!(ask("unix:/no/such/socket").is_err());
        assert!(ask("nonsense").is_err());
    }

    #[test]
    fn a_server_that_listens_on_every_address_is_asked_on_loopback() {
        for (listen, asked) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("192.0.2.1:1", "192.0.2.1:1")]
        {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
