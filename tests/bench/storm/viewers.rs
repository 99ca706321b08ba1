//! [`look`]: viewers who come at their times, whether or not those before them have been answered.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use avatar_proxy::clock::{Clock, Stopwatch, Timestamp};

use crate::world::{World, id};

/// Connections that stay open, a thread each. One that waits for an answer is late for its next view, and that counts.
const CONNECTIONS: usize = 32;
/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer that comes so soon is taken without having slept: to be woken takes longer than a hit.
const AWAKE: Duration = Duration::from_millis(2);

/// One view.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) avatar: u32,
    /// When it was sent.
    pub(crate) at: Timestamp,
    /// From its first byte to the last one of its answer; where the answer before came too late for it, from the time at
    /// which it was meant to be sent.
    pub(crate) took: Duration,
    /// Answered from the cache.
    pub(crate) hit: bool,
    /// What was wrong with the answer.
    pub(crate) wrong: Option<String>,
}

/// Views these avatars one after the other, at a rate per second.
pub(crate) fn look(server: SocketAddr, world: &World, avatars: &[u32], rate: u32) -> Vec<View> {
    let began = Stopwatch::start();
    let mut views: Vec<View> = std::thread::scope(|scope| {
        let viewer = |number: usize| {
            scope.spawn(move || {
                let mut viewer = Viewer { server, world, stream: None, buffer: Vec::new() };
                let mut views = Vec::with_capacity(avatars.len() / CONNECTIONS + 1);
                for n in (number..avatars.len()).step_by(CONNECTIONS) {
                    let due = Duration::from_secs_f64(n as f64 / f64::from(rate));
                    let early = due.checked_sub(began.elapsed());
                    std::thread::sleep(early.unwrap_or_default());
                    // A viewer that overslept did not wait for the server; one that comes late from an answer did.
                    let from = if early.is_some() { began.elapsed() } else { due };
                    let (at, answer) = (Clock::system().now(), viewer.view(avatars[n]));
                    let took = began.elapsed().saturating_sub(from);
                    let (hit, wrong) = match answer {
                        Ok(hit) => (hit, None),
                        Err(error) => (false, Some(format!("{}: {error}", id(avatars[n])))),
                    };
                    views.push(View { avatar: avatars[n], at, took, hit, wrong });
                }
                views
            })
        };
        let viewers: Vec<_> = (0..CONNECTIONS).map(viewer).collect();
        viewers.into_iter().flat_map(|viewer| viewer.join().expect("a viewer")).collect()
    });
    views.sort_by_key(|view| view.at);
    views
}

struct Viewer<'a> {
    server: SocketAddr,
    world: &'a World,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Viewer<'_> {
    /// Whether the picture came out of memory; an error if another one came, or none.
    fn view(&mut self, avatar: u32) -> std::io::Result<bool> {
        let answer = self.ask(avatar);
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    fn ask(&mut self, avatar: u32) -> std::io::Result<bool> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(self.server)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                none.insert(stream)
            }
        };
        let request = format!("GET /avatar/{} HTTP/1.1\r\nHost: a\r\n\r\n", id(avatar));
        stream.write_all(request.as_bytes())?;
        let wrong = |what: String| Err(std::io::Error::other(what));
        self.buffer.clear();
        let mut chunk = [0; 16 * 1024];
        let head = loop {
            let read = read(stream, &mut chunk)?;
            self.buffer.extend_from_slice(&chunk[..read]);
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if read == 0 {
                return wrong("the connection ended".to_owned());
            }
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).into_owned();
        let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let length: usize = header("content-length: ").and_then(|length| length.parse().ok()).unwrap_or(0);
        while self.buffer.len() < head + length {
            let read = read(stream, &mut chunk)?;
            if read == 0 {
                return wrong("the connection ended".to_owned());
            }
            self.buffer.extend_from_slice(&chunk[..read]);
        }
        if !text.starts_with("HTTP/1.1 200 ") || &self.buffer[head..] != self.world.picture(avatar) {
            return wrong(format!("not its picture: {text}"));
        }
        Ok(header("cache-status: ").is_some_and(|status| status.starts_with("avatar-proxy; hit")))
    }
}

fn read(stream: &mut TcpStream, chunk: &mut [u8]) -> std::io::Result<usize> {
    stream.set_nonblocking(true)?;
    let watch = Stopwatch::start();
    let awake = loop {
        match stream.read(chunk) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && watch.elapsed() < AWAKE => {
                std::hint::spin_loop();
            }
            read => break read,
        }
    };
    stream.set_nonblocking(false)?;
    match awake {
        Err(error) if error.kind() == ErrorKind::WouldBlock => stream.read(chunk),
        awake => awake,
    }
}
