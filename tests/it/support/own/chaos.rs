use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use avatar_proxy::clock::Stopwatch;

use crate::support::chaos::{Chaos, Mode};
use crate::support::redis::RedisServer;
use crate::support::wait::until_blocking;

fn in_front_of(server: &RedisServer) -> Chaos {
    Chaos::start(SocketAddr::from((Ipv4Addr::LOCALHOST, server.port)))
}

fn connect(chaos: &Chaos) -> TcpStream {
    let stream = TcpStream::connect(chaos.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    stream
}

/// Whether the server answers on this connection.
fn answers(stream: &mut TcpStream) -> std::io::Result<bool> {
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    let length = stream.read(&mut answer)?;
    Ok(answer[..length] == *b"+PONG\r\n")
}

fn holds(record: &[u8], part: &[u8]) -> bool {
    record.windows(part.len()).any(|window| window == part)
}

#[test]
fn what_passes_is_recorded_both_ways_and_whole() {
    let server = RedisServer::start();
    let chaos = in_front_of(&server);
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", chaos.port())).unwrap();
    let mut connection = client.get_connection().unwrap();
    let value = "picture".repeat(100_000);
    redis::cmd("SET").arg("avatar").arg(&value).exec(&mut connection).unwrap();
    server.cli(&["SET", "other", "answer"]);
    assert_eq!(redis::cmd("GET").arg("other").query::<String>(&mut connection).unwrap(), "answer");
    let record = chaos.recorded();
    for part in [value.as_bytes(), b"avatar", b"other", b"$6\r\nanswer"] {
        assert!(holds(&record, part), "{}", String::from_utf8_lossy(&part[..6]));
    }
    assert!(!holds(&record, b"never sent"));
    assert_eq!((chaos.connections(), chaos.accepted()), (1, 1));
}

#[test]
fn a_connection_that_hangs_is_silent_until_it_passes_again() {
    let server = RedisServer::start();
    let chaos = in_front_of(&server);
    let mut old = connect(&chaos);
    assert!(answers(&mut old).unwrap());
    chaos.set(Mode::Hang);
    let mut new = connect(&chaos);
    for stream in [&mut old, &mut new] {
        assert_eq!(answers(stream).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
    chaos.set(Mode::Pass);
    for stream in [&mut old, &mut new] {
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+PONG\r\n");
    }
}

#[test]
fn a_cut_closes_what_is_open_and_what_comes_until_it_passes_again() {
    let server = RedisServer::start();
    let chaos = in_front_of(&server);
    let mut old = connect(&chaos);
    assert!(answers(&mut old).unwrap());
    chaos.set(Mode::Hang);
    chaos.set(Mode::Cut);
    let mut new = connect(&chaos);
    for stream in [&mut old, &mut new] {
        let ended = stream.read(&mut [0; 1]);
        assert!(matches!(&ended, Ok(0)) || ended.is_err_and(|e| e.kind() != std::io::ErrorKind::WouldBlock));
    }
    chaos.set(Mode::Pass);
    let mut kept = connect(&chaos);
    assert!(answers(&mut kept).unwrap());
    chaos.drop_connections();
    assert!(!answers(&mut kept).unwrap_or(false));
    assert!(answers(&mut connect(&chaos)).unwrap());
    assert_eq!(chaos.accepted(), 4);
}

#[test]
fn a_delay_comes_once_each_way_and_does_not_add_up_for_those_who_wait_together() {
    let server = RedisServer::start();
    let chaos = in_front_of(&server);
    let mut stream = connect(&chaos);
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.set_nodelay(true).unwrap();
    assert!(answers(&mut stream).unwrap());
    chaos.set(Mode::Delay(Duration::from_millis(100)));
    let watch = Stopwatch::start();
    for _ in 0..10 {
        stream.write_all(b"PING\r\n").unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    stream.read_exact(&mut [0; 70]).unwrap();
    let took = watch.elapsed();
    assert!(took >= Duration::from_millis(200), "{took:?}");
    assert!(took < Duration::from_millis(900), "{took:?}");
}

#[test]
fn nothing_listens_after_the_proxy_is_dropped() {
    let server = RedisServer::start();
    let chaos = in_front_of(&server);
    let (mut open, address) = (connect(&chaos), chaos.address());
    assert!(answers(&mut open).unwrap());
    drop(chaos);
    until_blocking("nothing listens", || TcpStream::connect(address).is_err());
    assert!(!answers(&mut open).unwrap_or(false));
}
