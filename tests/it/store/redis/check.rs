//! `avatar-proxy check` says what it found at Redis.

use std::net::TcpListener;
use std::process::{Command, Output};

use super::acl::SMALLEST;
use crate::support::certificates::Certificates;
use crate::support::cluster::Cluster;
use crate::support::process::BINARY;
use crate::support::redis::{RedisServer, USER};
use crate::support::sentinel::{SentinelOptions, Sentinels};
use crate::support::server::quiet_port;

fn run_check(url: &str, more: &[(&str, &str)]) -> Output {
    let mut command = Command::new(BINARY);
    command.arg("check").env_clear().env("AVATAR_PROXY__REDIS__KEYS", "[\"sha256:hunter2\"]");
    command.env("AVATAR_PROXY__REDIS__URL", url).envs(more.iter().copied()).output().unwrap()
}

/// What it prints of Redis, and the complaint that ends it; `VERSION` stands for the server's. No secret is in either.
#[track_caller]
fn check(url: &str, more: &[(&str, &str)]) -> (String, String) {
    let output = run_check(url, more);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (said, complaint) = (text(&output.stdout), text(&output.stderr));
    assert!(!format!("{said}{complaint}").contains("hunter2"), "{said}{complaint}");
    assert_eq!(output.status.code(), Some(i32::from(!complaint.is_empty())), "{said}{complaint}");
    let redis = said.split_once("redis           ").unwrap_or_else(|| panic!("{said}{complaint}")).1;
    let (redis, _) = redis.split_once("database ").expect("the line about the database is printed, too");
    let version = redis.lines().find_map(|line| line.strip_prefix("  server        "));
    let is_named = |version: &str| version.starts_with("Redis ") || version.starts_with("Valkey ");
    assert!(version.is_none_or(is_named), "{redis}");
    (redis.replace(version.unwrap_or("VERSION"), "VERSION"), complaint)
}

fn found(primaries: &str) -> String {
    format!(
        "connected\n  {primaries}\n  server        VERSION\n  storing       works\n  subscribing   works\n"
    )
}

#[track_caller]
fn assert_refused(url: &str, more: &[(&str, &str)], why: &str) {
    let (said, complaint) = check(url, more);
    assert!(said.ends_with(": not connected\n"), "{said}");
    assert_eq!(complaint, format!("avatar-proxy: Redis cannot be used: {why}\n"));
}

#[test]
fn check_reports_one_node_with_its_version_and_leaves_nothing_there() {
    let user = [&["--user"], &SMALLEST[..], &["--user", "default", "off"]].concat();
    let redis = RedisServer::start_with(&user);
    let at = format!("127.0.0.1:{}", redis.port);
    let (said, complaint) = check(&redis.url_as("avatar", "hunter2"), &[]);
    // The smallest ACL does not let it ask for the version.
    let connected = found(&format!("primary       {at}")).replace("  server        VERSION\n", "");
    assert_eq!((said, complaint), (format!("one node at {at}, user avatar: {connected}"), String::new()));
    let (said, _) = check(&redis.url_as("tests", "tests"), &[]);
    assert_eq!(said, format!("one node at {at}, user tests: {}", found(&format!("primary       {at}"))));
    assert_eq!(redis.keys(), Vec::<String>::new());

    let wrong = format!("{at} refused the login: wrong user or password in redis.url");
    assert_refused(&redis.url_as("avatar", "hunter2x"), &[], &wrong);
    assert_refused(&redis.url(), &[], &format!("{at} wants a password; redis.url has none"));
}

#[test]
fn check_reports_commands_that_are_forbidden_or_refused() {
    let redis = RedisServer::start();
    let without = |rule: &str| {
        redis.cli(&["ACL", "SETUSER", "avatar", "reset"]);
        redis.cli(&[&["ACL", "SETUSER"], &SMALLEST[..], &[rule]].concat());
        check(&redis.url_as("avatar", "hunter2"), &[])
    };
    for (rule, line) in [
        ("-evalsha", "  storing       NOPERM "),
        ("-getrange", "  storing       NOPERM "),
        ("-zadd", "  storing       "),
        ("-publish", "  subscribing   NOPERM "),
        ("-subscribe", "  subscribing   127.0.0.1:"),
    ] {
        let (said, complaint) = without(rule);
        assert!(said.contains(": connected\n") && said.contains(line), "{rule}: {said}");
        assert!(complaint.starts_with("avatar-proxy: Redis cannot be used: "), "{rule}: {complaint}");
        assert!(complaint.contains(&rule[1..]) || rule == "-zadd", "{rule}: {complaint}");
    }
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let (said, complaint) = check(&redis.url(), &[]);
    assert!(said.contains("  storing       OOM ") && complaint.contains("OOM "), "{said}{complaint}");
    assert!(said.ends_with("  subscribing   works\n"), "{said}");
}

#[test]
fn every_command_of_the_smallest_acl_is_needed() {
    let redis = RedisServer::start();
    let asked = ["+ping", "+role"];
    let commands = SMALLEST.iter().filter(|rule| rule.starts_with('+') && !asked.contains(*rule));
    let needless: Vec<&str> = commands
        .map(|rule| {
            let taken = rule.replacen('+', "-", 1);
            redis.cli(&["ACL", "SETUSER", "avatar", "reset"]);
            redis.cli(&[&["ACL", "SETUSER"], &SMALLEST[..], &[taken.as_str()]].concat());
            // What a script has once loaded need not be loaded again.
            redis.cli(&["SCRIPT", "FLUSH"]);
            (*rule, check(&redis.url_as("avatar", "hunter2"), &[]).1)
        })
        .filter_map(|(rule, complaint)| complaint.is_empty().then_some(rule))
        .collect();
    assert_eq!(needless, Vec::<&str>::new());
}

#[test]
fn check_reports_a_server_that_is_no_redis_a_replica_and_a_closed_port() {
    let (said, complaint) = check("", &[]);
    assert_eq!((said.as_str(), complaint.as_str()), ("none: redis.url and REDIS_URL are empty\n", ""));
    let (primary, replica) = (RedisServer::start(), RedisServer::start());
    replica.cli(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    let why = format!("127.0.0.1:{} is a replica, not a primary", replica.port);
    assert_refused(&replica.url(), &[], &why);
    let nobody = format!("127.0.0.1:{}", quiet_port());
    let why = format!("{nobody} cannot be reached: Connection refused (os error 111)");
    assert_refused(&format!("redis://{nobody}"), &[], &why);
    assert_refused(&format!("redis+cluster://{nobody}"), &[], &why);
    let why = format!("no sentinel answered; the last one: {why}");
    assert_refused(&format!("redis+sentinel://{nobody}/m"), &[], &why);
}

#[test]
fn check_gives_up_a_server_that_accepts_and_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    // A Redis without TLS takes the beginning of a handshake for half a command, and waits for the rest.
    let plain = RedisServer::start();
    std::thread::scope(|scope| {
        for (url, why) in [
            (format!("redis://{silent}"), "no connection within 5s"),
            (
                format!("redis+sentinel://{silent}/m"),
                "no sentinel answered; the last one: no connection within 2.5s",
            ),
            (format!("redis+cluster://{silent}"), "no connection within 625ms"),
            (format!("rediss://127.0.0.1:{}", plain.port), "no connection within 5s"),
        ] {
            scope.spawn(move || assert_refused(&url, &[], why));
        }
    });
}

#[test]
fn check_reports_a_server_outside_a_cluster_and_a_cluster_without_slots() {
    let single = RedisServer::start();
    let why = format!("127.0.0.1:{} is not in cluster mode; write redis:// for a single node", single.port);
    assert_refused(&format!("redis+cluster://127.0.0.1:{}", single.port), &[], &why);
    let bus = quiet_port().to_string();
    let empty = RedisServer::start_with(&["--cluster-enabled", "yes", "--cluster-port", &bus]);
    let (_, complaint) = check(&format!("redis+cluster://127.0.0.1:{}", empty.port), &[]);
    assert!(complaint.contains("the cluster is down: "), "{complaint}");
}

#[test]
fn settings_of_redis_that_do_not_go_together_are_refused_with_their_key() {
    let (ca, user, password) = (
        ("AVATAR_PROXY__REDIS__TLS__CA", "/ca.pem"),
        ("AVATAR_PROXY__REDIS__SENTINEL__USERNAME", "u"),
        ("AVATAR_PROXY__REDIS__SENTINEL__PASSWORD", "hunter2"),
    );
    for (url, more, key) in [
        ("redis://a", &[ca][..], "redis.tls.ca"),
        ("redis+sentinel://a/m", &[ca], "redis.tls.ca"),
        ("unix:///s", &[ca], "redis.tls.ca"),
        ("redis://a", &[user, password], "redis.sentinel.username"),
        ("redis+cluster://a", &[password], "redis.sentinel.password"),
        ("redis+sentinel://a/m", &[user], "redis.sentinel.password"),
        ("redis+cluster://:hunter2@a/1", &[], "redis.url"),
    ] {
        let output = run_check(url, more);
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{url}: {complaint}");
        assert!(
            complaint.contains(&format!("{key} = ")) && !complaint.contains("hunter2"),
            "{url}: {complaint}"
        );
    }
}

#[test]
fn check_reports_tls_and_a_server_that_is_not_trusted() {
    let certificates = Certificates::create(USER);
    let redis = RedisServer::start_tls(&certificates, true);
    let [ca, cert, key] = [&certificates.ca, &certificates.client_cert, &certificates.client_key]
        .map(|path| path.to_str().unwrap());
    let ca = ("AVATAR_PROXY__REDIS__TLS__CA", ca);
    let own = [("AVATAR_PROXY__REDIS__TLS__CERT", cert), ("AVATAR_PROXY__REDIS__TLS__KEY", key)];
    let at = format!("127.0.0.1:{}", redis.port);
    let (said, _) = check(&redis.url(), &[&[ca], &own[..]].concat());
    let connected = found(&format!("primary       {at}"));
    assert_eq!(said, format!("one node at {at}, TLS with a client certificate: {connected}"));
    for more in [&[ca][..], &own[..]] {
        let (said, complaint) = check(&redis.url(), more);
        assert!(said.ends_with(": not connected\n"), "{said}");
        assert!(complaint.contains(&format!("no TLS with {at}: ")), "{complaint}");
    }
    let (_, complaint) = check(&redis.url().replace("rediss", "redis"), &[]);
    assert!(complaint.contains("does it want TLS"), "{complaint}");
}

#[test]
fn check_reports_sentinels_and_a_cluster_with_their_primaries() {
    let sentinels = Sentinels::start(SentinelOptions {
        sentinels: Some(("watcher", "hunter2")),
        ..SentinelOptions::default()
    });
    let login = [
        ("AVATAR_PROXY__REDIS__SENTINEL__USERNAME", "watcher"),
        ("AVATAR_PROXY__REDIS__SENTINEL__PASSWORD", "hunter2"),
    ];
    let (said, complaint) = check(&sentinels.url(), &login);
    assert!(said.starts_with("Sentinel mymaster at 127.0.0.1:"), "{said}");
    assert!(
        said.ends_with(&found(&format!("primary       127.0.0.1:{}", sentinels.primary_port()))),
        "{said}"
    );
    assert_eq!(complaint, "");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let useless = format!("://{},127.0.0.1:{},", silent.local_addr().unwrap(), quiet_port());
    let (_, complaint) = check(&sentinels.url().replace("://", &useless), &login);
    assert_eq!(complaint, "", "a sentinel that hangs takes no more than its share of the time");
    let unknown = sentinels.url().replace("/mymaster", "/theirs");
    assert_refused(&unknown, &login, "the sentinels know no master of the name theirs");
    let (_, complaint) = check(&sentinels.url(), &[]);
    assert!(complaint.contains("refused the login: wrong or missing redis.sentinel.username"), "{complaint}");

    // One that was cut off, and names another server, is outvoted; then its word is all there is.
    let (old, new) = (RedisServer::start(), sentinels.primary_port());
    sentinels.sentinels[0].cli(&["SENTINEL", "REMOVE", "mymaster"]);
    sentinels.sentinels[0].cli(&["SENTINEL", "MONITOR", "mymaster", "127.0.0.1", &old.port.to_string(), "2"]);
    let primary = || check(&sentinels.url(), &login).0;
    assert!(primary().contains(&format!("primary       127.0.0.1:{new}\n")), "{}", primary());
    sentinels.sentinels[1..].iter().for_each(RedisServer::stop);
    assert!(primary().contains(&format!("primary       127.0.0.1:{}\n", old.port)), "{}", primary());

    let cluster = Cluster::start();
    let (said, complaint) = check(&cluster.url(), &[]);
    assert!(said.starts_with("a cluster at 127.0.0.1:") && complaint.is_empty(), "{said}{complaint}");
    assert!(said.contains("  server        VERSION\n  storing       works\n"), "{said}");
    let primaries = said.lines().nth(1).unwrap();
    for index in cluster.primaries() {
        assert!(primaries.contains(&format!("127.0.0.1:{}", cluster.nodes[index].port)), "{said}");
    }
    assert_eq!(cluster.keys(), Vec::<String>::new());
    let (_, complaint) = check(&cluster.url().replace("://", &useless), &[]);
    assert_eq!(complaint, "", "a seed that hangs takes no more than its share of the time");
}
