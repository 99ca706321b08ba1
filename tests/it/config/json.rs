//! `[[providers.json]]`: every field changes what is asked, what is shown or what an error means.

use std::time::Duration;

use avatar_proxy::clock::Clock;
use graphsim::{Endpoint, Fault, Graphsim};
use serde_json::{Value, json};

use super::providers::sealed;
use super::util::{Calls, Database, SECOND, inspect, set};
use crate::support::accounts::small;
use crate::support::proxy::{Proxy, START, stand_in};

/// 2026-01-01 08:00 UTC.
const ENDS: i64 = START.as_secs() + 8 * 3600;

/// What came of one view.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    /// The API's request line, and what stood in its headers of our own.
    call: String,
    headers: Vec<String>,
    /// What the CDN was asked for.
    fetched: Option<String>,
    state: String,
    content: Value,
    ends: Value,
    token_ends: Value,
    trouble: Value,
    initials: String,
}

/// A stand-in whose API answers at two addresses, for the token in one header and in another.
async fn api() -> (Graphsim, Clock) {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let mut files = Vec::new();
    for name in ["a_small.jpg", "a_large.jpg", "b.jpg"] {
        files.push(sim.put_file(&format!("/p/{name}"), small(1)));
    }
    let body = json!({
        "picture": files[0], "picture2": files[2], "file": "b", "name": "Ada Lovelace", "name2": "Grace Hopper",
        "ends": ENDS, "code": "busy", "error": {"code": 190, "message": "no"},
    });
    for target in ["/v1/7", "/v2/7"] {
        sim.serve(Endpoint::new(target, None, body.clone()));
    }
    (sim, clock)
}

/// The block with more in it; a key that is given again is replaced.
fn block(sim: &Graphsim, changes: &str) -> String {
    let mut block: toml::Table = format!(
        "name = 'other'\nurl = '{}/v1/{{account}}'\nauth = 'bearer'\npointer = '/picture'\nhosts = ['127.0.0.1']",
        sim.other_url()
    )
    .parse()
    .unwrap();
    let changes = changes.replace("API", &sim.other_url()).replace("CDN", &sim.cdn_url());
    block.extend(changes.parse::<toml::Table>().unwrap());
    let blocks = toml::Value::Array(vec![block.into()]);
    let providers = toml::Table::from_iter([("json".to_owned(), blocks)]);
    toml::Table::from_iter([("providers".to_owned(), toml::Value::from(providers))]).to_string()
}

const ROW: &str = "[[connection]]\nid = 'acme'\nprovider = 'other'\naccount = '7'\ntoken = 'plain:token-7'\n";

async fn seen(changes: &str) -> Seen {
    let (sim, clock) = api().await;
    let proxy = Proxy::start(&sim, &clock, &format!("{ROW}{}", block(&sim, changes))).await;
    let answer = proxy.get("/avatar/acme").await;
    let heads = sim.heads();
    let ours = heads[0].lines().filter(|line| line.contains("token-7") || line.starts_with("x-"));
    let inspection = inspect(&proxy, "acme").await;
    let initials = proxy.get("/avatar/acme?d=initials&f=y").await;
    Seen {
        call: heads[0].lines().next().unwrap().to_owned(),
        headers: ours.map(str::to_owned).collect(),
        fetched: sim.request_lines().into_iter().find(|line| line.contains("/p/")),
        state: answer.state().to_owned(),
        content: inspection["content"].clone(),
        ends: inspection["link_expires_at"].clone(),
        token_ends: inspection["token_expires_at"].clone(),
        trouble: inspection["trouble"]["class"].clone(),
        initials: String::from_utf8(initials.body).unwrap().replace('\u{200c}', ""),
    }
}

/// Whether the first change leads to what the second does not.
async fn differs<T: PartialEq + std::fmt::Debug>(key: &str, one: &str, other: &str, of: impl Fn(&Seen) -> T) {
    let (one, other) = (seen(one).await, seen(other).await);
    assert_ne!(of(&one), of(&other), "{key}: {one:?}");
}

#[tokio::test]
async fn the_api_is_asked_as_is_configured() {
    let base = seen("").await;
    assert_eq!(base, seen("").await, "nothing of it changes by itself");
    assert_eq!((base.state.as_str(), base.call.as_str()), ("fresh", "GET /v1/7 HTTP/1.1"));
    differs("providers.json.url", "", "url = 'API/v2/{account}'", |seen| seen.call.clone()).await;
    differs("providers.json.auth", "", "auth = 'header:X-Token'", |seen| seen.headers.clone()).await;
    let query = seen("auth = 'query:key'").await;
    assert_eq!(
        (query.call.as_str(), query.headers.len()),
        ("GET /v1/7?key=token-7 HTTP/1.1", 1),
        "{query:?}"
    );
    assert_eq!(seen("auth = 'none'").await.headers, Vec::<String>::new());
    let version = seen("headers = { X-Version = '202506' }").await.headers;
    assert!(version.contains(&"x-version: 202506".to_owned()), "providers.json.headers: {version:?}");
    differs("providers.json.headers", "", "headers = { X-Version = '1' }", |seen| seen.headers.clone()).await;
}

#[tokio::test]
async fn a_row_names_the_block_by_its_name() {
    let (sim, clock) = api().await;
    let extra = ROW.replace("'other'", "'another'") + &block(&sim, "name = 'another'");
    let proxy = Proxy::start(&sim, &clock, &extra).await;
    assert_eq!(proxy.get("/avatar/acme").await.state(), "fresh");
    assert_eq!(inspect(&proxy, "acme").await["provider"], "another", "providers.json.name");
}

#[tokio::test]
async fn the_picture_is_the_one_that_is_pointed_at() {
    let fetched = |seen: &Seen| seen.fetched.clone();
    assert_eq!(seen("").await.fetched.as_deref(), Some("GET /p/a_small.jpg HTTP/1.1"));
    differs("providers.json.pointer", "", "pointer = '/picture2'", fetched).await;
    differs("providers.json.address", "", "pointer = ''\naddress = 'CDN/p/{/file}.jpg'", fetched).await;
    differs("providers.json.resize", "", "resize = ['_small.', '_large.']", fetched).await;
    let told = seen("resize = ['_small.', '_large.']\nexpires_pointer = '/ends'").await.fetched;
    assert_eq!(told.as_deref(), Some("GET /p/a_small.jpg HTTP/1.1"), "what ends is signed");
    differs("providers.json.hosts", "", "hosts = ['cdn.example']", |seen| seen.state.clone()).await;
    let content = |seen: &Seen| seen.content.clone();
    differs("providers.json.no_picture", "", "no_picture = ['/a_small']", content).await;
    differs("providers.json.optional", "pointer = '/x'", "pointer = '/x'\noptional = true", content).await;
    differs("providers.json.expires_pointer", "", "expires_pointer = '/ends'", |seen| seen.ends.clone())
        .await;
    let ends = "token_expires_pointer = '/ends'";
    differs("providers.json.token_expires_pointer", "", ends, |seen| seen.token_ends.clone()).await;
    assert_eq!(seen(ends).await.token_ends, ENDS * 1000);
    let named = "name_pointer = '/name'";
    differs("providers.json.name_pointer", named, "name_pointer = '/name2'", |seen| seen.initials.clone())
        .await;
}

/// The rows of two accounts without a picture are viewed for the first time.
async fn two_views(latency: Duration, changes: &str) -> Calls {
    let (sim, clock) = api().await;
    sim.serve(Endpoint::new("/v1/7", None, json!({"picture": null})));
    sim.api_fault(None, Some(Fault::Latency(latency)));
    let second = ROW.replace("'acme'", "'second'");
    let proxy = Proxy::start(&sim, &clock, &format!("{ROW}{second}{}", block(&sim, changes))).await;
    Calls::of(&sim, &proxy, ["/avatar/acme", "/avatar/second"]).await
}

#[tokio::test]
async fn a_json_provider_gets_as_many_calls_at_one_time_and_in_a_second_as_are_configured() {
    for calls in [1, 2] {
        let (key, name) = ("providers.json.max_calls", format!("max_calls = {calls}"));
        let seen = two_views(Duration::from_millis(500), &name).await;
        assert_eq!(seen.at_once, calls, "{key} = {calls}");
        let (key, name) = ("providers.json.calls_per_second", format!("calls_per_second = {calls}"));
        let seen = two_views(Duration::ZERO, &name).await;
        assert_eq!(seen.second_after >= SECOND, calls == 1, "{key} = {calls}: {:?}", seen.second_after);
    }
}

#[tokio::test]
async fn the_same_identity_is_the_same_picture_wherever_it_lies() {
    for (key, extra, fetches) in
        [("providers.json.identity_pointer", "identity_pointer = '/name'", 1), ("without it", "", 2)]
    {
        let (sim, clock) = api().await;
        let proxy = Proxy::start(&sim, &clock, &format!("{ROW}{}", block(&sim, extra))).await;
        proxy.get("/avatar/acme").await;
        let other = format!("{}/p/b.jpg", sim.cdn_url());
        sim.serve(Endpoint::new("/v1/7", None, json!({"picture": other, "name": "Ada Lovelace"})));
        proxy.admin("POST", "/api/avatars/acme/refresh").await;
        let lines = sim.request_lines();
        assert_eq!(lines.iter().filter(|line| line.contains("/p/")).count(), fetches, "{key}: {lines:?}");
    }
}

#[tokio::test]
async fn errors_are_recognised_and_classified_as_is_configured() {
    let trouble = |seen: &Seen| seen.trouble.clone();
    let coded = "error_pointer = '/code'";
    differs("providers.json.errors", "", "errors = 'meta'", trouble).await;
    differs("providers.json.error_pointer", "", coded, trouble).await;
    differs("providers.json.error_ok", coded, &format!("{coded}\nerror_ok = ['busy']"), trouble).await;
    let codes = format!("{coded}\nerror_codes = {{ busy = 'denied' }}");
    differs("providers.json.error_codes", coded, &codes, trouble).await;
    assert_eq!(seen(&codes).await.trouble, "denied");
}

/// What stands in the rows' columns after both were viewed, and the second was given its fresh address.
async fn saved(sim: &Graphsim, clock: &Clock, tokens: [&str; 2], changes: &str) -> [Option<String>; 2] {
    let [first, second] = tokens.map(|token| sealed(token, "sha256:k"));
    let database = Database::new(&format!(
        "CREATE TABLE other (key TEXT, account TEXT, token TEXT, picture TEXT);
         INSERT INTO other VALUES ('a', '7', '{first}', NULL), ('b', '8', '{second}', NULL);",
    ))
    .await;
    let table = "[[directory.table]]\nprovider = 'other'\ntable = 'other'\nid = 'key'\naccount = 'account'\n\
                 token = 'token'\npicture_url = 'picture'\n";
    let keys = set("tokens.keys", "[\"sha256:k\"]");
    let settings = format!("{}{keys}{table}{}", database.url(), block(sim, changes));
    let proxy = Proxy::start(sim, clock, &settings).await;
    for id in ["a", "b"] {
        assert_eq!(proxy.get(&format!("/avatar/{id}")).await.state(), "fresh");
        proxy.settled().await;
    }
    proxy.idle().await;
    let column =
        async |key: &str| database.text(&format!("SELECT picture FROM other WHERE key = '{key}'")).await;
    [column("a").await, column("b").await]
}

#[tokio::test]
async fn rows_of_a_table_name_a_json_provider_and_are_given_the_fresh_address() {
    let (sim, clock) = api().await;
    let picture = sim.put_file("/p/a_small.jpg", small(1));
    sim.serve(Endpoint::new("/v1/8", None, json!({"picture": picture})));
    assert_eq!(
        saved(&sim, &clock, ["x", "y"], "auth = 'none'").await,
        [Some(picture.clone()), Some(picture)]
    );
}

#[tokio::test]
async fn no_row_is_given_an_address_that_holds_its_token() {
    for written in ["to+ken/7", "to%2Bken%2F7", "to%2bken/7"] {
        let (sim, clock) = api().await;
        let secret = sim.put_file(&format!("/p/a.jpg?key={written}"), small(1));
        sim.serve(Endpoint::new("/v1/7", None, json!({"picture": secret})));
        let other = sim.put_file("/p/b.jpg", small(1));
        sim.serve(Endpoint::new("/v1/8", None, json!({"picture": other})));
        assert_eq!(saved(&sim, &clock, ["to+ken/7", "y"], "").await, [None, Some(other)], "{written}");
    }
}
