use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use graphsim::dashboard::{Dashboard, Shown};
use graphsim::{Account, Kind, pictures};
use serde_json::Value;

use crate::support::accounts::{ALL, Connected, INSTAGRAM};
use crate::support::chromium::Chromium;
use crate::support::proxy::{LIFE, Proxy, START, stand_in};
use avatar_proxy::clock::Clock;

/// An account whose CDN sends CORP same-origin, as cdninstagram.com does.
const BLOCKED: Connected = Connected {
    id: "clx3blocked",
    account: "17841400000000055",
    token: "IGAAtoken-of-the-blocked-one",
    ..INSTAGRAM
};

/// Each image of the page: what it is, whose, whether it is loaded, and its natural width.
const IMAGES: &str = "return [...document.querySelectorAll('#accounts img')].map((image) => \
    [image.className, image.dataset.id, image.complete, image.naturalWidth])";

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_hot_linked_pictures_break_and_proxied_ones_never_do() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    for (seed, connected) in (1..).zip(ALL) {
        connected.add(&sim, pictures::jpeg(seed, 160));
    }
    sim.add(Account {
        corp_same_origin: true,
        ..Account::new(Kind::Instagram, BLOCKED.account, BLOCKED.token, pictures::webp(9, 160))
    });
    let accounts: Vec<Connected> = ALL.into_iter().chain([BLOCKED]).collect();
    let entries: String = accounts.iter().map(|connected| connected.entry("")).collect();
    let proxy = Proxy::start(&sim, &clock, &entries).await;
    let shown = accounts.iter().map(|connected| Shown {
        id: connected.id.into(),
        account: connected.account.into(),
        name: connected.id.into(),
        provider: connected.provider.into(),
    });
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let proxy_url = format!("http://{}", proxy.address);
    let dashboard = Dashboard::start(sim.clone(), shown.collect(), proxy_url, any).await.unwrap();

    let chromium = Chromium::start().await;
    chromium.open(&dashboard.url()).await;
    until(&chromium, |kind, id, width| (kind == "proxied" || id != BLOCKED.id) == (width > 0)).await;
    clock.advance(LIFE + Duration::from_secs(3600));
    until(&chromium, |kind, _, width| (kind == "proxied") == (width > 0)).await;

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join("browser.png"), chromium.screenshot().await).unwrap();
    chromium.close().await;
}

/// Waits until every image is as it should be; the page asks again every five seconds. Proxied ones are shown
/// throughout.
async fn until(chromium: &Chromium, right: impl Fn(&str, &str, u64) -> bool) {
    let mut images = Value::Null;
    for _ in 0..150 {
        images = chromium.run(IMAGES).await;
        let all: Vec<(&str, &str, bool, u64)> = images
            .as_array()
            .expect("images")
            .iter()
            .map(|image| {
                let text = |index: usize| image[index].as_str().unwrap();
                (text(0), text(1), image[2].as_bool().unwrap(), image[3].as_u64().unwrap())
            })
            .collect();
        assert_eq!(all.len(), 8);
        for (kind, id, complete, width) in &all {
            assert!(*kind == "direct" || !complete || *width > 0, "the proxied picture of {id} is broken");
        }
        if all.iter().all(|(kind, id, complete, width)| *complete && right(kind, id, *width)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the pictures never became what they should be: {images}");
}
