//! `avatar-proxy check` says what it found at Redis.

use std::process::Command;

use super::acl::SMALLEST;
use crate::support::certificates::Certificates;
use crate::support::cluster::Cluster;
use crate::support::process::BINARY;
use crate::support::redis::{RedisServer, USER};
use crate::support::sentinel::{SentinelOptions, Sentinels};
use crate::support::server::quiet_port;

/// What it prints of Redis, and the complaint that ends it; `VERSION` stands for the server's. No secret is in either.
#[track_caller]
fn check(url: &str, more: &[(&str, &str)]) -> (String, String) {
    let output = Command::new(BINARY)
        .arg("check")
        .env_clear()
        .env("AVATAR_PROXY__REDIS__KEYS", "[\"sha256:hunter2\"]")
        .env("AVATAR_PROXY__REDIS__URL", url)
        .envs(more.iter().copied())
        .output()
        .unwrap();
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
    let unknown = sentinels.url().replace("/mymaster", "/theirs");
    assert_refused(&unknown, &login, "the sentinels know no master of the name theirs");
    let (_, complaint) = check(&sentinels.url(), &[]);
    assert!(complaint.contains("refused the login: wrong or missing redis.sentinel.username"), "{complaint}");

    let cluster = Cluster::start();
    let (said, complaint) = check(&cluster.url(), &[]);
    assert!(said.starts_with("a cluster at 127.0.0.1:") && complaint.is_empty(), "{said}{complaint}");
    assert!(said.contains("  server        VERSION\n  storing       works\n"), "{said}");
    let primaries = said.lines().nth(1).unwrap();
    for index in cluster.primaries() {
        assert!(primaries.contains(&format!("127.0.0.1:{}", cluster.nodes[index].port)), "{said}");
    }
    assert_eq!(cluster.keys(), Vec::<String>::new());
}
