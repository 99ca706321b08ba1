//! `[origin]` and `[images]`.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use graphsim::Fault;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::util::{facebook, first, is_about, one, page, set, timed};
use crate::support::accounts::{FACEBOOK, large, small};
use crate::support::client::hash;

/// A peer that speaks TLS with a certificate of its own; its PEM, and whether a request's first byte came through.
fn tls_peer() -> (u16, String, std::sync::mpsc::Receiver<bool>) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (came, comes) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let stream = listener.accept().unwrap().0;
        let session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let read = rustls::StreamOwned::new(session, stream).read(&mut [0]);
        came.send(matches!(read, Ok(1))).unwrap();
    });
    (port, made.cert.pem(), comes)
}

#[tokio::test]
async fn the_certificates_that_are_configured_are_trusted() {
    let (sim, clock) = one(&FACEBOOK).await;
    for trusts in [false, true] {
        let (port, pem, comes) = tls_peer();
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, pem).unwrap();
        let base = set("providers.facebook.base_url", &format!("\"https://127.0.0.1:{port}\""));
        let ca = if trusts { ca.display().to_string() } else { String::new() };
        first(&sim, &clock, &(base + &set("origin.ca", &format!("\"{ca}\"")))).await;
        assert_eq!(comes.recv().unwrap(), trusts);
    }
}

#[tokio::test]
async fn a_connection_must_be_up_by_the_connect_timeout() {
    let (sim, clock) = one(&FACEBOOK).await;
    // A backlog that is full: the kernel answers no further SYN.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    {
        filling.push(stream);
        assert!(filling.len() < 100, "the backlog is never full");
    }
    let rest = set("providers.facebook.base_url", &format!("\"http://{address}\""))
        + &set("origin.timeout", "\"10s\"");
    for (value, millis) in [("\"100ms\"", 100), ("\"900ms\"", 900)] {
        let proxy = facebook(&sim, &clock, &(rest.clone() + &set("origin.connect_timeout", value))).await;
        let (answer, took) = timed(&proxy, &FACEBOOK.path()).await;
        assert_eq!(answer.state(), "placeholder");
        assert!(is_about(took, millis), "{value}: {took:?}");
    }
}

#[tokio::test]
async fn a_call_must_be_over_by_the_timeout() {
    let (sim, clock) = one(&FACEBOOK).await;
    sim.api_fault(None, Some(Fault::Hang));
    for (value, millis) in [("\"100ms\"", 100), ("\"900ms\"", 900)] {
        let extra = set("origin.timeout", value) + &set("origin.connect_timeout", "\"50ms\"");
        let proxy = facebook(&sim, &clock, &extra).await;
        let (answer, took) = timed(&proxy, &FACEBOOK.path()).await;
        assert_eq!(answer.state(), "placeholder");
        assert!(is_about(took, millis), "{value}: {took:?}");
    }
}

#[tokio::test]
async fn a_picture_may_have_as_many_bytes_and_pixels_as_are_configured() {
    let (sim, clock) = one(&FACEBOOK).await;
    let (bytes, pixels) = (small(1).bytes.len(), 160 * 160);
    for (key, value, state) in [
        ("origin.max_bytes", format!("\"{bytes}B\""), "fresh"),
        ("origin.max_bytes", format!("\"{}B\"", bytes - 1), "placeholder"),
        ("images.max_pixels", pixels.to_string(), "fresh"),
        ("images.max_pixels", (pixels - 1).to_string(), "placeholder"),
    ] {
        assert_eq!(first(&sim, &clock, &set(key, &value)).await.state(), state, "{key} = {value}");
    }
}

#[tokio::test]
async fn as_many_redirects_are_followed_as_are_configured() {
    let (sim, clock) = one(&FACEBOOK).await;
    page(&sim, 2, small(2));
    let elsewhere = sim.direct_address("204500000000002");
    sim.cdn_fault(Some(FACEBOOK.account), Some(Fault::RedirectTo(elsewhere)));
    let followed = first(&sim, &clock, &set("origin.max_redirects", "1")).await;
    assert_eq!((followed.state(), followed.hash()), ("fresh", hash(&small(2).bytes)));
    let refused = first(&sim, &clock, &set("origin.max_redirects", "0")).await;
    assert_eq!(refused.state(), "placeholder");
}

#[tokio::test]
async fn a_picture_is_passed_on_while_it_comes_in_above_the_length_that_is_configured() {
    let (sim, clock) = one(&FACEBOOK).await;
    sim.set_picture(FACEBOOK.account, Some(large(1)));
    for (value, gathered) in [("\"64KiB\"", false), ("\"8MiB\"", true)] {
        let answer = first(&sim, &clock, &set("origin.stream_above", value)).await;
        assert_eq!(answer.hash(), hash(&large(1).bytes));
        assert_eq!(answer.header("etag").is_some(), gathered, "{value}");
    }
}

#[tokio::test]
async fn plain_http_and_private_addresses_are_asked_only_where_that_is_configured() {
    let (sim, clock) = one(&FACEBOOK).await;
    for (key, value, state) in [
        ("origin.allow_http", "true", "fresh"),
        ("origin.allow_http", "false", "placeholder"),
        ("origin.allow_private", "[\"127.0.0.0/8\"]", "fresh"),
        ("origin.allow_private", "[\"10.0.0.0/8\"]", "placeholder"),
    ] {
        assert_eq!(first(&sim, &clock, &set(key, value)).await.state(), state, "{key} = {value}");
    }
}
