//! The listeners: HTTP/1.1 by hand, so that every fault on the wire is exact.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::fault::Fault;
use crate::head::Head;
use crate::pictures::PictureFile;
use crate::wire::Wire;
use crate::{Host, World, cdn, endpoint, graph, telegram};

/// An answer before any fault.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![("Content-Type", content_type.to_owned())], body: body.into() }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json; charset=UTF-8", body.to_string())
    }

    /// Why the CDN refuses, in its own words.
    pub(crate) fn text(status: u16, body: &'static str) -> Self {
        Self::new(status, "text/plain", body)
    }

    /// As the CDNs send it: no ETag, and a `max-age` that outlives the signature.
    pub(crate) fn picture(picture: &PictureFile, same_origin: bool) -> Self {
        let mut answer = Self::new(200, picture.content_type(), picture.bytes.clone());
        let corp = if same_origin { "same-origin" } else { "cross-origin" };
        for (name, value) in [
            ("Last-Modified", "Wed, 24 Dec 2025 10:00:00 GMT"),
            ("Cross-Origin-Resource-Policy", corp),
            ("Access-Control-Allow-Origin", "*"),
            ("Timing-Allow-Origin", "*"),
            ("Cache-Control", "max-age=1209600, no-transform"),
            ("Accept-Ranges", "bytes"),
        ] {
            answer.headers.push((name, value.to_owned()));
        }
        answer
    }

    pub(crate) fn replace(&mut self, name: &'static str, value: &str) {
        self.headers.retain(|(held, _)| *held != name);
        self.headers.push((name, value.to_owned()));
    }

    fn head(&self, length: Option<usize>) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\nConnection: close\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match length {
            Some(length) => head.push_str(&format!("Content-Length: {length}\r\n\r\n")),
            None => head.push_str("Transfer-Encoding: chunked\r\n\r\n"),
        }
        head
    }
}

/// What stands behind a status; browsers show it to people.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Other",
    }
}

/// A port that accepts, or one that is kept but refuses: bound, not listening.
enum Door {
    Open(TcpListener),
    Shut(TcpSocket),
}

impl Door {
    async fn accept(&self) -> std::io::Result<TcpStream> {
        match self {
            Self::Open(listener) => listener.accept().await.map(|(stream, _)| stream),
            Self::Shut(_) => std::future::pending().await,
        }
    }

    fn set(self, shut: bool) -> Self {
        match self {
            Self::Open(listener) if shut => {
                let address = listener.local_addr().unwrap();
                drop(listener);
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_reuseaddr(true).unwrap();
                socket.bind(address).unwrap();
                Self::Shut(socket)
            }
            Self::Shut(socket) if !shut => Self::Open(socket.listen(1024).unwrap()),
            Self::Open(_) | Self::Shut(_) => self,
        }
    }
}

/// Accepts until it is aborted.
pub(crate) async fn listen(listener: TcpListener, host: Host, world: Arc<World>) {
    let mut shut = world.shut[host as usize].subscribe();
    let mut door = Door::Open(listener).set(*shut.borrow_and_update());
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = door.accept() => if let Ok(stream) = accepted {
                connections.spawn(serve(stream, host, world.clone()));
            },
            _ = shut.changed() => door = door.set(*shut.borrow_and_update()),
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut stream: TcpStream, host: Host, world: Arc<World>) {
    let Some(head) = Head::read(&mut stream).await else { return };
    world.remember_head(&head.raw);
    let (id, is_file, answer) = match host {
        Host::Instagram | Host::Facebook => {
            let (id, answer) = graph::answer(&world, host, &head);
            (id, false, answer)
        }
        Host::Telegram => telegram::answer(&world, &head),
        Host::Cdn => {
            let (id, answer) = cdn::answer(&world, &head);
            (id, true, answer)
        }
        Host::Other => (None, false, endpoint::answer(&world, &head)),
    };
    let asked = format!("{} {}", head.method(), head.path());
    // An API of another provider has no accounts here: its requests are counted by their path.
    let path = (host == Host::Other).then(|| head.path());
    let under_way = id.as_deref().or(path).map(|id| world.enter(id, &asked));
    if let Some(id) = id.as_deref().filter(|_| !is_file) {
        world.remember_call(id, answer.status);
    }
    let faults = if is_file { &world.cdn_faults } else { &world.api_faults };
    let fault = faults.take(id.as_deref());
    let (mut wire, gone) = Wire::new(&mut stream, under_way);
    let answered = async {
        match fault {
            None => send(&mut wire, &answer).await,
            Some(fault) => misbehave(&mut wire, fault, answer, &head).await,
        }
    };
    // The client may have gone; that is its own affair, and its request is over then.
    tokio::select! {
        _ = answered => {}
        () = gone => {}
    }
}

pub(crate) async fn send(wire: &mut Wire<'_>, answer: &Answer) -> std::io::Result<()> {
    let mut bytes = answer.head(Some(answer.body.len())).into_bytes();
    bytes.extend_from_slice(&answer.body);
    wire.end(&bytes).await
}

async fn misbehave(wire: &mut Wire<'_>, fault: Fault, answer: Answer, head: &Head) -> std::io::Result<()> {
    let half = answer.body.len() / 2;
    match fault {
        Fault::Latency(span) => {
            tokio::time::sleep(span).await;
            send(wire, &answer).await
        }
        Fault::Hang => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok(())
        }
        Fault::Reset => wire.reset(),
        Fault::Close => Ok(()),
        Fault::Status { status, content_type, body } => {
            send(wire, &Answer::new(status, content_type, body)).await
        }
        Fault::GraphError { status, code, subcode, message } => {
            send(wire, &graph::error(status, code, subcode, &message)).await
        }
        Fault::Throttled { code, minutes } => send(wire, &graph::throttled(code, minutes)).await,
        Fault::Headers(headers) => {
            let mut answer = answer;
            answer.headers.extend(headers);
            send(wire, &answer).await
        }
        Fault::TooManyRequests { retry_after } => send(wire, &telegram::too_many(retry_after)).await,
        Fault::Html => {
            let page = "<!DOCTYPE html><html><body>Sorry, something went wrong.</body></html>";
            send(wire, &Answer::new(200, "text/html", page)).await
        }
        Fault::Empty => send(wire, &Answer::new(200, "image/jpeg", "")).await,
        Fault::Truncated => {
            wire.write(answer.head(Some(answer.body.len())).as_bytes()).await?;
            wire.end(&answer.body[..half]).await
        }
        Fault::WrongLength => {
            wire.write(answer.head(Some(answer.body.len() + 10)).as_bytes()).await?;
            wire.end(&answer.body).await
        }
        Fault::TooLarge { bytes, declared } => endless(wire, &answer, bytes, declared).await,
        Fault::TextAsJpeg => send(wire, &Answer::new(200, "image/jpeg", "URL signature expired")).await,
        Fault::Svg => {
            let svg = r#"<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"#;
            send(wire, &Answer::new(200, "image/svg+xml", svg)).await
        }
        Fault::RedirectTo(location) => redirect(wire, location).await,
        Fault::RedirectLoop => redirect(wire, head.target().to_owned()).await,
        Fault::Slow { chunk, pause } => {
            wire.write(answer.head(Some(answer.body.len())).as_bytes()).await?;
            let last = answer.body.len().saturating_sub(1) / chunk * chunk;
            for piece in answer.body[..last].chunks(chunk) {
                wire.write(piece).await?;
                tokio::time::sleep(pause).await;
            }
            wire.end(&answer.body[last..]).await
        }
    }
}

async fn redirect(wire: &mut Wire<'_>, location: String) -> std::io::Result<()> {
    let mut answer = Answer::new(302, "text/html", "");
    answer.headers.push(("Location", location));
    send(wire, &answer).await
}

/// A good beginning and then zeros.
async fn endless(wire: &mut Wire<'_>, answer: &Answer, bytes: usize, declared: bool) -> std::io::Result<()> {
    let mut body = answer.body.to_vec();
    body.resize(bytes.max(body.len()), 0);
    wire.write(answer.head(declared.then_some(body.len())).as_bytes()).await?;
    if declared {
        return wire.write(&body).await;
    }
    for piece in body.chunks(64 * 1024) {
        wire.write(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
        wire.write(piece).await?;
        wire.write(b"\r\n").await?;
    }
    wire.write(b"0\r\n\r\n").await
}
