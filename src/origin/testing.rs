//! A peer on raw sockets: it records requests byte for byte and sends scripted answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{BaseUrl, HostList, Origin, OriginConfig};
use crate::model::ImagesConfig;

/// What happens after the head of a request.
pub(super) enum RawAnswer {
    /// These bytes, then the connection closes.
    Say(Vec<u8>),
    /// These bytes, then silence.
    SayAndHang(Vec<u8>),
    /// The connection is reset.
    Reset,
}

pub(super) struct RawPeer {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    /// The file with its root certificate, if it speaks TLS.
    pub(super) ca: Option<tempfile::NamedTempFile>,
}

impl RawPeer {
    /// `answer` gets the path and query of each request.
    pub(super) fn plain(answer: impl Fn(&str) -> RawAnswer + Send + Sync + 'static) -> Self {
        Self::start(None, None, answer)
    }

    pub(super) fn tls(answer: impl Fn(&str) -> RawAnswer + Send + Sync + 'static) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let mut ca = tempfile::NamedTempFile::new().unwrap();
        ca.write_all(made.cert.pem().as_bytes()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self::start(Some(Arc::new(config)), Some(ca), answer)
    }

    fn start(
        tls: Option<Arc<rustls::ServerConfig>>,
        ca: Option<tempfile::NamedTempFile>,
        answer: impl Fn(&str) -> RawAnswer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (recorded, answer) = (requests.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (recorded, answer, tls) = (recorded.clone(), answer.clone(), tls.clone());
                std::thread::spawn(move || {
                    let stream = stream.unwrap();
                    match tls {
                        None => serve(stream, &recorded, &*answer),
                        Some(config) => {
                            let session = rustls::ServerConnection::new(config).unwrap();
                            serve(rustls::StreamOwned::new(session, stream), &recorded, &*answer);
                        }
                    }
                });
            }
        });
        Self { address, requests, ca }
    }

    /// An address on this peer.
    pub(super) fn at(&self, path_and_query: &str) -> String {
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path_and_query}", self.address)
    }

    pub(super) fn base(&self) -> BaseUrl {
        BaseUrl::parse(&self.at("")).unwrap()
    }

    /// The heads of all requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The request lines of all requests so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.requests().iter().map(|head| head.lines().next().unwrap_or("").to_owned()).collect()
    }
}

trait Wire: Read + Write {
    fn socket(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for rustls::StreamOwned<rustls::ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

fn serve(mut wire: impl Wire, recorded: &Mutex<Vec<String>>, answer: &dyn Fn(&str) -> RawAnswer) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match wire.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            // The client does not trust this peer, or has left.
            Ok(_) | Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    recorded.lock().unwrap().push(head);
    match answer(&target) {
        // A client that has read enough may close first.
        RawAnswer::Say(bytes) => drop(wire.write_all(&bytes)),
        RawAnswer::SayAndHang(bytes) => {
            drop(wire.write_all(&bytes));
            std::thread::sleep(Duration::from_secs(3));
        }
        RawAnswer::Reset => reset_on_close(wire.socket()),
    }
}

/// The standard library cannot reset a connection; tokio's socket can, and shares the descriptor.
fn reset_on_close(socket: &TcpStream) {
    let socket = tokio::net::TcpSocket::from_std_stream(socket.try_clone().unwrap());
    socket.set_zero_linger().unwrap();
}

/// A whole reply with its declared length.
pub(super) fn reply(status: &str, headers: &str, body: &[u8]) -> RawAnswer {
    RawAnswer::Say(head(status, &format!("{headers}Content-Length: {}\r\n", body.len()), body))
}

/// A head of these lines, and the bytes after it.
pub(super) fn head(status: &str, headers: &str, rest: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n").into_bytes();
    bytes.extend_from_slice(rest);
    bytes
}

/// A PNG of `length` bytes, by its signature, header and end.
pub(super) fn png(width: u32, height: u32, length: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR".to_vec();
    bytes.extend_from_slice(&width.to_be_bytes());
    bytes.extend_from_slice(&height.to_be_bytes());
    bytes.extend_from_slice(&[8, 2, 0, 0, 0, 0, 0, 0, 0]);
    bytes.resize(length - 12, 0x55);
    bytes.extend_from_slice(b"\0\0\0\0IEND\xAE\x42\x60\x82");
    bytes
}

/// Short times, 64 KiB, three redirects; plain HTTP to 127.0.0.1 is allowed.
pub(super) fn config() -> OriginConfig {
    OriginConfig {
        ca: None,
        connect_timeout: Duration::from_millis(500),
        timeout: Duration::from_millis(700),
        max_bytes: 64 * 1024,
        max_redirects: 3,
        stream_above: 4096,
        allow_http: true,
        allow_private: vec!["127.0.0.0/8".parse().unwrap()],
    }
}

/// Pictures of a million pixels are taken.
pub(super) const IMAGES: ImagesConfig = ImagesConfig { max_pixels: 1_000_000 };

pub(super) fn origin(config: OriginConfig, trusted_bases: &[BaseUrl]) -> Origin {
    Origin::new(config, IMAGES, trusted_bases).unwrap()
}

pub(super) fn hosts(hosts: &[&str]) -> HostList {
    HostList::parse(&hosts.iter().map(|&host| host.to_owned()).collect::<Vec<_>>()).unwrap()
}
