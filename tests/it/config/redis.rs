//! `[redis]`: what two instances share, and what they do not.

use std::time::Duration;

use avatar_proxy::config::{Config, Environment};
use graphsim::{Fault, PictureFile};

use super::util::{facebook, heavy, one, set};
use crate::support::accounts::{FACEBOOK, small};
use crate::support::certificates::Certificates;
use crate::support::chaos::{Chaos, Mode};
use crate::support::process::Process;
use crate::support::proxy::Proxy;
use crate::support::redis::{RedisServer, USER};
use crate::support::sentinel::{SentinelOptions, Sentinels};
use crate::support::wait::until_some;

/// `redis.url` at that server, and a key to seal with.
fn at(url: &str) -> String {
    set("redis.url", &format!("\"{url}\"")) + &set("redis.keys", "[\"sha256:ours\"]")
}

/// How many API calls and downloads two instances need for one avatar that both are asked for.
async fn fetched_by_two(first: &str, second: &str) -> (usize, usize) {
    fetched(small(1), first, second).await
}

async fn fetched(picture: PictureFile, first: &str, second: &str) -> (usize, usize) {
    let (sim, clock) = one(&FACEBOOK).await;
    sim.set_picture(FACEBOOK.account, Some(picture));
    for extra in [first, second] {
        let proxy = facebook(&sim, &clock, extra).await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), "fresh");
        proxy.settled().await;
        proxy.stop().await;
    }
    (sim.api_calls(FACEBOOK.account), sim.downloads(FACEBOOK.account))
}

const SHARED: (usize, usize) = (1, 1);
const APART: (usize, usize) = (2, 2);

async fn status(proxy: &Proxy) -> serde_json::Value {
    let answer = proxy.admin("GET", "/api/redis").await;
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// Whether an instance with these settings is subscribed to the others' messages.
async fn is_joined(extra: &str) -> bool {
    let (sim, clock) = one(&FACEBOOK).await;
    status(&facebook(&sim, &clock, extra).await).await["subscribed"] == true
}

/// How long the key of this kind lives after a view, in seconds.
async fn life(redis: &RedisServer, kind: &str, extra: &str) -> i64 {
    let (sim, clock) = one(&FACEBOOK).await;
    sim.cdn_fault(None, Some(Fault::Latency(Duration::from_millis(400))));
    let proxy = facebook(&sim, &clock, extra).await;
    let view = async { proxy.get(&FACEBOOK.path()).await };
    let look = async {
        let key = format!("avatar-proxy:{{{}}}:{kind}", FACEBOOK.id);
        until_some(&format!("{key} is there"), async || {
            let left: i64 = redis.cli(&["PTTL", &key]).parse().unwrap();
            (left > 0).then_some((left + 999) / 1000)
        })
        .await
    };
    let (_, left) = tokio::join!(view, look);
    proxy.settled().await;
    redis.cli(&["FLUSHALL"]);
    left
}

#[tokio::test]
async fn instances_share_the_server_that_is_configured_or_have_none() {
    let redis = RedisServer::start();
    let shared = at(&redis.url());
    assert_eq!(fetched_by_two(&shared, &shared).await, SHARED);
    let none = set("redis.url", "\"\"");
    assert_eq!(fetched_by_two(&none, &none).await, APART);

    // The dashboard's own variable is taken where the key is empty.
    let (sim, _) = one(&FACEBOOK).await;
    let (folder, extra) = (tempfile::tempdir().unwrap(), none + &set("redis.keys", "[\"sha256:ours\"]"));
    let process = Process::start(&sim, folder.path(), &extra, &[("REDIS_URL", &redis.url())]).await;
    let answer = crate::support::client::request(process.admin, "GET", "/api/redis", "").await;
    assert_eq!(answer.status, 200);
    assert!(!redis.clients().is_empty());
}

#[tokio::test]
async fn two_deployments_on_one_server_do_not_see_each_other() {
    let redis = RedisServer::start();
    let [ours, theirs] =
        ["\"ours\"", "\"theirs:2\""].map(|prefix| at(&redis.url()) + &set("redis.prefix", prefix));
    assert_eq!(fetched_by_two(&ours, &theirs).await, APART);
    let keys = redis.keys();
    for prefix in ["ours:", "theirs:2:"] {
        assert!(keys.contains(&format!("{prefix}{{{}}}:entry", FACEBOOK.id)), "{keys:?}");
    }
    assert!(keys.iter().all(|key| key.starts_with("ours:") || key.starts_with("theirs:2:")), "{keys:?}");
}

#[tokio::test]
async fn an_answer_that_is_slower_than_configured_is_a_miss() {
    let redis = RedisServer::start();
    for (timeout, calls) in [("\"5s\"", 1), ("\"60ms\"", 2)] {
        let (sim, clock) = one(&FACEBOOK).await;
        let first = facebook(&sim, &clock, &at(&redis.url())).await;
        first.get(&FACEBOOK.path()).await;
        first.settled().await;
        let chaos = Chaos::start(([127, 0, 0, 1], redis.port).into());
        let extra = at(&format!("redis://{}", chaos.address())) + &set("redis.timeout", timeout);
        let second = facebook(&sim, &clock, &extra).await;
        chaos.set(Mode::Delay(Duration::from_millis(60)));
        assert_eq!(second.get(&FACEBOOK.path()).await.state(), "fresh");
        assert_eq!(sim.api_calls(FACEBOOK.account), calls, "{timeout}");
        redis.cli(&["FLUSHALL"]);
    }
}

#[tokio::test]
async fn a_lease_lasts_as_long_as_configured() {
    let redis = RedisServer::start();
    for (lease, seconds) in [("\"15s\"", 13..=15), ("\"70s\"", 68..=70)] {
        let left = life(&redis, "lease", &(at(&redis.url()) + &set("redis.lease", lease))).await;
        assert!(seconds.contains(&left), "{left} s");
    }
}

#[test]
fn a_timeout_that_outlives_the_lease_is_refused() {
    let refused = |timeout: &str, lease: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let times = format!("redis.timeout = \"{timeout}\"\nredis.lease = \"{lease}\"\n");
        std::fs::write(&file, at("redis://127.0.0.1") + &times).unwrap();
        Config::load(Some(file.path()), &Environment::new([]).unwrap()).err().map(|error| error.to_string())
    };
    assert_eq!(refused("999ms", "1s"), None);
    for (timeout, lease) in [("1s", "1s"), ("1m", "15s")] {
        let said = refused(timeout, lease).unwrap();
        for part in ["redis.timeout", timeout, &format!("expected less than redis.lease = {lease}")] {
            assert!(said.contains(part), "{said}");
        }
    }
}

#[tokio::test]
async fn a_picture_is_kept_in_redis_as_long_as_configured() {
    let redis = RedisServer::start();
    for (keep, seconds) in [("\"1m\"", 58..=60), ("\"2h\"", 7198..=7200)] {
        let left = life(&redis, "picture", &(at(&redis.url()) + &set("redis.keep_bytes_for", keep))).await;
        assert!(seconds.contains(&left), "{left} s");
    }
}

#[tokio::test]
async fn a_value_that_another_key_sealed_is_not_opened() {
    let redis = RedisServer::start();
    let with = |redis_keys: &str, tokens_keys: &str| {
        set("redis.url", &format!("\"{}\"", redis.url()))
            + &set("redis.keys", redis_keys)
            + &set("tokens.keys", tokens_keys)
    };
    let ours = with("[\"sha256:ours\"]", "[]");
    let both = with("[\"sha256:new\", \"sha256:ours\"]", "[]");
    let (sim, clock) = one(&FACEBOOK).await;
    for (extra, calls, rejects) in
        [(&ours, 1, false), (&both, 1, false), (&with("[\"sha256:theirs\"]", "[]"), 2, true)]
    {
        let instance = facebook(&sim, &clock, extra).await;
        assert_eq!(instance.get(&FACEBOOK.path()).await.state(), "fresh");
        instance.settled().await;
        assert_eq!(sim.api_calls(FACEBOOK.account), calls);
        assert_eq!(status(&instance).await["rejected"] != 0, rejects, "{}", status(&instance).await);
        instance.stop().await;
    }

    redis.cli(&["FLUSHALL"]);
    let [derived, otherwise] = ["[\"sha256:a\"]", "[\"sha256:b\"]"].map(|tokens| with("[]", tokens));
    assert_eq!(fetched_by_two(&derived, &derived).await, SHARED);
    redis.cli(&["FLUSHALL"]);
    assert_eq!(fetched_by_two(&derived, &otherwise).await, APART);

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, with("[]", "[]")).unwrap();
    let refused = Config::load(Some(file.path()), &Environment::new([]).unwrap()).err().unwrap();
    assert!(refused.to_string().contains("redis.keys"), "{refused}");
}

#[tokio::test]
async fn a_picture_that_is_larger_than_configured_stays_local_and_its_address_is_shared() {
    let redis = RedisServer::start();
    let picture = format!("avatar-proxy:{{{}}}:picture", FACEBOOK.id);
    for (most, downloads) in [("\"2MiB\"", 1), ("\"64KiB\"", 2)] {
        let extra = at(&redis.url()) + &set("redis.max_value", most);
        assert_eq!(fetched(heavy(90 * 1024), &extra, &extra).await, (1, downloads), "{most}");
        assert_eq!(redis.keys().contains(&picture), downloads == 1, "{:?}", redis.keys());
        redis.cli(&["FLUSHALL"]);
    }
}

#[tokio::test]
async fn tls_trusts_the_root_and_shows_the_certificate_that_are_configured() {
    let certificates = Certificates::create(USER);
    let redis = RedisServer::start_tls(&certificates, true);
    let path = |path: &std::path::Path| format!("\"{}\"", path.display());
    let ca = set("redis.tls.ca", &path(&certificates.ca));
    let own = set("redis.tls.cert", &path(&certificates.client_cert))
        + &set("redis.tls.key", &path(&certificates.client_key));
    let all = at(&redis.url()) + &ca + &own;
    assert_eq!(fetched_by_two(&all, &all).await, SHARED);
    assert!(!is_joined(&(at(&redis.url()) + &ca)).await, "without a certificate");
    assert!(!is_joined(&(at(&redis.url()) + &own)).await, "without the root");
}

#[tokio::test]
async fn the_sentinels_are_asked_with_the_login_that_is_configured() {
    let options = SentinelOptions { sentinels: Some(("watcher", "hunter2")), ..SentinelOptions::default() };
    let sentinels = Sentinels::start(options);
    let with = |user: &str, password: &str| {
        at(&sentinels.url())
            + &set("redis.sentinel.username", &format!("\"{user}\""))
            + &set("redis.sentinel.password", &format!("\"{password}\""))
    };
    let right = with("watcher", "hunter2");
    assert_eq!(fetched_by_two(&right, &right).await, SHARED);
    for wrong in [with("watcher", "hunter3"), with("other", "hunter2"), at(&sentinels.url())] {
        assert!(!is_joined(&wrong).await, "{wrong}");
    }
}
