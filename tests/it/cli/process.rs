use std::sync::Arc;
use std::time::Duration;

use graphsim::{Fault, Graphsim, Options};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::accounts::{ALL, FACEBOOK, large, small};
use crate::support::client::{self, hash};
use crate::support::process::{BINARY, Process};
use crate::support::proxy::LIFE;
use crate::support::wait::until;
use avatar_proxy::clock::Clock;

/// A stand-in by the system's clock, since the server is another process.
async fn stand_in() -> Graphsim {
    let clock = Clock::system();
    Graphsim::start(Options { now: Arc::new(move || clock.now().as_millis()), address_life: LIFE }).await
}

fn entries() -> String {
    ALL.iter().map(|connected| connected.entry("")).collect()
}

#[tokio::test]
pub(crate) async fn killed_a_second_after_its_first_answers_it_shows_them_again_with_all_providers_down() {
    let (sim, folder) = (stand_in().await, TempDir::new().unwrap());
    for (seed, connected) in (1..).zip(ALL) {
        connected.add(&sim, small(seed));
    }
    let mut process = Process::start(&sim, folder.path(), &entries(), &[]).await;
    for connected in ALL {
        assert_eq!(process.get(&connected.path()).await.state(), "fresh");
    }
    // README promises what was shown until a second before the end.
    tokio::time::sleep(Duration::from_secs(1)).await;
    process.signal("KILL");
    process.ended().await;
    sim.api_fault(None, Some(Fault::Close));
    sim.cdn_fault(None, Some(Fault::Close));
    sim.reset_counters();
    let process = Process::start(&sim, folder.path(), &entries(), &[]).await;
    for (seed, connected) in (1..).zip(ALL) {
        let answer = process.get(&connected.path()).await;
        assert_eq!((answer.status, answer.hash()), (200, hash(&small(seed).bytes)), "{}", connected.id);
    }
    assert_eq!(sim.total_api_calls() + sim.total_downloads(), 0);
}

#[tokio::test]
async fn at_a_signal_answers_under_way_are_finished_and_it_ends_with_0() {
    for signal in ["TERM", "INT"] {
        let (sim, folder) = (stand_in().await, TempDir::new().unwrap());
        FACEBOOK.add(&sim, large(1));
        sim.api_fault(None, Some(Fault::Latency(Duration::from_millis(600))));
        let mut process = Process::start(&sim, folder.path(), &entries(), &[]).await;
        let mut client = TcpStream::connect(process.address).await.unwrap();
        let head = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", FACEBOOK.path());
        client.write_all(head.as_bytes()).await.unwrap();
        until("the answer is under way", async || sim.total_api_calls() == 1).await;
        process.signal(signal);
        let answer = client::read(&mut client, false).await;
        assert_eq!((answer.status, answer.complete, answer.hash()), (200, true, hash(&large(1).bytes)));
        assert_eq!(process.ended().await.code(), Some(0), "{}", process.log());
        let log = process.log();
        assert!(log.contains(&format!("SIG{signal}")) && log.contains("stopped"), "{log}");
        assert!(!log.contains("background work"), "{log}");
    }
}

#[tokio::test]
async fn a_second_process_on_the_same_disk_file_is_refused_by_name() {
    let (sim, folder) = (stand_in().await, TempDir::new().unwrap());
    let first = Process::start(&sim, folder.path(), &entries(), &[]).await;
    // Its port takes connections before it has opened the file; it answers when it has.
    assert_eq!(first.get(&FACEBOOK.path()).await.status, 200);
    let mut second = Process::launch(&sim, folder.path(), &entries(), &[]);
    assert_eq!(second.ended().await.code(), Some(1));
    let file = folder.path().join("avatar-proxy.db");
    let expected = format!("disk.path = {}: in use by another avatar-proxy process", file.display());
    assert!(second.log().contains(&expected), "{}", second.log());
}

#[tokio::test]
pub(crate) async fn a_corrupt_disk_file_is_set_aside_and_never_deleted() {
    let (sim, folder) = (stand_in().await, TempDir::new().unwrap());
    FACEBOOK.add(&sim, small(1));
    let garbage = vec![0x5a; 8192];
    std::fs::write(folder.path().join("avatar-proxy.db"), &garbage).unwrap();
    let process = Process::start(&sim, folder.path(), &entries(), &[]).await;
    assert_eq!(process.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
    assert_eq!(std::fs::read(folder.path().join("avatar-proxy.corrupt-0")).unwrap(), garbage);
    assert_eq!(process.log().matches("set aside").count(), 1, "{}", process.log());
}

#[tokio::test]
pub(crate) async fn a_disk_that_cannot_be_written_degrades_readiness_and_nothing_else() {
    let (sim, folder) = (stand_in().await, TempDir::new().unwrap());
    FACEBOOK.add(&sim, small(1));
    std::fs::write(folder.path().join("file"), "").unwrap();
    let settings = entries() + &format!("[disk]\npath = \"{}/file/x.db\"\n", folder.path().display());
    let process = Process::start(&sim, folder.path(), &settings, &[]).await;
    assert_eq!(process.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
    let ready = process.get("/readyz").await;
    let body = String::from_utf8_lossy(&ready.body).into_owned();
    assert_eq!((ready.status, body.as_str()), (200, r#"{"status":"degraded"}"#));
    let why = client::request(process.admin, "GET", "/readyz", "").await;
    assert!(String::from_utf8_lossy(&why.body).contains("x.db"), "only the admin port names the file");
    assert_eq!(process.log().matches("disk store fails").count(), 1, "{}", process.log());
}

#[tokio::test]
async fn no_proxy_of_the_environment_is_used() {
    let (sim, folder) = (stand_in().await, TempDir::new().unwrap());
    FACEBOOK.add(&sim, small(1));
    let nobody = "http://127.0.0.1:9";
    let environment: Vec<(&str, &str)> =
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"]
            .map(|name| (name, nobody))
            .to_vec();
    let process = Process::start(&sim, folder.path(), &entries(), &environment).await;
    assert_eq!(process.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
}

#[tokio::test]
async fn health_finds_the_running_server() {
    let (sim, folder) = (stand_in().await, TempDir::new().unwrap());
    let process = Process::start(&sim, folder.path(), &entries(), &[]).await;
    let listen = process.address.to_string();
    let mut health = tokio::process::Command::new(BINARY);
    let status = health.arg("health").env("AVATAR_PROXY__SERVER__LISTEN", &listen).status().await.unwrap();
    assert_eq!(status.code(), Some(0));
}
