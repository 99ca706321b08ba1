//! The admin port: which requests it allows, what it answers, and what it never says.

use avatar_proxy::clock::Clock;

use super::util::{assert_error, proxy};
use crate::support::accounts::{ALL, FACEBOOK, TELEGRAM, small};
use crate::support::client::{Answer, hash, request};
use crate::support::proxy::{Proxy, START, stand_in};

const TOKEN: &str = "the-admins-own-token-41c7";
const HELD: &str = "/api/avatars/clx3facebook";

fn guarded() -> String {
    format!("[admin]\ntoken = \"{TOKEN}\"\n")
}

async fn admin(proxy: &Proxy, method: &str, target: &str, headers: &str) -> Answer {
    request(proxy.admin, method, target, headers).await
}

#[tokio::test]
async fn with_a_token_nothing_but_the_probes_answers_without_it() {
    let (_sim, proxy) = proxy(&guarded()).await;
    let right = format!("Authorization: Bearer {TOKEN}\r\n");
    for (method, target) in [
        ("GET", HELD),
        ("HEAD", HELD),
        ("DELETE", HELD),
        ("POST", "/api/avatars/clx3facebook/refresh"),
        ("POST", "/api/avatars/clx3facebook/purge"),
        ("GET", "/api/avatars/nobody"),
        ("GET", "/no-such-page"),
    ] {
        for headers in [
            String::new(),
            "Authorization: Bearer\r\n".to_owned(),
            "Authorization: Bearer \r\n".to_owned(),
            "Authorization: Bearer wrong\r\n".to_owned(),
            format!("Authorization: Bearer {TOKEN}x\r\n"),
            format!("Authorization: Bearer {}\r\n", &TOKEN[1..]),
            format!("Authorization: Bearer {}\r\n", TOKEN.to_uppercase()),
            format!("Authorization: Basic {TOKEN}\r\n"),
            format!("Authorization: {TOKEN}\r\n"),
            format!("X-Authorization: Bearer {TOKEN}\r\n"),
        ] {
            let answer = admin(&proxy, method, target, &headers).await;
            assert_eq!(answer.status, 401, "{method} {target} {headers}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{headers}");
            if method != "HEAD" {
                assert_error(&answer, 401, "unauthorized");
            }
        }
        assert_ne!(admin(&proxy, method, target, &right).await.status, 401, "{method} {target}");
    }
    for scheme in ["bearer", "BEARER", "BeArEr"] {
        let answer =
            admin(&proxy, "GET", "/api/avatars/nobody", &format!("Authorization: {scheme} {TOKEN}\r\n"))
                .await;
        assert_error(&answer, 404, "not_held");
    }
    let parameter = admin(&proxy, "GET", &format!("{HELD}?token={TOKEN}"), "").await;
    assert_error(&parameter, 401, "unauthorized");
    for probe in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(admin(&proxy, "GET", probe, "").await.status, 200, "{probe}");
    }
}

#[tokio::test]
async fn a_page_in_a_browser_needs_the_token() {
    let foreign = [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: same-origin\r\nOrigin: https://evil.example\r\n",
    ];
    let (_sim, open) = proxy("").await;
    for headers in foreign {
        for (method, target) in [("GET", HELD), ("DELETE", HELD), ("POST", "/api/avatars/clx3facebook/purge")]
        {
            let answer = admin(&open, method, target, headers).await;
            assert_error(&answer, 403, "cross_site");
        }
    }
    for headers in ["", "Sec-Fetch-Site: none\r\n", "Sec-Fetch-Site: same-origin\r\n"] {
        assert_eq!(admin(&open, "GET", HELD, headers).await.status, 200, "{headers}");
    }
    let (_sim, guarded) = proxy(&guarded()).await;
    for headers in foreign {
        assert_eq!(admin(&guarded, "GET", HELD, headers).await.status, 401, "{headers}");
        let with_token = format!("{headers}Authorization: Bearer {TOKEN}\r\n");
        assert_eq!(admin(&guarded, "GET", HELD, &with_token).await.status, 200, "{headers}");
    }
}

#[tokio::test]
async fn each_route_does_what_it_says() {
    let (sim, proxy) = proxy("").await;
    let inspect = async || -> serde_json::Value {
        serde_json::from_slice(&admin(&proxy, "GET", HELD, "").await.body).unwrap()
    };
    let before = inspect().await;
    assert_eq!((&before["id"], &before["provider"]), (&"clx3facebook".into(), &"facebook".into()));
    assert_eq!((&before["state"], &before["content"]), (&"fresh".into(), &"picture".into()));
    assert_eq!(before["picture"]["bytes"], small(1).bytes.len());
    assert_eq!(before["picture"]["content_type"], "image/jpeg");
    assert_eq!((&before["picture"]["width"], &before["picture"]["height"]), (&160.into(), &160.into()));
    assert_eq!(before["verified_at"], START.as_millis());
    assert!(before["trouble"].is_null() && before["app_paused_until"].is_null());
    let none: serde_json::Value =
        serde_json::from_slice(&admin(&proxy, "GET", "/api/avatars/clx3instagram", "").await.body).unwrap();
    assert_eq!((&none["content"], &none["state"]), (&"no_picture".into(), &"placeholder".into()));
    assert!(none["picture"].is_null());

    sim.set_picture(FACEBOOK.account, Some(small(7)));
    let refreshed = admin(&proxy, "POST", "/api/avatars/clx3facebook/refresh", "").await;
    assert_eq!(refreshed.status, 200);
    assert_eq!(proxy.get(&FACEBOOK.path()).await.hash(), hash(&small(7).bytes));

    let purged = admin(&proxy, "POST", "/api/avatars/clx3facebook/purge", "").await;
    assert_eq!(
        (purged.status, purged.body.as_slice()),
        (200, br#"{"avatars":1,"status":"purged"}"#.as_slice())
    );
    assert_eq!(inspect().await["state"], "stale");

    let deleted = admin(&proxy, "DELETE", HELD, "").await;
    assert_eq!(
        (deleted.status, deleted.body.as_slice()),
        (200, br#"{"avatars":1,"status":"deleted"}"#.as_slice())
    );
    assert_error(&admin(&proxy, "GET", HELD, "").await, 404, "not_held");
    // Deleting what is not there leaves nothing there, too.
    assert_eq!(admin(&proxy, "DELETE", HELD, "").await.status, 200);
}

#[tokio::test]
async fn an_unknown_id_is_404_and_another_method_405() {
    let (_sim, proxy) = proxy("").await;
    for (method, target) in [
        ("GET", "/api/avatars/nobody"),
        ("POST", "/api/avatars/nobody/refresh"),
        ("POST", "/api/avatars/nobody/purge"),
    ] {
        assert_error(&admin(&proxy, method, target, "").await, 404, "not_held");
    }
    for target in ["/api/avatars/a.b", "/api/avatars/", "/api/avatars/%00"] {
        assert_error(&admin(&proxy, "GET", target, "").await, 400, "invalid_id");
    }
    for target in ["/", "/api", "/api/avatars/a/b/c", "/api/avatars/clx3facebook/", "/avatar/clx3facebook"] {
        assert_error(&admin(&proxy, "GET", target, "").await, 404, "not_found");
    }
    for (target, allow, methods) in [
        (HELD, "GET, HEAD, DELETE", ["POST", "PUT", "PATCH", "OPTIONS"]),
        ("/api/avatars/clx3facebook/refresh", "POST", ["GET", "HEAD", "DELETE", "PUT"]),
        ("/api/avatars/clx3facebook/purge", "POST", ["GET", "HEAD", "DELETE", "PUT"]),
        ("/readyz", "GET, HEAD", ["POST", "PUT", "DELETE", "OPTIONS"]),
    ] {
        for method in methods {
            let answer = admin(&proxy, method, target, "").await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {target}");
        }
    }
    assert_eq!(admin(&proxy, "GET", HELD, "").await.status, 200, "nothing of it deleted it");
}

#[tokio::test]
async fn an_inspection_holds_no_secret_and_no_address() {
    let clock = Clock::manual(START);
    let sim = stand_in(&clock).await;
    ALL.iter().for_each(|connected| connected.add(&sim, small(1)));
    let entries: String =
        ALL.iter().map(|connected| connected.entry(&sim.direct_address(connected.account))).collect();
    let proxy = Proxy::start(&sim, &clock, &entries).await;
    for (connected, revoked) in ALL.iter().flat_map(|connected| [(connected, false), (connected, true)]) {
        proxy.get(&connected.path()).await;
        if revoked {
            sim.revoke_token(connected.account);
        }
        let target = format!("/api/avatars/{}", connected.id);
        let texts = [
            admin(&proxy, "GET", &target, "").await,
            admin(&proxy, "POST", &format!("{target}/refresh"), "").await,
        ];
        for answer in texts {
            let text = String::from_utf8(answer.body).unwrap();
            assert!(text.contains(connected.id), "{text}");
            let pieces = [connected.token, "http:", "https:", "oh=", "oe=", "photos/", "plain:", "127.0.0.1"];
            for piece in pieces {
                assert!(!text.contains(piece), "{piece} in {text}");
            }
        }
    }
    let dead = admin(&proxy, "GET", &format!("/api/avatars/{}", TELEGRAM.id), "").await;
    let dead: serde_json::Value = serde_json::from_slice(&dead.body).unwrap();
    assert_eq!(
        (&dead["trouble"]["class"], &dead["trouble"]["retry_at"]),
        (&"needs_reauth".into(), &().into())
    );
}
