//! `[memory]` and `[disk]`.

use graphsim::Fault;

use super::util::{facebook, heavy, one, page, set};
use crate::support::accounts::FACEBOOK;
use crate::support::proxy::{Proxy, START, stand_in};
use avatar_proxy::clock::Clock;

const PAGES: u32 = 6;

/// Views six pages of 400 KiB, takes the providers away, restarts where that is wanted, and counts what is still shown.
async fn kept(extra: &str, restart: bool) -> usize {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    let mut extra = extra.to_owned() + &set("origin.stream_above", "\"8MiB\"");
    for n in 0..PAGES {
        extra.push_str(&page(&sim, n, heavy(400 * 1024)));
    }
    let mut proxy = Proxy::start(&sim, &clock, &extra).await;
    for n in 0..PAGES {
        assert_eq!(proxy.get(&format!("/avatar/page-{n}")).await.state(), "fresh");
    }
    sim.api_fault(None, Some(Fault::Close));
    sim.cdn_fault(None, Some(Fault::Close));
    proxy.settled().await;
    if restart {
        let folder = proxy.stop().await;
        proxy = Proxy::start_in(&sim, &clock, &extra, folder).await;
    }
    let mut shown = 0;
    for n in 0..PAGES {
        shown += usize::from(proxy.get(&format!("/avatar/page-{n}")).await.state() == "fresh");
    }
    shown
}

#[tokio::test]
async fn memory_holds_as_much_as_is_configured() {
    let off = set("disk.path", "\"\"");
    assert_eq!(kept(&(set("memory.max_bytes", "\"256MiB\"") + &off), false).await, 6);
    let few = kept(&(set("memory.max_bytes", "\"1MiB\"") + &off), false).await;
    assert!((1..=2).contains(&few), "{few} pictures of 400 KiB in 1 MiB");
}

#[tokio::test]
async fn the_disk_keeps_as_much_as_is_configured() {
    assert_eq!(kept(&set("disk.max_bytes", "\"4GiB\""), true).await, 6);
    let few = kept(&set("disk.max_bytes", "\"1MiB\""), true).await;
    assert!((1..=2).contains(&few), "{few} pictures of 400 KiB in 1 MiB");
}

#[tokio::test]
async fn the_disk_is_the_file_that_is_configured_or_none() {
    let (sim, clock) = one(&FACEBOOK).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("further/down.db");
    let proxy = facebook(&sim, &clock, &set("disk.path", &format!("\"{}\"", path.display()))).await;
    assert!(path.exists() && !proxy.disk_file().exists());
    assert_eq!(kept("", true).await, 6);
    assert_eq!(kept(&set("disk.path", "\"\""), true).await, 0);
}
