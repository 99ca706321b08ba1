use std::time::Duration;

use crate::support::certificates::Certificates;
use crate::support::redis::{RedisServer, USER};
use crate::support::server::quiet_port;

fn ping(client: &redis::Client) -> redis::RedisResult<String> {
    let mut connection = client.get_connection()?;
    connection.set_read_timeout(Some(Duration::from_millis(300)))?;
    redis::cmd("PING").query(&mut connection)
}

fn ping_url(url: &str) -> redis::RedisResult<String> {
    ping(&redis::Client::open(url)?)
}

#[test]
fn a_node_answers_on_its_port_and_its_socket_and_tells_what_was_asked_of_it() {
    let server = RedisServer::start();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    redis::cmd("SET").arg("a").arg("1").exec(&mut connection).unwrap();
    assert_eq!(ping_url(&server.socket_url()).unwrap(), "PONG");
    assert_eq!(server.cli(&["GET", "a"]), "1");
    let mut other = redis::Client::open(format!("{}/3", server.url())).unwrap().get_connection().unwrap();
    redis::cmd("SET").arg("b").arg("2").exec(&mut other).unwrap();
    assert_eq!(server.keys(), ["a", "b"]);
    assert_eq!((server.command_calls("set"), server.command_calls("get")), (2, 1));
    assert_eq!(server.command_calls("hget"), 0);
    assert_eq!(server.clients().len(), 2, "{:?}", server.clients());
    drop((connection, other));
    assert!(server.try_cli(&["NONSENSE"]).is_err());
}

#[test]
fn a_node_that_was_stopped_comes_back_empty_on_its_port() {
    let server = RedisServer::start_on(quiet_port(), &["--maxmemory", "50mb"]);
    server.cli(&["SET", "a", "1"]);
    server.stop();
    assert!(!server.is_running());
    assert!(ping_url(&server.url()).is_err());
    server.start_again();
    assert!(server.is_running());
    assert_eq!(ping_url(&server.url()).unwrap(), "PONG");
    assert_eq!(server.keys(), Vec::<String>::new());
    assert_eq!(server.cli(&["CONFIG", "GET", "maxmemory"]), "maxmemory\n52428800");
}

#[test]
fn a_node_that_is_paused_accepts_and_answers_when_it_goes_on() {
    let server = RedisServer::start();
    let client = redis::Client::open(server.url()).unwrap();
    server.signal("STOP");
    let mut connection = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let silent = std::io::Read::read(&mut connection, &mut [0; 1]);
    assert_eq!(silent.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    server.signal("CONT");
    assert_eq!(ping(&client).unwrap(), "PONG");
    server.signal("STOP");
    server.stop();
    assert!(!server.is_running());
}

#[test]
fn a_node_asks_for_the_user_and_password_that_it_was_given() {
    let options =
        ["--user", "proxy", "on", ">secret", "~avatar:*", "+ping", "+get", "--requirepass", "other"];
    let server = RedisServer::start_with(&options);
    assert!(ping_url(&server.url()).is_err());
    assert!(ping_url(&server.url_as("proxy", "wrong")).is_err());
    assert_eq!(ping_url(&server.url_as("proxy", "secret")).unwrap(), "PONG");
    assert_eq!(ping_url(&server.url_as("", "other")).unwrap(), "PONG");
    let mut connection =
        redis::Client::open(server.url_as("proxy", "secret")).unwrap().get_connection().unwrap();
    let refused = redis::cmd("GET").arg("elsewhere").exec(&mut connection).unwrap_err();
    assert_eq!(refused.code(), Some("NOPERM"));
}

#[test]
fn a_node_with_tls_is_reached_with_its_ca_and_with_a_client_certificate_where_it_wants_one() {
    let certificates = Certificates::create(USER);
    let read = |path: &std::path::Path| std::fs::read(path).unwrap();
    let client = |server: &RedisServer, ca: &Certificates, certificate: bool| {
        let client_tls = certificate.then(|| redis::ClientTlsConfig {
            client_cert: read(&certificates.client_cert),
            client_key: read(&certificates.client_key),
        });
        let root_cert = Some(read(&ca.ca));
        let tls = redis::TlsCertificates { client_tls, root_cert };
        ping(&redis::Client::build_with_tls(server.url(), tls).unwrap())
    };
    let open = RedisServer::start_tls(&certificates, false);
    assert!(open.url().starts_with("rediss://127.0.0.1:"));
    assert_eq!(client(&open, &certificates, false).unwrap(), "PONG");
    assert!(client(&open, &Certificates::create(USER), false).is_err(), "another CA");
    assert!(ping_url(&open.url().replace("rediss:", "redis:")).is_err(), "no TLS");
    let closed = RedisServer::start_tls(&certificates, true);
    assert_eq!(client(&closed, &certificates, true).unwrap(), "PONG");
    assert!(client(&closed, &certificates, false).is_err(), "no client certificate");
}
