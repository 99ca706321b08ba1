//! Each fault in turn, cold and with last good bytes stored: what is served, and how many calls go out in the next minute.

use std::time::Duration;

use graphsim::Fault;

use crate::promises::rules::default;
use crate::support::accounts::{Connected, FACEBOOK, INSTAGRAM, TELEGRAM, small};
use crate::support::client::hash;
use crate::support::proxy::{Proxy, START, stand_in};
use avatar_proxy::clock::Clock;

/// Which server misbehaves.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Api,
    Cdn,
}

/// A fault, and the API calls and downloads of a minute in which the avatar is viewed every five seconds.
struct Row {
    name: &'static str,
    whose: Connected,
    side: Side,
    fault: Fault,
    calls: (usize, usize),
}

/// Pauses of 5, 10, 20 and 40 seconds, less jitter, leave room for this many attempts.
const TRANSIENT: usize = 4;
const ONCE: usize = 1;

fn graph_error(code: i64, subcode: Option<i64>) -> Fault {
    Fault::GraphError { status: 400, code, subcode, message: "An error of the stand-in".into() }
}

fn status(status: u16) -> Fault {
    Fault::Status { status, content_type: "text/plain", body: "URL signature expired".into() }
}

fn table() -> Vec<Row> {
    let api =
        |name, fault, attempts| Row { name, whose: FACEBOOK, side: Side::Api, fault, calls: (attempts, 0) };
    // The link that the provider gave stays good, so one API call is enough for all downloads.
    let cdn =
        |name, fault, attempts| Row { name, whose: INSTAGRAM, side: Side::Cdn, fault, calls: (1, attempts) };
    // The link is dropped and the provider asked once more, in each attempt.
    let dead = |name, fault| Row {
        name,
        whose: INSTAGRAM,
        side: Side::Cdn,
        fault,
        calls: (2 * TRANSIENT, 2 * TRANSIENT),
    };
    vec![
        api("API: closed", Fault::Close, TRANSIENT),
        api("API: reset", Fault::Reset, TRANSIENT),
        api("API: hang", Fault::Hang, TRANSIENT),
        api("API: 500", status(500), TRANSIENT),
        api("API: HTML", Fault::Html, TRANSIENT),
        api("API: empty", Fault::Empty, TRANSIENT),
        api("API: truncated", Fault::Truncated, TRANSIENT),
        api("API: wrong length", Fault::WrongLength, TRANSIENT),
        api("code 1", graph_error(1, None), TRANSIENT),
        api("code 2", graph_error(2, None), TRANSIENT),
        api("code 4", graph_error(4, None), ONCE),
        api("code 10", graph_error(10, None), ONCE),
        api("code 17", graph_error(17, Some(2_446_079)), ONCE),
        api("code 100", graph_error(100, None), ONCE),
        api("code 190/463", graph_error(190, Some(463)), ONCE),
        api("code 230", graph_error(230, None), ONCE),
        api("code 80002", graph_error(80002, None), ONCE),
        Row {
            name: "Telegram's 429",
            whose: TELEGRAM,
            side: Side::Api,
            fault: Fault::TooManyRequests { retry_after: 30 },
            calls: (2, 0),
        },
        cdn("CDN: closed", Fault::Close, TRANSIENT),
        cdn("CDN: reset", Fault::Reset, TRANSIENT),
        cdn("CDN: hang", Fault::Hang, TRANSIENT),
        cdn("CDN: 500", status(500), TRANSIENT),
        cdn("CDN: HTML", Fault::Html, TRANSIENT),
        cdn("CDN: empty", Fault::Empty, TRANSIENT),
        cdn("CDN: truncated", Fault::Truncated, TRANSIENT),
        cdn("CDN: wrong length", Fault::WrongLength, TRANSIENT),
        cdn("CDN: too large, declared", Fault::TooLarge { bytes: 300_000, declared: true }, ONCE),
        cdn("CDN: too large, counted", Fault::TooLarge { bytes: 300_000, declared: false }, ONCE),
        cdn("CDN: text as image/jpeg", Fault::TextAsJpeg, TRANSIENT),
        cdn("CDN: SVG", Fault::Svg, TRANSIENT),
        cdn("CDN: redirect to a private address", Fault::RedirectTo("http://10.0.0.1/a.jpg".into()), ONCE),
        cdn("CDN: redirect to a foreign host", Fault::RedirectTo("https://example.com/a.jpg".into()), ONCE),
        cdn("CDN: redirect to a file", Fault::RedirectTo("file:///etc/passwd".into()), ONCE),
        // Each attempt asks four times: the first address and three redirects.
        cdn("CDN: redirects in a loop", Fault::RedirectLoop, 4 * TRANSIENT),
        dead("CDN: 403", status(403)),
        dead("CDN: 404", status(404)),
        dead("CDN: 410", status(410)),
    ]
}

const SETTINGS: &str = r#"
[origin]
max_bytes = "200KiB"
[providers.instagram]
hosts = ["127.0.0.1", "10.0.0.1"]
"#;

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn with_nothing_held_every_fault_is_answered_by_a_placeholder_and_few_calls() {
    each(|row, sim, proxy| async move {
        script(&sim, &row);
        let answer = proxy.get(&row.whose.path()).await;
        assert_eq!((answer.status, answer.state()), (200, "placeholder"), "{}", row.name);
        let short = format!("public, max-age={}", default("avatar.headers.fallback_max_age").as_secs());
        assert_eq!(answer.header("cache-control"), Some(short.as_str()), "{}", row.name);
        assert_eq!(answer.header("content-type"), Some("image/svg+xml"), "{}", row.name);
        let picture = answer.hash();
        view_for_a_minute(&proxy, &row, &picture).await;
        assert_eq!((sim.total_api_calls(), sim.total_downloads()), row.calls, "{}", row.name);
        recovers(&sim, &proxy, &row).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn with_last_good_bytes_held_every_fault_is_answered_by_them_and_few_calls() {
    each(|row, sim, proxy| async move {
        let path = row.whose.path();
        let good = hash(&small(1).bytes);
        assert_eq!(proxy.get(&path).await.hash(), good, "{}", row.name);
        if row.side == Side::Cdn {
            // The same picture would not be downloaded again at all.
            sim.set_picture(row.whose.account, Some(small(2)));
        }
        proxy.clock.advance(Duration::from_secs(6 * 3600 + 1));
        script(&sim, &row);
        sim.reset_counters();
        assert_eq!(proxy.get(&path).await.hash(), good, "{}", row.name);
        proxy.settled().await;
        let answer = proxy.get(&path).await;
        assert_eq!((answer.state(), answer.hash()), ("last-good", good.clone()), "{}", row.name);
        view_for_a_minute(&proxy, &row, &good).await;
        assert_eq!((sim.total_api_calls(), sim.total_downloads()), row.calls, "{}", row.name);
        recovers(&sim, &proxy, &row).await;
    })
    .await;
}

/// Runs a scenario for each row, all at the same time.
async fn each<S, F>(scenario: S)
where
    S: Fn(Row, graphsim::Graphsim, Proxy) -> F + Copy + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let mut rows = tokio::task::JoinSet::new();
    for row in table() {
        rows.spawn(async move {
            let clock = Clock::manual(START);
            let sim = stand_in(&clock).await;
            row.whose.add(&sim, small(1));
            let proxy = Proxy::start(&sim, &clock, &(row.whose.entry("") + SETTINGS)).await;
            scenario(row, sim, proxy).await;
        });
    }
    while let Some(row) = rows.join_next().await {
        row.unwrap();
    }
}

fn script(sim: &graphsim::Graphsim, row: &Row) {
    match row.side {
        Side::Api => sim.api_fault(None, Some(row.fault.clone())),
        Side::Cdn => sim.cdn_fault(None, Some(row.fault.clone())),
    }
}

/// A view every five seconds shows the same all the time.
async fn view_for_a_minute(proxy: &Proxy, row: &Row, picture: &str) {
    for second in (5..60).step_by(5) {
        proxy.clock.advance(Duration::from_secs(5));
        let answer = proxy.get(&row.whose.path()).await;
        assert_eq!(answer.hash(), picture, "{} after {second} s", row.name);
        proxy.settled().await;
    }
}

/// The fault ends, and the next attempt that may start shows the picture of that day.
async fn recovers(sim: &graphsim::Graphsim, proxy: &Proxy, row: &Row) {
    sim.api_fault(None, None);
    sim.cdn_fault(None, None);
    let wanted = match row.side {
        Side::Cdn if sim.downloads(row.whose.account) > 0 => sim_picture(sim, row),
        Side::Cdn | Side::Api => hash(&small(1).bytes),
    };
    if row.name.starts_with("code 190") {
        // Not one more call for a dead token; only the operator may insist.
        proxy.clock.advance(Duration::from_secs(48 * 3600));
        let before = sim.total_api_calls();
        proxy.get(&row.whose.path()).await;
        proxy.settled().await;
        assert_eq!(sim.total_api_calls(), before, "{}", row.name);
        let refreshed = proxy.admin("POST", &format!("/api/avatars/{}/refresh", row.whose.id)).await;
        assert_eq!(refreshed.status, 200, "{}", refreshed.head);
    } else {
        proxy.clock.advance(Duration::from_secs(25 * 3600));
    }
    proxy.get_until(&row.whose.path(), |answer| answer.state() == "fresh" && answer.hash() == wanted).await;
}

/// What the stand-in shows of the account now, asked for by its own address.
fn sim_picture(sim: &graphsim::Graphsim, row: &Row) -> String {
    // A changed picture has a higher number in its file name.
    let changed = sim.direct_address(row.whose.account).contains("/400000002_");
    hash(&small(if changed { 2 } else { 1 }).bytes)
}

#[tokio::test]
pub(crate) async fn a_refused_connection_is_answered_as_every_other_fault() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    FACEBOOK.add(&sim, small(1));
    TELEGRAM.add(&sim, small(2));
    let proxy = Proxy::start(&sim, &clock, &(FACEBOOK.entry("") + &TELEGRAM.entry(""))).await;
    assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
    sim.refuse_api(true).await;
    assert_eq!(proxy.get(&TELEGRAM.path()).await.state(), "placeholder");
    clock.advance(Duration::from_secs(6 * 3600 + 1));
    let answer = proxy.get_until(&FACEBOOK.path(), |answer| answer.state() == "last-good").await;
    assert_eq!(answer.hash(), hash(&small(1).bytes));
    let inspected = proxy.admin("GET", &format!("/api/avatars/{}", FACEBOOK.id)).await;
    assert!(String::from_utf8_lossy(&inspected.body).contains("connection refused"));
    sim.refuse_api(false).await;
    clock.advance(Duration::from_secs(10));
    proxy.get_until(&FACEBOOK.path(), |answer| answer.state() == "fresh").await;
}
