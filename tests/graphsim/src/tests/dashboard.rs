//! The dashboard: its page, its state and its buttons. A socket that tells a fixed head stands for the proxy.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::client::{Answer, authority, get, get_with, send, try_send};
use super::{LIFE, World, picture};
use crate::Kind;
use crate::dashboard::{Dashboard, Shown};

fn shown() -> Vec<Shown> {
    vec![Shown {
        id: "clx1".to_owned(),
        account: "1045".to_owned(),
        name: "Café \"Müller\" <b>".to_owned(),
        provider: "Instagram".to_owned(),
    }]
}

/// Answers each connection with the head that a proxy would send, and gives its address.
async fn proxy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::task::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.expect("a request");
            assert!(request[..read].starts_with(b"HEAD /avatar/clx1 HTTP/1.1\r\n"));
            let head =
                "HTTP/1.1 200 OK\r\nAvatar-State: last-good\r\nCache-Status: avatar-proxy; hit\r\n\r\n";
            stream.write_all(head.as_bytes()).await.expect("sent");
        }
    });
    address
}

async fn open(world: &World) -> Dashboard {
    let listen = "127.0.0.1:0".parse().expect("an address");
    Dashboard::start(world.sim.clone(), shown(), proxy().await, listen).await.expect("it listens")
}

fn at(dashboard: &Dashboard, path: &str) -> String {
    format!("{}{path}", dashboard.url().replace("localhost", "127.0.0.1"))
}

/// A POST with more header lines, each with its line end.
async fn post(dashboard: &Dashboard, path: &str, headers: &str) -> Answer {
    let address = at(dashboard, "");
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{headers}\r\n");
    send(authority(&address), &head).await
}

async fn press(dashboard: &Dashboard, action: &str) -> Value {
    let answer = post(dashboard, &format!("/do/{action}"), "").await;
    assert_eq!(answer.status, 200, "{action}: {}", answer.text());
    answer.json()
}

/// Asks Instagram for the picture's address.
async fn me(world: &World, token: &str) -> u16 {
    let address = format!("{}/me?fields=profile_picture_url", world.sim.instagram_url());
    get_with(&address, &format!("Authorization: Bearer {token}\r\n")).await.status
}

#[tokio::test]
async fn the_page_shows_both_addresses_and_lets_no_name_out_of_its_place() {
    let world = World::with(Kind::Instagram).await;
    let dashboard = open(&world).await;
    assert!(dashboard.url().starts_with("http://localhost:"));
    let page = get(&at(&dashboard, "/")).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let stored = world.sim.handed_out()[0].replace('&', "&amp;");
    for part in [
        "<title>Connected accounts</title>",
        "Café &quot;Müller&quot; &lt;b&gt;",
        &format!(r#"<img class="direct" data-id="clx1" src="{stored}""#),
        r#"<img class="proxied" data-id="clx1" src="http://127.0.0.1:"#,
        r#"/avatar/clx1""#,
    ] {
        assert!(page.text().contains(part), "{part}");
    }
    assert!(!page.text().contains("{{"), "a place was left empty");
    assert!(
        page.header("content-security-policy")
            .is_some_and(|policy| policy.starts_with("default-src 'none';"))
    );
}

#[tokio::test]
async fn the_state_tells_what_the_proxy_said_and_how_long_the_address_holds() {
    let world = World::with(Kind::Instagram).await;
    let dashboard = open(&world).await;
    world.advance(60);
    let state = get(&at(&dashboard, "/state")).await.json();
    let account = json!({
        "id": "clx1", "seconds_left": LIFE.as_secs() - 60, "token_revoked": false,
        "avatar_state": "last-good", "cache_status": "avatar-proxy; hit",
    });
    assert_eq!(state["accounts"], json!([account]));
    assert_eq!(
        (&state["provider_down"], &state["api_calls"], &state["downloads"]),
        (&json!(false), &json!(0), &json!(0))
    );
}

#[tokio::test]
async fn the_state_knows_a_proxy_that_is_away() {
    let world = World::with(Kind::Instagram).await;
    let listen = "127.0.0.1:0".parse().expect("an address");
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound");
    let dashboard = Dashboard::start(world.sim.clone(), shown(), format!("http://{nobody}/"), listen)
        .await
        .expect("it listens");
    assert_eq!(get(&at(&dashboard, "/state")).await.json()["accounts"][0]["avatar_state"], Value::Null);
}

#[tokio::test]
async fn expired_addresses_are_dead_at_the_cdn() {
    let world = World::with(Kind::Instagram).await;
    let dashboard = open(&world).await;
    let stored = world.sim.handed_out()[0].clone();
    assert_eq!(get(&stored).await.header("cache-control"), Some("no-store"));
    assert_eq!(press(&dashboard, "expire").await["accounts"][0]["seconds_left"], 0);
    assert_eq!(get(&stored).await.text(), "URL signature expired");
}

#[tokio::test]
async fn a_provider_that_is_down_comes_up_again() {
    let world = World::with(Kind::Instagram).await;
    let dashboard = open(&world).await;
    let stored = world.sim.handed_out()[0].clone();
    assert_eq!(press(&dashboard, "provider-down").await["provider_down"], true);
    for url in
        [world.sim.instagram_url(), world.sim.facebook_url(), world.sim.telegram_url(), world.sim.cdn_url()]
    {
        let host = authority(&url);
        assert!(try_send(host, &format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await.is_err(), "{url}");
    }
    assert_eq!(press(&dashboard, "provider-up").await["provider_down"], false);
    assert_eq!((me(&world, "1:token").await, get(&stored).await.status), (200, 200));
}

#[tokio::test]
async fn revoked_tokens_are_renewed_as_they_were_or_told_as_new_ones() {
    let world = World::with(Kind::Instagram).await;
    let dashboard = open(&world).await;
    assert_eq!(press(&dashboard, "revoke").await["accounts"][0]["token_revoked"], true);
    assert_eq!(me(&world, "1:token").await, 400);
    assert_eq!(press(&dashboard, "renew").await["accounts"][0]["token_revoked"], false);
    assert_eq!(me(&world, "1:token").await, 200);

    let told = Arc::new(Mutex::new(Vec::new()));
    let rows = told.clone();
    let renewed = Arc::new(move |id: &str, token: &str| {
        rows.lock().expect("whole").push((id.to_owned(), token.to_owned()))
    });
    let listen = "127.0.0.1:0".parse().expect("an address");
    let dashboard =
        Dashboard::start_with_renewal(world.sim.clone(), shown(), vec![proxy().await], listen, renewed)
            .await
            .expect("it listens");
    press(&dashboard, "revoke").await;
    press(&dashboard, "renew").await;
    let told = told.lock().expect("whole").clone();
    let [(id, token)] = &told[..] else { panic!("told {told:?}") };
    assert_eq!(id, "clx1");
    assert_ne!(token, "1:token");
    assert_eq!((me(&world, "1:token").await, me(&world, token).await), (400, 200));
}

#[tokio::test]
async fn new_pictures_are_other_files() {
    let world = World::with(Kind::Instagram).await;
    let dashboard = open(&world).await;
    let stored = world.sim.handed_out()[0].clone();
    press(&dashboard, "pictures").await;
    assert_eq!(get(&stored).await.status, 404);
    let fresh = get(&world.sim.direct_address("1045")).await;
    assert_eq!(fresh.status, 200);
    assert_ne!(fresh.body, picture(1).bytes);
}

#[tokio::test]
async fn another_site_cannot_press_the_buttons() {
    let world = World::with(Kind::Instagram).await;
    let dashboard = open(&world).await;
    for (site, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 200)] {
        let answer = post(&dashboard, "/do/expire", &format!("Sec-Fetch-Site: {site}\r\n")).await;
        assert_eq!(answer.status, status, "{site}");
    }
    assert_eq!(post(&dashboard, "/do/nothing", "").await.status, 404);
    for path in ["/do/expire", "/else"] {
        assert_eq!(get(&at(&dashboard, path)).await.status, 404, "{path}");
    }
}
