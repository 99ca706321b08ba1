use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use graphsim::{Endpoint, Fault, Graphsim, Options};
use tempfile::TempDir;

use crate::support::accounts::{ALL, FACEBOOK, TELEGRAM, small};
use crate::support::client::{self, Answer};
use crate::support::process::Process;
use crate::support::proxy::LIFE;
use crate::support::webhooks::{self, Reply, Webhooks};
use avatar_proxy::clock::Clock;

const APP_SECRET: &str = "app-secret-0b61f7d2a9";
const ADMIN_TOKEN: &str = "admin-token-77e0c4915d";
const PASSPHRASE: &str = "pass-phrase-c25d8e6f10";
const PASSWORD: &str = "database-password-4a7be9";
const HOOK: &str = "a-secret-part-of-the-receivers-address-93c1";
const HEADER: &str = "key-of-the-api-e61d07b3";
const SIGNATURE: &str = "signature-of-a-file-93c5aa";
/// JSON providers, each with its way to send the token, and the token.
const JSON: [(&str, &str, &str); 3] = [
    ("by-bearer", "bearer", "token-by-bearer-40f7d1"),
    ("by-header", "header:X-Token", "token-by-header-8c2e95"),
    ("by-query", "query:key", "token-by-query-b7a318"),
];

/// Every way in which a value might slip out.
fn disguises(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
    let mut forms = vec![
        bytes.to_vec(),
        percent.into_bytes(),
        hex::encode(bytes).into_bytes(),
        hex::encode_upper(bytes).into_bytes(),
    ];
    let partly =
        percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
    forms.push(partly.into_bytes());
    // In base64 a value looks different by where it begins in its group of three; whole groups in its middle do not.
    for skip in 0..3.min(bytes.len()) {
        let middle = &bytes[skip..];
        let middle = &middle[..middle.len() / 3 * 3];
        forms.push(STANDARD.encode(middle).into_bytes());
        forms.push(URL_SAFE_NO_PAD.encode(middle).into_bytes());
    }
    forms
}

fn finds(haystack: &[u8], secret: &str) -> Option<String> {
    disguises(secret).into_iter().find_map(|form| {
        let found = haystack.windows(form.len()).any(|window| window == form);
        found.then(|| String::from_utf8_lossy(&form).into_owned())
    })
}

#[test]
fn the_search_finds_what_is_planted_in_every_disguise() {
    let secret = "token-1f2e3d4c5b6a";
    for planted in [
        secret.to_owned(),
        hex::encode(secret),
        secret.replace('-', "%2D"),
        STANDARD.encode(secret),
        STANDARD.encode(format!("x{secret}")),
        URL_SAFE_NO_PAD.encode(format!("xy{secret}z")),
        secret.bytes().map(|byte| format!("%{byte:02X}")).collect(),
    ] {
        assert!(finds(format!("before {planted} after").as_bytes(), secret).is_some(), "{planted}");
    }
    assert!(finds(b"before token-1f2e3d4c5b6 after", secret).is_none());
}

fn faults() -> Vec<Fault> {
    let graph = |code| Fault::GraphError { status: 400, code, subcode: None, message: "An error".into() };
    vec![
        Fault::Close,
        Fault::Reset,
        Fault::Hang,
        Fault::Html,
        Fault::Truncated,
        Fault::RedirectTo("http://10.0.0.1/a.jpg?secret=1".into()),
        Fault::Status { status: 500, content_type: "text/plain", body: "no".into() },
        Fault::Status { status: 403, content_type: "text/plain", body: "URL signature expired".into() },
        Fault::TooManyRequests { retry_after: 3 },
        graph(1),
        graph(4),
        graph(10),
        graph(100),
        graph(190),
    ]
}

/// Views everything in every way, and keeps each answer.
async fn exercise(process: &Process, said: &mut Vec<u8>) {
    let mut keep = |answer: Answer| {
        said.extend_from_slice(answer.head.as_bytes());
        said.extend_from_slice(&answer.body);
    };
    for connected in ALL {
        keep(process.get(&connected.path()).await);
        keep(process.get(&format!("{}?d=404&f=y", connected.path())).await);
        let bearer = format!("Authorization: Bearer {ADMIN_TOKEN}\r\n");
        for (method, route) in [("POST", "/refresh"), ("GET", ""), ("POST", "/purge"), ("DELETE", "")] {
            let target = format!("/api/avatars/{}{route}", connected.id);
            keep(client::request(process.admin, method, &target, &bearer).await);
        }
    }
    for (id, ..) in JSON {
        keep(process.get(&format!("/avatar/{id}")).await);
        let bearer = format!("Authorization: Bearer {ADMIN_TOKEN}\r\n");
        for (method, route) in [("POST", "/refresh"), ("GET", ""), ("DELETE", "")] {
            let target = format!("/api/avatars/{id}{route}");
            keep(client::request(process.admin, method, &target, &bearer).await);
        }
    }
    for path in ["/avatar/nobody", "/avatar/a.b", "/nothing", "/healthz", "/readyz"] {
        keep(process.get(path).await);
    }
    for path in ["/api/events", "/readyz"] {
        let bearer = format!("Authorization: Bearer {ADMIN_TOKEN}\r\n");
        keep(client::request(process.admin, "GET", path, &bearer).await);
    }
    keep(client::request(process.admin, "GET", "/api/avatars/x", "").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_stands_in_the_log_or_in_any_answer() {
    for format in ["text", "json"] {
        let clock = Clock::system();
        let sim =
            Graphsim::start(Options { now: Arc::new(move || clock.now().as_millis()), address_life: LIFE })
                .await;
        let entries: String =
            ALL.iter().map(|connected| connected.entry(&sim_address(&sim, connected))).collect();
        let json: String = JSON.iter().map(|provider| json_provider(&sim, *provider)).collect();
        let folder = TempDir::new().unwrap();
        let receiver = Webhooks::start(&Clock::system());
        receiver.then([Reply::Status(500, "")]);
        let (events_url, events_secret) = (format!("{}&key={HOOK}", receiver.url()), webhooks::SECRET);
        let settings = format!(
            "{entries}\n{json}[admin]\ntoken = \"{ADMIN_TOKEN}\"\n[tokens]\nkeys = [\"sha256:{PASSPHRASE}\"]\n\
             [providers.facebook]\napp_secret = \"{APP_SECRET}\"\n[origin]\ntimeout = \"500ms\"\n\
             [directory]\nurl = \"postgresql://dashboard:{PASSWORD}@127.0.0.1:9/dashboard\"\ntimeout = \"300ms\"\n\
             [events]\nurl = \"{events_url}\"\nsecret = \"{events_secret}\"\n\
             [log]\nlevel = \"trace\"\nformat = \"{format}\"\n"
        );
        let process = Process::start(&sim, folder.path(), &settings, &[]).await;
        let mut said = Vec::new();
        exercise(&process, &mut said).await;
        for fault in faults() {
            sim.api_fault(None, Some(fault.clone()));
            exercise(&process, &mut said).await;
            sim.api_fault(None, None);
            sim.cdn_fault(None, Some(fault));
            exercise(&process, &mut said).await;
            sim.cdn_fault(None, None);
        }
        said.extend_from_slice(process.log().as_bytes());
        assert!(process.log().contains("refresh failed") && process.log().contains(FACEBOOK.id));
        let tokens = ALL.map(|connected| connected.token.to_owned());
        let signatures = sim.handed_out().into_iter().filter_map(|address| {
            let oh = address.split("oh=").nth(1)?.split('&').next()?;
            Some(oh.to_owned())
        });
        let fixed =
            [APP_SECRET, ADMIN_TOKEN, PASSPHRASE, PASSWORD, HOOK, HEADER, SIGNATURE].map(str::to_owned);
        let fixed = fixed.into_iter().chain(JSON.map(|(.., token)| token.to_owned()));
        // The secret as it is written, and the bytes that it means.
        let written = webhooks::SECRET["whsec_".len()..].to_owned();
        let events = [String::from_utf8(STANDARD.decode(&written).unwrap()).unwrap(), written];
        let files = [format!("/file/bot{}", TELEGRAM.token), "photos/file_".to_owned()];
        for secret in tokens.into_iter().chain(signatures).chain(fixed).chain(files).chain(events) {
            // The same search finds it where it belongs.
            let found = finds(&said, &secret);
            assert_eq!(found, None, "{secret}");
        }
        let heads = sim.heads().join("\n");
        assert!(finds(heads.as_bytes(), FACEBOOK.token).is_some(), "the token was really used");
        let told = receiver.attempts();
        assert!(told.len() >= 2 && process.log().contains("the receiver fails"), "{} messages", told.len());
        assert!(finds(told[0].head.as_bytes(), HOOK).is_some(), "the address was really used");
        let mut sent: Vec<u8> = told.iter().flat_map(|message| message.body.clone()).collect();
        sent.extend(told.iter().flat_map(|message| message.head.replace(HOOK, "").into_bytes()));
        for secret in ALL.map(|connected| connected.token).into_iter().chain([APP_SECRET, PASSPHRASE]) {
            assert_eq!(finds(&sent, secret), None, "{secret}");
        }
        for secret in JSON.map(|(.., token)| token).into_iter().chain([HEADER, SIGNATURE]) {
            assert!(finds(heads.as_bytes(), secret).is_some(), "{secret} was really used");
        }
    }
}

/// Adds the account; the address that its dashboard stored.
fn sim_address(sim: &Graphsim, connected: &crate::support::accounts::Connected) -> String {
    connected.add(sim, small(1));
    sim.direct_address(connected.account)
}

/// A JSON provider and its row. Two give a picture; the third gets an error in which its token is repeated.
fn json_provider(sim: &Graphsim, (name, auth, token): (&str, &str, &str)) -> String {
    let picture = sim.put_file(&format!("/p/{name}.jpg?sig={SIGNATURE}"), small(1));
    let is_query = auth.starts_with("query");
    let query = if is_query { "?key=token-by-query-b7a318" } else { "" };
    let error = if is_query { token } else { "" };
    let body = serde_json::json!({"picture": picture, "error": error, "name": "Ada"});
    sim.serve(Endpoint::new(&format!("/{name}{query}"), None, body));
    format!(
        "[[connection]]\nid = \"{name}\"\nprovider = \"{name}\"\ntoken = \"plain:{token}\"\n[[providers.json]]\n\
         name = \"{name}\"\nurl = \"{}/{name}\"\nauth = \"{auth}\"\npointer = \"/picture\"\nname_pointer = \"/name\"\n\
         error_pointer = \"/error\"\nheaders = {{ X-Key = \"{HEADER}\" }}\nhosts = [\"127.0.0.1\"]\n",
        sim.other_url()
    )
}
