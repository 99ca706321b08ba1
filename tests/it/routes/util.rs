//! A proxy with one picture and one account that has none, and heads as maps.

use std::collections::BTreeMap;

use avatar_proxy::clock::Clock;
use graphsim::Graphsim;

use crate::support::accounts::{FACEBOOK, INSTAGRAM, small};
use crate::support::client::Answer;
use crate::support::proxy::{Proxy, START, stand_in};

/// Facebook's page has a picture, which is held already; Instagram's account has none.
pub(super) async fn proxy(extra: &str) -> (Graphsim, Proxy) {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    INSTAGRAM.add(&sim, small(2));
    sim.set_picture(INSTAGRAM.account, None);
    let extra = extra.to_owned() + &FACEBOOK.entry("") + &INSTAGRAM.entry("");
    let proxy = Proxy::start(&sim, &clock, &extra).await;
    for connected in [FACEBOOK, INSTAGRAM] {
        proxy.get(&connected.path()).await;
    }
    proxy.settled().await;
    (sim, proxy)
}

/// The fields of a head in lower case, without `Date`; fails if one stands twice.
#[track_caller]
pub(super) fn fields(answer: &Answer) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for line in answer.head.lines().skip(1).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        let twice = fields.insert(name.to_lowercase(), value.trim().to_owned());
        assert_eq!(twice, None, "{name} stands twice in {}", answer.head);
    }
    assert!(fields.remove("date").is_some(), "an origin server has a clock (RFC 9110 6.6.1)");
    fields
}

/// Fails unless these fields and no others came.
#[track_caller]
pub(super) fn assert_fields(answer: &Answer, expected: &[(&str, &str)]) {
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(fields(answer), expected, "{}", answer.head);
}

/// Fails unless it is a small JSON with this code that no cache may store.
#[track_caller]
pub(super) fn assert_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.head);
    assert_eq!(answer.header("content-type"), Some("application/json"), "{}", answer.head);
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", answer.head);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{}", answer.head);
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["error"], code, "{body}");
    assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
}
