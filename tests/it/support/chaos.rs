//! A TCP proxy that misbehaves on command, and remembers what went through it.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// What is remembered, at most.
const RECORD: usize = 64 << 20;
/// Pieces under way in one direction of one connection.
const UNDER_WAY: usize = 256;

/// How it treats the connections that are open, and new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Every byte arrives so much later, each way.
    Delay(Duration),
    /// Accepts, and moves no byte until another mode is set.
    Hang,
    /// Closes open connections, and new ones at once.
    Cut,
}

/// A proxy with threads of its own, so that a test that blocks does not stop it. It ends with this.
pub(crate) struct Chaos {
    address: SocketAddr,
    state: watch::Sender<State>,
    seen: Arc<Seen>,
    runtime: Option<Runtime>,
}

#[derive(Clone, Copy)]
struct State {
    mode: Mode,
    /// How often connections were closed; one that was accepted before the last time ends.
    cuts: u64,
}

#[derive(Default)]
struct Seen {
    open: AtomicUsize,
    accepted: AtomicUsize,
    record: Mutex<Record>,
}

/// Each direction of each connection by itself, so that nothing is torn by what went the other way.
#[derive(Default)]
struct Record {
    streams: Vec<Vec<u8>>,
    bytes: usize,
}

impl Chaos {
    /// In front of `target`, passing all.
    pub(crate) fn start(target: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (state, states) = watch::channel(State { mode: Mode::Pass, cuts: 0 });
        let seen = Arc::new(Seen::default());
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(serve(listener, target, states, Arc::clone(&seen)));
        Self { address, state, seen, runtime: Some(runtime) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.state.send_modify(|state| {
            state.mode = mode;
            state.cuts += u64::from(mode == Mode::Cut);
        });
    }

    /// Closes open connections, then passes new ones as before.
    pub(crate) fn drop_connections(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// How many connections are open now.
    pub(crate) fn connections(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// How many were accepted since the start, closed ones too.
    pub(crate) fn accepted(&self) -> usize {
        self.seen.accepted.load(Ordering::SeqCst)
    }

    /// All bytes that went either way since the start: each direction of each connection whole, one after another.
    /// Fails where there were more than can be kept, since a search of a part would prove nothing.
    #[track_caller]
    pub(crate) fn recorded(&self) -> Vec<u8> {
        let record = self.seen.record.lock().unwrap();
        assert!(record.bytes <= RECORD, "more than {RECORD} bytes went over the wire");
        record.streams.concat()
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting is forbidden where a test's own runtime drops this.
            runtime.shutdown_background();
        }
    }
}

impl Record {
    fn keep(&mut self, stream: usize, bytes: &[u8]) {
        self.bytes += bytes.len();
        if self.bytes <= RECORD {
            self.streams[stream].extend_from_slice(bytes);
        }
    }
}

async fn serve(
    listener: std::net::TcpListener,
    target: SocketAddr,
    states: watch::Receiver<State>,
    seen: Arc<Seen>,
) {
    let listener = TcpListener::from_std(listener).unwrap();
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        seen.accepted.fetch_add(1, Ordering::SeqCst);
        // Counted here and not in the task, so that every client that has connected is counted.
        let open = Open::count(&seen);
        let (state, seen) = (*states.borrow(), Arc::clone(&seen));
        if state.mode == Mode::Cut {
            continue;
        }
        let mut cut = states.clone();
        let states = states.clone();
        connections.spawn(async move {
            let _open = open;
            tokio::select! {
                _ = cut.wait_for(|now| now.cuts != state.cuts) => {}
                () = connection(client, target, states, seen) => {}
            }
        });
    }
}

/// One more open connection, while this lives.
struct Open(Arc<Seen>);

impl Open {
    fn count(seen: &Arc<Seen>) -> Self {
        seen.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(seen))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn connection(
    client: TcpStream,
    target: SocketAddr,
    mut states: watch::Receiver<State>,
    seen: Arc<Seen>,
) {
    moving(&mut states).await;
    let Ok(server) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let stream = {
        let mut record = seen.record.lock().unwrap();
        record.streams.extend([Vec::new(), Vec::new()]);
        record.streams.len() - 2
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        pump(from_client, to_server, stream, states.clone(), &seen),
        pump(from_server, to_client, stream + 1, states, &seen),
    );
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One direction. A delay begins when a piece is read and does not keep the next one from being read.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    stream: usize,
    mut states: watch::Receiver<State>,
    seen: &Seen,
) {
    let (sender, mut receiver) = mpsc::channel::<(Wait, Vec<u8>)>(UNDER_WAY);
    let mut reading = states.clone();
    let read = async move {
        let mut buffer = vec![0; 64 << 10];
        loop {
            moving(&mut reading).await;
            let read = tokio::select! {
                read = from.read(&mut buffer) => read,
                _ = reading.wait_for(|state| state.mode == Mode::Hang) => continue,
            };
            let Ok(length @ 1..) = read else { return };
            let wait: Wait = match reading.borrow().mode {
                Mode::Delay(delay) => Box::pin(tokio::time::sleep(delay)),
                Mode::Pass | Mode::Hang | Mode::Cut => Box::pin(async {}),
            };
            if sender.send((wait, buffer[..length].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((wait, bytes)) = receiver.recv().await {
            wait.await;
            moving(&mut states).await;
            seen.record.lock().unwrap().keep(stream, &bytes);
            if to.write_all(&bytes).await.is_err() {
                receiver.close();
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

/// Waits while all hangs.
async fn moving(states: &mut watch::Receiver<State>) {
    let _ = states.wait_for(|state| state.mode != Mode::Hang).await;
}
