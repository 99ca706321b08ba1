//! `[providers.*]` and `[tokens]`.

use std::process::{Command, Stdio};
use std::time::Duration;

use graphsim::{Fault, Graphsim};

use super::util::{Calls, SECOND, one, set};
use crate::support::accounts::{Connected, FACEBOOK, INSTAGRAM, TELEGRAM};
use crate::support::client::Answer;
use crate::support::proxy::Proxy;

/// The answer for an account with a key set so, and the API's request lines that led to it.
async fn asked(connected: &Connected, extra: &str) -> (Answer, Vec<String>) {
    let (sim, clock) = one(connected).await;
    let proxy = Proxy::start(&sim, &clock, &(extra.to_owned() + &connected.entry(""))).await;
    let answer = proxy.get(&connected.path()).await;
    (answer, sim.request_lines())
}

async fn calls_reach(connected: &Connected, key: &str, url: impl Fn(&Graphsim) -> String) {
    let (sim, clock) = one(connected).await;
    let (other, _) = one(connected).await;
    let extra = set(key, &format!("\"{}\"", url(&other))) + &connected.entry("");
    let proxy = Proxy::start(&sim, &clock, &extra).await;
    proxy.get(&connected.path()).await;
    assert_eq!((sim.total_api_calls(), other.total_api_calls() > 0), (0, true), "{key}");
}

#[tokio::test]
async fn each_provider_is_asked_where_it_is_configured() {
    calls_reach(&INSTAGRAM, "providers.instagram.base_url", Graphsim::instagram_url).await;
    calls_reach(&FACEBOOK, "providers.facebook.base_url", Graphsim::facebook_url).await;
    calls_reach(&TELEGRAM, "providers.telegram.base_url", Graphsim::telegram_url).await;
}

/// Two connections of one account without a picture are viewed for the first time.
async fn two_views(connected: &Connected, latency: Duration, extra: &str) -> Calls {
    let (sim, clock) = one(connected).await;
    sim.set_picture(connected.account, None);
    let second = Connected { id: "the-second", ..connected.clone() };
    sim.api_fault(None, Some(Fault::Latency(latency)));
    let entries = connected.entry("") + &second.entry("");
    let proxy = Proxy::start(&sim, &clock, &(extra.to_owned() + &entries)).await;
    Calls::of(&sim, &proxy, [&connected.path(), &second.path()]).await
}

#[tokio::test]
async fn a_provider_gets_as_many_calls_at_one_time_as_are_configured() {
    for (connected, key) in [
        (INSTAGRAM, "providers.instagram.max_calls"),
        (FACEBOOK, "providers.facebook.max_calls"),
        (TELEGRAM, "providers.telegram.max_calls"),
    ] {
        for (value, calls) in [("1", 1), ("2", 2)] {
            let seen = two_views(&connected, Duration::from_millis(500), &set(key, value)).await;
            assert_eq!(seen.at_once, calls, "{key} = {value}");
        }
    }
}

#[tokio::test]
async fn a_provider_gets_as_many_calls_in_a_second_as_are_configured() {
    for (connected, key) in [
        (INSTAGRAM, "providers.instagram.calls_per_second"),
        (FACEBOOK, "providers.facebook.calls_per_second"),
        (TELEGRAM, "providers.telegram.calls_per_second"),
    ] {
        for (value, slow) in [("1", true), ("100", false)] {
            let seen = two_views(&connected, Duration::ZERO, &set(key, value)).await;
            assert_eq!(seen.second_after >= SECOND, slow, "{key} = {value}: {:?}", seen.second_after);
        }
    }
}

#[tokio::test]
async fn graph_is_asked_in_the_version_that_is_configured() {
    for (connected, key) in
        [(INSTAGRAM, "providers.instagram.version"), (FACEBOOK, "providers.facebook.version")]
    {
        for version in ["v25.0", "v23.0"] {
            let (_, lines) = asked(&connected, &set(key, &format!("\"{version}\""))).await;
            assert!(lines[0].starts_with(&format!("GET /{version}/")), "{key}: {lines:?}");
        }
    }
}

#[tokio::test]
async fn calls_are_signed_with_the_app_secret_that_is_configured() {
    for (connected, key) in
        [(INSTAGRAM, "providers.instagram.app_secret"), (FACEBOOK, "providers.facebook.app_secret")]
    {
        let mut proofs = Vec::new();
        for secret in ["", "one", "two"] {
            let (_, lines) = asked(&connected, &set(key, &format!("\"{secret}\""))).await;
            let proof = lines[0].split_once("appsecret_proof=").map(|(_, proof)| proof[..64].to_owned());
            assert_eq!(proof.is_some(), !secret.is_empty(), "{key}: {lines:?}");
            proofs.push(proof);
        }
        assert_ne!(proofs[1], proofs[2], "{key}");
    }
}

#[tokio::test]
async fn facebook_is_asked_for_the_size_that_is_configured() {
    for size in ["640", "200"] {
        let (_, lines) = asked(&FACEBOOK, &set("providers.facebook.size", size)).await;
        assert!(lines[0].contains(&format!("width({size}).height({size})")), "{lines:?}");
    }
}

#[tokio::test]
async fn pictures_come_only_from_the_hosts_that_are_configured() {
    for (connected, key) in [(INSTAGRAM, "providers.instagram.hosts"), (FACEBOOK, "providers.facebook.hosts")]
    {
        for (value, state) in [("[\"127.0.0.1\"]", "fresh"), ("[\"fbcdn.net\"]", "placeholder")] {
            assert_eq!(asked(&connected, &set(key, value)).await.0.state(), state, "{key} = {value}");
        }
    }
}

/// The token, sealed by the command with this key.
pub(super) fn sealed(token: &str, key: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_avatar-proxy"))
        .args(["token", "seal"])
        .env_clear()
        .env("AVATAR_PROXY__TOKENS__KEYS", format!("[\"{key}\"]"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), token.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_token_is_opened_with_the_keys_and_in_the_format_that_are_configured() {
    let (sim, clock) = one(&FACEBOOK).await;
    let plain = FACEBOOK.entry("");
    let entry = plain.replace(&format!("plain:{}", FACEBOOK.token), &sealed(FACEBOOK.token, "sha256:new"));
    for (keys, format, state) in [
        ("[\"sha256:new\"]", "auto", "fresh"),
        ("[\"sha256:other\"]", "auto", "placeholder"),
        ("[\"sha256:other\", \"sha256:new\"]", "auto", "fresh"),
        ("[\"sha256:new\"]", "json", "placeholder"),
    ] {
        let extra = set("tokens.keys", keys) + &set("tokens.format", &format!("\"{format}\"")) + &entry;
        let proxy = Proxy::start(&sim, &clock, &extra).await;
        assert_eq!(proxy.get(&FACEBOOK.path()).await.state(), state, "{keys} {format}");
    }
}
