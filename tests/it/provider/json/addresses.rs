//! A provider that is no longer configured, an API that redirects, a picture on another host.

use std::time::Duration;

use avatar_proxy::clock::Clock;
use graphsim::{Endpoint, Graphsim};
use serde_json::{Value, json};

use crate::support::accounts::small;
use crate::support::client::{self, Answer, hash};
use crate::support::proxy::{Proxy, START, stand_in};

async fn api(picture: impl Fn(&Graphsim) -> String) -> (Graphsim, Clock, String) {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    sim.put_file("/p/a.jpg", small(1));
    sim.serve(Endpoint::new("/me", None, json!({"picture": picture(&sim)})));
    let extra = format!(
        "[[connection]]\nid = \"acme\"\nprovider = \"other\"\ntoken = \"plain:token-of-acme\"\n[[providers.json]]\n\
         name = \"other\"\nurl = \"{}/me\"\nauth = \"bearer\"\npointer = \"/picture\"\nhosts = [\"127.0.0.1\"]\n",
        sim.other_url()
    );
    (sim, clock, extra)
}

fn at_the_cdn(sim: &Graphsim) -> String {
    format!("{}/p/a.jpg", sim.cdn_url())
}

async fn purge(proxy: &Proxy, body: &str) -> Answer {
    let head = format!(
        "POST /api/purge HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client::raw(proxy.admin, &(head + body)).await
}

async fn inspect(proxy: &Proxy) -> Value {
    let answer = proxy.admin("POST", "/api/avatars/acme/refresh").await;
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn avatars_of_a_provider_that_is_no_longer_configured_can_be_read_and_purged() {
    for order in [r#"{"provider":"other","hard":true}"#, r#"{"all":true,"hard":true}"#] {
        let (sim, clock, extra) = api(at_the_cdn).await;
        let proxy = Proxy::start(&sim, &clock, &extra).await;
        assert_eq!(proxy.get("/avatar/acme").await.state(), "fresh");
        let folder = proxy.stop().await;
        let proxy = Proxy::start_in(&sim, &clock, "", folder).await;
        let held: Value =
            serde_json::from_slice(&proxy.admin("GET", "/api/avatars/acme").await.body).unwrap();
        assert_eq!((&held["provider"], &held["content"]), (&json!("other"), &json!("picture")));
        assert_eq!(
            purge(&proxy, r#"{"provider":"others","hard":true}"#).await.status,
            400,
            "a slip of the pen"
        );
        let purged = purge(&proxy, order).await;
        let report: Value = serde_json::from_slice(&purged.body).unwrap();
        assert_eq!((purged.status, &report["avatars"]), (200, &json!(1)), "{order}");
        assert_eq!(proxy.admin("GET", "/api/avatars/acme").await.status, 404, "{order}");
    }
}

#[tokio::test]
async fn at_a_presigned_storage_address_a_changed_picture_is_seen_and_an_equal_one_is_the_same() {
    let (sim, clock, extra) = api(at_the_cdn).await;
    let lies_at = |signature: &str, seed: u32| {
        let target = format!(
            "/avatars/7.png?X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600&X-Amz-Signature={signature}"
        );
        let picture = sim.put_file(&target, small(seed));
        sim.serve(Endpoint::new("/me", None, json!({"picture": picture})));
    };
    lies_at("a", 1);
    let proxy = Proxy::start(&sim, &clock, &extra).await;
    let first = proxy.get("/avatar/acme").await;
    assert_eq!(first.hash(), hash(&small(1).bytes));
    lies_at("b", 1);
    clock.advance(Duration::from_secs(60));
    inspect(&proxy).await;
    let again = proxy.get("/avatar/acme").await;
    assert_eq!(again.header("last-modified"), first.header("last-modified"), "equal bytes");
    lies_at("c", 2);
    inspect(&proxy).await;
    assert_eq!(proxy.get("/avatar/acme").await.hash(), hash(&small(2).bytes));
}

#[tokio::test]
async fn no_redirect_of_an_api_is_followed_since_the_token_must_not_travel() {
    let (sim, clock, extra) = api(at_the_cdn).await;
    let elsewhere = format!("{}/elsewhere", sim.other_url());
    sim.serve(Endpoint::new("/elsewhere", None, json!({"picture": at_the_cdn(&sim)})));
    let to = Endpoint {
        status: 302,
        headers: vec![("Location", elsewhere)],
        ..Endpoint::new("/me", None, json!({}))
    };
    sim.serve(to);
    let proxy = Proxy::start(&sim, &clock, &extra).await;
    assert_eq!(proxy.get("/avatar/acme").await.state(), "placeholder");
    let trouble = inspect(&proxy).await["trouble"].clone();
    assert_eq!((&trouble["class"], &trouble["reason"]), (&json!("misconfigured"), &json!("HTTP 302")));
    assert_eq!(sim.endpoint_calls("/elsewhere"), 0);
}

#[tokio::test]
async fn a_picture_with_the_api_itself_may_have_moved_to_a_listed_host() {
    let (sim, clock, extra) = api(|sim| format!("{}/moved.jpg", sim.other_url())).await;
    let headers = vec![("Location", at_the_cdn(&sim))];
    sim.serve(Endpoint { status: 302, headers, ..Endpoint::new("/moved.jpg", None, json!({})) });
    let proxy = Proxy::start(&sim, &clock, &extra).await;
    assert_eq!(proxy.get("/avatar/acme").await.hash(), hash(&small(1).bytes));
}

#[tokio::test]
async fn a_picture_on_a_host_that_is_not_listed_is_not_fetched() {
    for picture in ["http://localhost:1/a.jpg", "file:///etc/passwd", "http://127.0.0.1.example/a.jpg"] {
        let (sim, clock, extra) = api(|_| picture.to_owned()).await;
        let proxy = Proxy::start(&sim, &clock, &extra).await;
        assert_eq!(proxy.get("/avatar/acme").await.state(), "placeholder", "{picture}");
        assert_eq!(inspect(&proxy).await["trouble"]["class"], "misconfigured", "{picture}");
    }
}
