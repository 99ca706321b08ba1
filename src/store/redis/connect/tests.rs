//! Over real servers: each way a Redis is run, and each way it fails to be reached.

use std::net::TcpListener;
use std::time::Duration;

use futures_util::StreamExt;
use redis::AsyncCommands;

use super::connection::RedisConnection;
use super::error::ConnectError;
use super::tls::TlsFiles;
use super::{SentinelLogin, Server};
use crate::clock::Stopwatch;
use crate::model::{Invalid, Secret};
use crate::store::redis::supervisor::{Access, Supervisor};
use crate::store::redis::test_redis::{Certificates, TestCluster, TestRedis, free_port, wait_until};
use crate::store::redis::time_budget::Budget;

const WITHIN: Duration = Duration::from_secs(4);

fn no_files() -> TlsFiles {
    TlsFiles { ca: String::new(), cert: String::new(), key: String::new() }
}

fn files(certificates: &Certificates, names: [&str; 3]) -> TlsFiles {
    let [ca, cert, key] = names.map(|name| match name {
        "" => String::new(),
        name => certificates.path(name).display().to_string(),
    });
    TlsFiles { ca, cert, key }
}

fn sentinel_login(username: &str, password: &str) -> SentinelLogin {
    SentinelLogin { username: username.to_owned(), password: Secret::new(password) }
}

fn made(url: &str, tls: TlsFiles, sentinel: SentinelLogin) -> Result<Server, Invalid> {
    Server::new(&Secret::new(url), "avatar-proxy", tls, sentinel)
}

#[track_caller]
fn server(url: &str) -> Server {
    made(url, no_files(), sentinel_login("", "")).unwrap()
}

/// Connects, and fails the test with the reason if that does not work.
async fn connected(server: &Server) -> RedisConnection {
    match server.connect(WITHIN).await {
        Ok(connection) => connection,
        Err(error) => panic!("{}: {error}", server.describe()),
    }
}

async fn refusal(server: &Server) -> ConnectError {
    let error = server.connect(WITHIN).await.err().expect("it connected");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    error
}

async fn write_and_read(connection: &mut RedisConnection, key: &str) {
    let () = connection.set(key, "value").await.unwrap();
    let read: String = connection.get(key).await.unwrap();
    assert_eq!(read, "value");
}

/// What is published by `publisher` comes through `subscription`.
async fn assert_delivers(subscription: &mut redis::aio::PubSub, publisher: &TestRedis, channel: &str) {
    assert!(!publisher.cli(&["PUBLISH", channel, "hello"]).contains("ERR"));
    let message = tokio::time::timeout(WITHIN, subscription.on_message().next()).await.unwrap().unwrap();
    assert_eq!((message.get_channel_name(), message.get_payload_bytes()), (channel, b"hello".as_slice()));
}

#[tokio::test]
async fn a_tight_acl_is_enough_and_each_refused_login_is_reported() {
    let redis = TestRedis::start("user avatar on >hunter2 ~ap:* &ap:* +get +set +subscribe +select\n");
    let at = redis.at();
    let server = server(&format!("redis://avatar:hunter2@{at}/2"));
    assert_eq!(server.describe(), format!("one node at {at}, user avatar, database 2"));
    let mut connection = connected(&server).await;
    write_and_read(&mut connection, "ap:key").await;
    assert_eq!(redis.cli(&["-n", "2", "GET", "ap:key"]).trim(), "value");
    assert!(server.is_current(&connection, WITHIN).await);

    let mut subscription =
        server.subscribe(&connection, &["ap:one".into(), "ap:two".into()], WITHIN).await.unwrap();
    assert_delivers(&mut subscription, &redis, "ap:one").await;
    assert_delivers(&mut subscription, &redis, "ap:two").await;
    let forbidden = server.subscribe(&connection, &["other".into()], WITHIN).await.err().unwrap();
    assert!(matches!(forbidden, ConnectError::Forbidden { .. }), "{forbidden}");

    for login in ["avatar:hunter2x", "nobody:hunter2", ":hunter2"] {
        let error = refusal(&self::server(&format!("redis://{login}@{at}"))).await;
        assert_eq!(error, ConnectError::LoginRefused { at: at.clone() }, "{login}");
    }
}

#[tokio::test]
async fn a_missing_password_is_reported_and_a_password_without_a_user_is_enough() {
    let redis = TestRedis::start("requirepass hunter2\n");
    let error = refusal(&server(&format!("redis://{}", redis.at()))).await;
    assert_eq!(error, ConnectError::LoginMissing { at: redis.at() });
    write_and_read(&mut connected(&server(&format!("valkey://:hunter2@{}", redis.at()))).await, "k").await;
}

#[tokio::test]
async fn a_unix_socket_is_as_good_as_a_port() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sock").display().to_string();
    let redis = TestRedis::start(&format!("unixsocket {path}\nrequirepass hunter2\n"));
    let server = server(&format!("unix://{path}?pass=hunter2&db=1"));
    assert_eq!(server.describe(), format!("one node at unix:{path}, database 1"));
    let mut connection = connected(&server).await;
    write_and_read(&mut connection, "k").await;
    let _ = server.subscribe(&connection, &["c".into()], WITHIN).await.unwrap();
    drop(redis);
    assert!(matches!(refusal(&server).await, ConnectError::Unreachable { .. }));
}

#[tokio::test]
async fn a_replica_is_no_primary() {
    let primary = TestRedis::start("");
    let replica = TestRedis::start(&format!("replicaof 127.0.0.1 {}\n", primary.port));
    wait_until("the replica follows", || replica.cli(&["INFO", "replication"]).contains("link_status:up"));
    let error = refusal(&server(&format!("redis://{}", replica.at()))).await;
    assert_eq!(error, ConnectError::NotAPrimary { at: replica.at() });
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_reported_in_time() {
    let at = format!("127.0.0.1:{}", free_port());
    for form in ["redis://X", "redis+sentinel://X/m", "redis+cluster://X"] {
        let error = refusal(&server(&form.replace('X', &at))).await;
        assert!(error.to_string().contains("cannot be reached: Connection refused"), "{form}: {error}");
    }
    let error = refusal(&server("redis://no-such-host.invalid")).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");

    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = hanging.local_addr().unwrap().to_string();
    let within = Duration::from_millis(300);
    for form in ["redis://X", "redis+sentinel://X/m", "redis+cluster://X"] {
        let watch = Stopwatch::start();
        let error = server(&form.replace('X', &at)).connect(within).await.err().unwrap();
        assert!(watch.elapsed() < within + Duration::from_millis(200), "{form} took {:?}", watch.elapsed());
        assert!(error.to_string().contains("no connection within"), "{form}: {error}");
    }
}

#[tokio::test]
async fn tls_trusts_the_private_ca_and_shows_the_client_certificate() {
    let certificates = Certificates::make();
    let redis = TestRedis::start_tls(&certificates, "requirepass hunter2\n");
    let url = format!("rediss://:hunter2@{}", redis.at());
    let with = |names| made(&url, files(&certificates, names), sentinel_login("", "")).unwrap();

    let server = with(["ca.pem", "cert.pem", "key.pem"]);
    assert_eq!(server.describe(), format!("one node at {}, TLS with a client certificate", redis.at()));
    let mut connection = connected(&server).await;
    write_and_read(&mut connection, "k").await;
    let _ = server.subscribe(&connection, &["c".into()], WITHIN).await.unwrap();

    for names in [["ca.pem", "", ""], ["", "cert.pem", "key.pem"]] {
        let error = refusal(&with(names)).await;
        assert!(matches!(error, ConnectError::Tls { .. }), "{names:?}: {error}");
    }
    let error = refusal(&self::server(&url.replace("rediss", "redis"))).await;
    assert!(error.to_string().contains("does it want TLS"), "{error}");

    let plain = TestRedis::start("");
    let url = format!("rediss://{}", plain.at());
    // A Redis without TLS takes the beginning of a handshake for half a command, and waits for the rest.
    let server = made(&url, no_files(), sentinel_login("", "")).unwrap();
    let within = Duration::from_millis(300);
    assert_eq!(server.connect(within).await.err(), Some(ConnectError::TimedOut(within)));
}

/// Three sentinels that watch `primary` as `m`.
fn three_sentinels(primary: &TestRedis) -> Vec<TestRedis> {
    let lines = format!(
        "sentinel monitor m 127.0.0.1 {} 2\nsentinel down-after-milliseconds m 500\n\
         sentinel failover-timeout m 3000\n",
        primary.port
    );
    let sentinels: Vec<TestRedis> = (0..3).map(|_| TestRedis::sentinel(&lines)).collect();
    let knows_all = |sentinel: &TestRedis| {
        let master = sentinel.cli(&["SENTINEL", "MASTER", "m"]);
        let after =
            |name: &str| master.lines().skip_while(|line| *line != name).nth(1).unwrap_or("").to_owned();
        after("num-slaves") == "1" && after("num-other-sentinels") == "2"
    };
    wait_until("the sentinels know all", || sentinels.iter().all(knows_all));
    sentinels
}

#[tokio::test]
async fn sentinel_leads_to_the_new_primary_after_a_failover() {
    let mut primary = TestRedis::start("repl-diskless-sync-delay 0\n");
    let replica = TestRedis::start(&format!("replicaof 127.0.0.1 {}\n", primary.port));
    wait_until("the replica follows", || replica.cli(&["INFO", "replication"]).contains("link_status:up"));
    let mut sentinels = three_sentinels(&primary);
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let [a, b, c] = [0, 1, 2].map(|n| sentinels[n].at());
    let hosts = format!("{},127.0.0.1:{},{a},{b},{c}", hanging.local_addr().unwrap(), free_port());
    let server = server(&format!("redis+sentinel://{hosts}/m/1"));
    assert!(server.describe().starts_with("Sentinel m at 127.0.0.1:"), "{}", server.describe());

    let watch = Stopwatch::start();
    let mut connection = connected(&server).await;
    assert!(watch.elapsed() < WITHIN / 2, "the sentinel that hangs cost {:?}", watch.elapsed());
    write_and_read(&mut connection, "k").await;
    assert_eq!(primary.cli(&["-n", "1", "GET", "k"]).trim(), "value");
    let mut subscription = server.subscribe(&connection, &["c".into()], WITHIN).await.unwrap();
    assert_delivers(&mut subscription, &primary, "c").await;
    assert!(server.is_current(&connection, Duration::from_millis(300)).await);
    let unknown = self::server(&format!("redis+sentinel://{hosts}/other"));
    assert_eq!(refusal(&unknown).await, ConnectError::UnknownMaster("other".into()));

    primary.kill();
    let watch = Stopwatch::start();
    while server.is_current(&connection, Duration::from_millis(300)).await {
        assert!(watch.elapsed() < Duration::from_secs(30), "no failover");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut connection = connected(&server).await;
    println!("at the new primary {:?} after the old one died", watch.elapsed());
    write_and_read(&mut connection, "k2").await;
    assert_eq!(replica.cli(&["-n", "1", "GET", "k2"]).trim(), "value");
    assert!(server.is_current(&connection, Duration::from_millis(300)).await);

    sentinels.iter_mut().for_each(TestRedis::kill);
    assert!(
        server.is_current(&connection, Duration::from_millis(300)).await,
        "an outage of the sentinels alone"
    );
    write_and_read(&mut connection, "k3").await;
    assert!(matches!(refusal(&server).await, ConnectError::NoSentinel(_)));
}

#[tokio::test]
async fn a_sentinel_that_was_cut_off_with_the_old_primary_is_outvoted() {
    let [old, new] = [(); 2].map(|()| TestRedis::start(""));
    let watching = |primary: &TestRedis| {
        TestRedis::sentinel(&format!("sentinel monitor m 127.0.0.1 {} 2\n", primary.port))
    };
    let (stale, mut others) = (watching(&old), [watching(&new), watching(&new)]);
    let server = server(&format!("redis+sentinel://{},{},{}/m", stale.at(), others[0].at(), others[1].at()));
    for number in 0..20 {
        let mut connection = connected(&server).await;
        write_and_read(&mut connection, &format!("k{number}")).await;
        assert!(server.is_current(&connection, WITHIN).await);
    }
    assert_eq!((old.cli(&["DBSIZE"]).trim(), new.cli(&["DBSIZE"]).trim()), ("0", "20"));
    // Its word is all there is.
    others.iter_mut().for_each(TestRedis::kill);
    write_and_read(&mut connected(&server).await, "k").await;
    assert_eq!(old.cli(&["DBSIZE"]).trim(), "1");
}

#[tokio::test]
async fn a_sentinel_with_tls_and_a_login_of_its_own_is_asked_with_it() {
    let certificates = Certificates::make();
    let acl = "user data on >hunter2 ~* &* +@all\nuser default on >other ~* &* +@all\n";
    let primary = TestRedis::start_tls(&certificates, acl);
    let lines = format!(
        "user watch on >hunter2s +sentinel|get-master-addr-by-name\n\
         sentinel monitor m 127.0.0.1 {} 1\nsentinel auth-pass m other\nuser default off\n",
        primary.port
    );
    let sentinel = TestRedis::sentinel_tls(&certificates, &lines);
    let url = format!("rediss+sentinel://data:hunter2@{}/m", sentinel.at());
    let pems = ["ca.pem", "cert.pem", "key.pem"];
    let with = |url: &str, user, password| {
        made(url, files(&certificates, pems), sentinel_login(user, password)).unwrap()
    };
    let mut connection = connected(&with(&url, "watch", "hunter2s")).await;
    write_and_read(&mut connection, "k").await;

    for (user, password) in [("", ""), ("watch", "hunter2"), ("", "hunter2s")] {
        let error = refusal(&with(&url, user, password)).await;
        assert_eq!(error, ConnectError::SentinelLoginRefused { at: sentinel.at() }, "{user} {password}");
    }
    let error = refusal(&with(&url.replace("hunter2@", "hunter3@"), "watch", "hunter2s")).await;
    assert_eq!(error, ConnectError::LoginRefused { at: primary.at() });
}

#[test]
fn settings_that_do_not_go_together_are_refused_with_their_key() {
    let ca = || TlsFiles { ca: "/ca.pem".into(), ..no_files() };
    for (url, tls, sentinel, key) in [
        ("redis://a", ca(), sentinel_login("", ""), "tls.ca"),
        ("redis+sentinel://a/m", ca(), sentinel_login("", ""), "tls.ca"),
        ("unix:///s", ca(), sentinel_login("", ""), "tls.ca"),
        ("redis://a", no_files(), sentinel_login("u", "hunter2"), "sentinel.username"),
        ("redis+cluster://a", no_files(), sentinel_login("", "hunter2"), "sentinel.password"),
        ("redis+sentinel://a/m", no_files(), sentinel_login("u", ""), "sentinel.password"),
        ("redis+cluster://:hunter2@a/1", no_files(), sentinel_login("", ""), "url"),
    ] {
        let error = made(url, tls, sentinel).err().expect("it was taken");
        assert_eq!(error.key, key, "{url}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_cluster_outlives_a_primary() {
    let mut cluster = TestCluster::start("requirepass hunter2\nmasterauth hunter2\n");
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let seeds = format!(
        "{},127.0.0.1:{},{},{}",
        hanging.local_addr().unwrap(),
        free_port(),
        cluster.nodes[0].at(),
        cluster.nodes[4].at()
    );
    let server = server(&format!("redis+cluster://:hunter2@{seeds}"));
    let mut connection = connected(&server).await;
    for number in 0..50 {
        write_and_read(&mut connection, &format!("key{number}")).await;
    }
    assert!(server.is_current(&connection, WITHIN).await);
    let mut subscription = server.subscribe(&connection, &["c".into()], WITHIN).await.unwrap();
    assert_delivers(&mut subscription, &cluster.nodes[2], "c").await;

    let error = refusal(&self::server(&format!("redis+cluster://:hunter2x@{seeds}"))).await;
    assert!(matches!(error, ConnectError::LoginRefused { .. }), "{error}");

    cluster.nodes[0].kill();
    let watch = Stopwatch::start();
    for number in 0..50 {
        while connection.set::<_, _, ()>(format!("key{number}"), "new").await.is_err() {
            assert!(watch.elapsed() < Duration::from_secs(30), "key{number} was never written");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    println!("the same connection writes everywhere {:?} after a primary died", watch.elapsed());
    let mut connection = connected(&server).await;
    for number in 0..50 {
        write_and_read(&mut connection, &format!("key{number}")).await;
    }
    let mut subscription = server.subscribe(&connection, &["c".into()], WITHIN).await.unwrap();
    assert_delivers(&mut subscription, &cluster.nodes[3], "c").await;

    let supervisor = Supervisor::new(server, Duration::from_millis(500), std::sync::Arc::default());
    tokio::select! {
        () = supervisor.run() => {}
        () = outlives_one_that_hangs(&supervisor, &cluster.nodes[1]) => {}
    }
}

/// While others answer, so that no calls in a row are unanswered.
async fn outlives_one_that_hangs(supervisor: &Supervisor, primary: &TestRedis) {
    let set = async |key: &str| {
        let mut connection = supervisor.connection()?;
        let mut call = redis::cmd("SET");
        call.arg(key).arg("value");
        let call = call.exec_async(&mut connection);
        supervisor.ask(&mut Budget::new(Duration::from_millis(500)), Access::Any, call).await
    };
    // In the first and in the seventh sixteenth of the slots.
    let (answers, hangs) = ("{10}", "{60}");
    supervisor.connection_id().wait_for(|line| *line != 0).await.unwrap();
    assert_eq!((set(answers).await, set(hangs).await), (Ok(()), Ok(())));
    primary.hang();
    let watch = Stopwatch::start();
    while set(hangs).await.is_err() {
        assert!(watch.elapsed() < Duration::from_secs(20), "its slots are never written again");
        let _ = set(answers).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("its replica is written to {:?} after a primary hung", watch.elapsed());
}

#[tokio::test]
async fn a_server_that_is_no_cluster_and_a_cluster_without_slots_are_reported() {
    let single = TestRedis::start("");
    let error = refusal(&server(&format!("redis+cluster://{}", single.at()))).await;
    assert_eq!(error, ConnectError::NotACluster { at: single.at() });
    let empty = TestRedis::start(&format!("cluster-enabled yes\ncluster-port {}\n", free_port()));
    let error = refusal(&server(&format!("redis+cluster://{}", empty.at()))).await;
    assert!(matches!(error, ConnectError::ClusterDown(_)), "{error}");
}
