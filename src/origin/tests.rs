//! [`Origin`] over real sockets.

use proptest::prelude::*;

use super::testing::{IMAGES, RawAnswer, RawPeer, config, head, hosts, origin, png, reply};
use super::{AllowedHosts, ApiCall, BaseUrl, FetchError, Origin, OriginConfig, OriginError};
use crate::model::{Address, AddressError, PictureKind, Secret, SniffError, Timestamp};

/// Downloads a picture for a provider whose list has 127.0.0.1 and localhost.
async fn fetch(origin: &Origin, text: &str) -> Result<Vec<u8>, FetchError> {
    let hosts = hosts(&["127.0.0.1", "localhost", "10.0.0.1"]);
    let download = origin.open(&Address::parse(text).unwrap(), AllowedHosts::Listed(&hosts)).await?;
    download.gather().await.map(|bytes| bytes.to_vec())
}

async fn fetch_from(peer: &RawPeer) -> Result<Vec<u8>, FetchError> {
    fetch(&origin(config(), &[]), &peer.at("/a.png?oh=SIGNED")).await
}

fn picture() -> Vec<u8> {
    png(32, 32, 1000)
}

fn redirect(to: String) -> RawAnswer {
    reply("302 Found", &format!("Location: {to}\r\n"), b"")
}

#[tokio::test]
async fn a_signed_address_goes_over_the_wire_byte_for_byte() {
    let peer = RawPeer::plain(|_| reply("200 OK", "", &picture()));
    let targets = [
        "/v/t51.2885-19/4_n.jpg?stp=dst-jpg_s200x200&efg=eyJ2%3D%3D&_nc_ohc=a-b_C&oh=00_AfC&oe=66648E8A",
        "/tos/0a~c5_100x100.jpeg?x-expires=1700000000&x-signature=a%2Bb%2fc%3D",
        "/a//b/%7Euser/%e4.jpg?a=&b&&c=+%20;d=(1)*!$@:[]{}|",
        "/file/bot1:A-b_c/photos/file_0.jpg",
        "/a.jpg?",
        "/",
    ];
    let origin = origin(config(), &[]);
    for target in targets {
        assert_eq!(fetch(&origin, &peer.at(target)).await, Ok(picture()), "{target}");
    }
    assert_eq!(peer.lines(), targets.map(|target| format!("GET {target} HTTP/1.1")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_accepted_address_is_sent_unchanged(
        path in "/[A-Za-z0-9%&=+;:@!$()*,./_~|-]{0,30}",
        query in "([?][A-Za-z0-9%&=+;:@!$()*,./?_~|{}\\[\\]`^-]{0,30})?",
    ) {
        let peer = RawPeer::plain(|_| reply("200 OK", "", &picture()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let text = peer.at(&format!("{path}{query}"));
        prop_assume!(Address::parse(&text).is_ok());
        let fetched = runtime.block_on(fetch(&origin(config(), &[]), &text));
        prop_assert_eq!(fetched, Ok(picture()));
        prop_assert_eq!(peer.lines(), [format!("GET {path}{query} HTTP/1.1")]);
    }
}

#[tokio::test]
async fn a_download_sends_no_header_that_changes_the_bytes_or_identifies_the_viewer() {
    let peer = RawPeer::plain(|_| reply("200 OK", "", &picture()));
    fetch_from(&peer).await.unwrap();
    let head = peer.requests()[0].to_ascii_lowercase();
    let mut names: Vec<_> = head.lines().skip(1).filter_map(|line| line.split_once(": ")).collect();
    names.sort_unstable();
    let (host, agent) = (peer.address.to_string(), format!("avatar-proxy/{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(
        names,
        [
            ("accept", "image/jpeg,image/png,image/webp;q=0.9"),
            ("accept-encoding", "identity"),
            ("host", host.as_str()),
            ("user-agent", agent.as_str()),
        ]
    );
}

#[tokio::test]
async fn a_download_knows_type_length_and_date_before_its_bytes() {
    let peer = RawPeer::plain(|target| {
        let date = if target == "/old" { "Sun, 06 Nov 1994 08:49:37 GMT" } else { "yesterday" };
        let length = if target == "/old" { 4097 } else { 4096 };
        reply(
            "200 OK",
            &format!("Content-Type: text/html\r\nLast-Modified: {date}\r\n"),
            &png(30, 20, length),
        )
    });
    let (origin, hosts) = (origin(config(), &[]), hosts(&["127.0.0.1"]));
    for (target, length, streams, modified) in
        [("/old", 4097, true, Some(Timestamp::from_secs(784_111_777))), ("/none", 4096, false, None)]
    {
        let address = Address::parse(&peer.at(target)).unwrap();
        let mut download = origin.open(&address, AllowedHosts::Listed(&hosts)).await.unwrap();
        let header = download.header();
        assert_eq!((header.kind, header.width, header.height), (PictureKind::Png, 30, 20));
        assert_eq!(download.declared_length(), Some(length));
        assert_eq!((download.streams(), download.last_modified()), (streams, modified), "{target}");
        let mut received = Vec::new();
        while let Some(chunk) = download.chunk().await.unwrap() {
            received.extend_from_slice(&chunk);
        }
        assert_eq!(received, png(30, 20, usize::try_from(length).unwrap()));
    }
}

#[tokio::test]
async fn redirects_are_followed_up_to_the_limit() {
    let peer = RawPeer::plain(|target| match target {
        "/1?a" => redirect("/2?oh=%2F".to_owned()),
        "/2?oh=%2F" => redirect("3".to_owned()),
        "/3" => reply("200 OK", "", &picture()),
        _ => redirect("/loop".to_owned()),
    });
    let origin = origin(config(), &[]);
    assert_eq!(fetch(&origin, &peer.at("/1?a")).await, Ok(picture()));
    assert_eq!(peer.lines(), ["/1?a", "/2?oh=%2F", "/3"].map(|target| format!("GET {target} HTTP/1.1")));
    assert_eq!(fetch(&origin, &peer.at("/loop")).await, Err(FetchError::TooManyRedirects));
    assert_eq!(peer.requests().len(), 3 + 4);
    assert!(peer.requests().iter().all(|head| !head.to_ascii_lowercase().contains("referer")));
}

#[tokio::test]
async fn every_hop_is_checked_again() {
    let peer = RawPeer::plain(|target| match target {
        "/private" => redirect("https://10.0.0.1/a.png".to_owned()),
        "/host" => redirect("https://evil.example/a.png".to_owned()),
        "/changed" => redirect("https://127.0.0.1/a/../b.png".to_owned()),
        "/hex" => redirect("https://0x7f000001/a.png".to_owned()),
        "/decimal" => redirect("https://2130706433/a.png".to_owned()),
        "/file" => redirect("file:///etc/passwd".to_owned()),
        _ => reply("302 Found", "", b""),
    });
    let origin = origin(config(), &[]);
    for (target, expected) in [
        ("/private", FetchError::NotPublic("10.0.0.1".to_owned())),
        ("/host", FetchError::HostNotAllowed("evil.example".to_owned())),
        ("/changed", FetchError::Address(AddressError::WouldChange)),
        ("/hex", FetchError::Address(AddressError::WouldChange)),
        ("/decimal", FetchError::Address(AddressError::WouldChange)),
        ("/file", FetchError::Address(AddressError::NotAnAddress)),
        ("/nowhere", FetchError::BadRedirect),
    ] {
        assert_eq!(fetch(&origin, &peer.at(target)).await, Err(expected), "{target}");
    }
}

#[tokio::test]
async fn tls_is_trusted_by_the_configured_roots_and_a_redirect_to_http_is_refused() {
    let plain = RawPeer::plain(|_| reply("200 OK", "", &picture()));
    let down = plain.at("/a.png");
    let peer = RawPeer::tls(move |target| match target {
        "/down" => redirect(down.clone()),
        _ => reply("200 OK", "", &picture()),
    });
    let strict = || OriginConfig { allow_http: false, ..config() };
    assert_eq!(fetch(&origin(strict(), &[]), &peer.at("/")).await, Err(FetchError::Connection("TLS failed")));
    let ca = peer.ca.as_ref().map(|file| file.path().to_owned());
    let trusting = origin(OriginConfig { ca, ..strict() }, &[]);
    assert_eq!(fetch(&trusting, &peer.at("/")).await, Ok(picture()));
    assert_eq!(fetch(&trusting, &peer.at("/down")).await, Err(FetchError::NotHttps));
    assert_eq!(plain.requests().len(), 0);
}

#[tokio::test]
async fn a_file_without_root_certificates_is_refused_by_name() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let build = |ca: &std::path::Path| {
        Origin::new(OriginConfig { ca: Some(ca.to_owned()), ..config() }, IMAGES, &[]).err().unwrap()
    };
    assert!(matches!(build(empty.path()), OriginError::Ca { .. }));
    let missing = build(std::path::Path::new("/nonexistent/ca.pem"));
    assert!(matches!(missing, OriginError::Ca { .. }));
    assert!(missing.to_string().contains("/nonexistent/ca.pem"));
}

#[tokio::test]
async fn a_foreign_address_profits_from_no_exception() {
    let peer = RawPeer::plain(|_| reply("200 OK", "", &picture()));
    let by_name = peer.at("/a.png").replace("127.0.0.1", "localhost");
    // The system's resolver may be slow on a busy machine, and this test is not about time limits.
    let (connect_timeout, timeout) = (std::time::Duration::from_secs(5), std::time::Duration::from_secs(5));
    let closed = || OriginConfig { allow_private: Vec::new(), connect_timeout, timeout, ..config() };
    let not_public = |host: &str| Err(FetchError::NotPublic(host.to_owned()));
    assert_eq!(fetch(&origin(closed(), &[]), &by_name).await, not_public("localhost"));
    assert_eq!(fetch(&origin(closed(), &[]), &peer.at("/a.png")).await, not_public("127.0.0.1"));

    let base = BaseUrl::parse(&format!("http://localhost:{}", peer.address.port())).unwrap();
    let origin = origin(closed(), std::slice::from_ref(&base));
    assert_eq!(peer.requests().len(), 0);
    let call = ApiCall { base: &base, path_and_query: "/v25.0/me", bearer: None, headers: &[] };
    assert_eq!(origin.call(call).await.unwrap().status, 200);
    let operator_host = Err(FetchError::HostNotAllowed("localhost".to_owned()));
    assert_eq!(fetch(&origin, &by_name).await, operator_host);
    assert_eq!(fetch(&origin, &peer.at("/a.png")).await, not_public("127.0.0.1"));
    let address = Address::parse(&by_name).unwrap();
    let download = origin.open(&address, AllowedHosts::TrustedBase(&base)).await.unwrap();
    assert_eq!(download.gather().await.unwrap(), picture());
    assert_eq!(peer.requests().len(), 2);
}

/// Downloads a picture for an API whose base the operator wrote, with these hosts in its list.
async fn fetch_both(
    origin: &Origin,
    listed: &[&str],
    base: &BaseUrl,
    text: &str,
) -> Result<Vec<u8>, FetchError> {
    let hosts = hosts(listed);
    let download = origin
        .open(&Address::parse(text).unwrap(), AllowedHosts::ListedWithTrustedBase(&hosts, base))
        .await?;
    download.gather().await.map(|bytes| bytes.to_vec())
}

#[tokio::test]
async fn a_redirect_leads_from_the_operators_own_host_to_a_listed_one_and_back() {
    let files = RawPeer::plain(|_| reply("200 OK", "", &picture()));
    let file = files.at("/a.png");
    let own = RawPeer::plain(move |target| match target {
        "/a.png" => reply("200 OK", "", &picture()),
        _ => redirect(file.clone()),
    });
    let home = own.at("/a.png");
    let back = RawPeer::plain(move |_| redirect(home.clone()));
    let base = own.base();
    let origin = origin(config(), std::slice::from_ref(&base));
    for (from, asked) in [(own.at("/moved"), &files), (back.at("/"), &own)] {
        assert_eq!(fetch_both(&origin, &["127.0.0.1"], &base, &from).await, Ok(picture()), "{from}");
        assert!(asked.lines().contains(&"GET /a.png HTTP/1.1".to_owned()), "{from}");
    }
}

#[tokio::test]
async fn the_exemption_holds_for_the_trusted_base_alone_on_every_hop() {
    let inner = RawPeer::plain(|_| reply("200 OK", "", &picture()));
    let (other_port, other_scheme) = (inner.at("/a.png"), inner.at("/a.png").replace("http:", "https:"));
    let own = RawPeer::plain(move |target| match target {
        "/port" => redirect(other_port.clone()),
        "/scheme" => redirect(other_scheme.clone()),
        _ => reply("200 OK", "", &picture()),
    });
    let base = own.base();
    let closed = OriginConfig { allow_http: false, allow_private: Vec::new(), ..config() };
    let origin = origin(closed, std::slice::from_ref(&base));
    let listed: &[&str] = &["127.0.0.1", "cdn.example"];
    let at = |target: &str| own.at(target);
    assert_eq!(fetch_both(&origin, listed, &base, &at("/a.png")).await, Ok(picture()));
    for (from, expected) in [
        (at("/port"), FetchError::NotHttps),
        (inner.at("/a.png"), FetchError::NotHttps),
        (at("/scheme"), FetchError::Port),
        (at("/a.png").replace("http:", "https:"), FetchError::Port),
        ("https://127.0.0.1/a.png".to_owned(), FetchError::NotPublic("127.0.0.1".to_owned())),
    ] {
        assert_eq!(fetch_both(&origin, listed, &base, &from).await, Err(expected), "{from}");
    }
    let unlisted = Err(FetchError::HostNotAllowed("127.0.0.1".to_owned()));
    assert_eq!(fetch_both(&origin, &["cdn.example"], &base, &at("/a.png")).await, unlisted);
    assert_eq!(inner.requests().len(), 0);
}

#[tokio::test]
async fn only_a_200_with_the_bytes_of_a_picture_is_accepted() {
    let refused = |status: &'static str, headers: &'static str, body: Vec<u8>| {
        RawPeer::plain(move |_| reply(status, headers, &body))
    };
    let jpeg = "Content-Type: image/jpeg\r\n";
    for (peer, expected) in [
        (refused("403 Forbidden", jpeg, b"URL signature expired".to_vec()), FetchError::Status(403)),
        (refused("404 Not Found", "", picture()), FetchError::Status(404)),
        (refused("206 Partial Content", "", picture()), FetchError::Status(206)),
        (refused("500 Internal Server Error", "", Vec::new()), FetchError::Status(500)),
        (
            refused("200 OK", jpeg, b"URL signature expired".to_vec()),
            FetchError::NotAPicture(SniffError::NotAPicture),
        ),
        (
            refused("200 OK", jpeg, b"<!doctype html><html></html>".to_vec()),
            FetchError::NotAPicture(SniffError::NotAPicture),
        ),
        (
            refused("200 OK", jpeg, b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec()),
            FetchError::NotAPicture(SniffError::NotAPicture),
        ),
        (refused("200 OK", jpeg, Vec::new()), FetchError::NotAPicture(SniffError::Incomplete)),
        (refused("200 OK", jpeg, picture()[..20].to_vec()), FetchError::NotAPicture(SniffError::Incomplete)),
        (refused("200 OK", "Content-Encoding: gzip\r\n", picture()), FetchError::Encoded),
        (
            refused("200 OK", "Content-Encoding: identity\r\nContent-Encoding: br\r\n", picture()),
            FetchError::Encoded,
        ),
        (
            refused("200 OK", "", png(1001, 1000, 1000)),
            FetchError::NotAPicture(SniffError::Dimensions { width: 1001, height: 1000 }),
        ),
        (
            refused("200 OK", "", png(0, 10, 1000)),
            FetchError::NotAPicture(SniffError::Dimensions { width: 0, height: 10 }),
        ),
    ] {
        assert_eq!(fetch_from(&peer).await, Err(expected.clone()));
        assert_eq!(expected.is_link_dead(), matches!(expected, FetchError::Status(403 | 404)));
    }
}

#[tokio::test]
async fn a_body_must_have_the_declared_length_and_stay_within_the_limit() {
    let said = |headers: &'static str, body: Vec<u8>| {
        RawPeer::plain(move |_| RawAnswer::Say(head("200 OK", headers, &body)))
    };
    let chunked = |whole: bool| {
        let mut body = format!("{:x}\r\n", picture().len()).into_bytes();
        body.extend_from_slice(&picture());
        body.extend_from_slice(if whole { b"\r\n0\r\n\r\n" } else { b"\r\n" });
        body
    };
    let mut endless = Vec::new();
    for part in png(32, 32, 80 * 1024).chunks(8 * 1024) {
        endless.extend_from_slice(b"2000\r\n");
        endless.extend_from_slice(part);
        endless.extend_from_slice(b"\r\n");
    }
    let coded = "Transfer-Encoding: chunked\r\n";
    let mut open_ended = picture();
    open_ended.truncate(900);
    for (peer, expected) in [
        (said(coded, chunked(true)), Ok(picture())),
        (said(coded, chunked(false)), Err(FetchError::Truncated)),
        (said(coded, endless), Err(FetchError::TooLarge(65536))),
        (said("Content-Length: 1000\r\n", picture()[..900].to_vec()), Err(FetchError::Truncated)),
        (said("Content-Length: 900\r\n", picture()), Ok(picture()[..900].to_vec())),
        (said("Content-Length: 65537\r\n", picture()), Err(FetchError::TooLarge(65536))),
        (said("", picture()), Ok(picture())),
        (said("", open_ended), Err(FetchError::Truncated)),
        (said("", png(32, 32, 80 * 1024)), Err(FetchError::TooLarge(65536))),
    ] {
        assert_eq!(fetch_from(&peer).await, expected);
    }
}

#[tokio::test]
async fn each_network_failure_has_an_error_of_its_own() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = fetch(&origin(config(), &[]), &format!("http://{nobody}/a.png?oh=SIGNED")).await;
    assert_eq!(refused, Err(FetchError::Connection("connection refused")));

    let unknown = BaseUrl::parse("https://no-such-name.invalid").unwrap();
    let call = ApiCall { base: &unknown, path_and_query: "/bot1:SECRET/getMe", bearer: None, headers: &[] };
    let long = OriginConfig { connect_timeout: std::time::Duration::from_secs(5), ..config() };
    let long = OriginConfig { timeout: std::time::Duration::from_secs(5), ..long };
    let error = origin(long, std::slice::from_ref(&unknown)).call(call).await.err();
    assert_eq!(error, Some(FetchError::Connection("the name could not be resolved")));

    for (answer, expected) in [
        (0, FetchError::Connection("connection reset")),
        (1, FetchError::TimedOut),
        (2, FetchError::TimedOut),
        (3, FetchError::Connection("the connection broke off")),
        (4, FetchError::Connection("the connection broke off")),
    ] {
        let peer = RawPeer::plain(move |_| match answer {
            0 => RawAnswer::Reset,
            1 => RawAnswer::SayAndHang(Vec::new()),
            2 => RawAnswer::SayAndHang(head("200 OK", "Content-Length: 1000\r\n", &picture()[..500])),
            3 => RawAnswer::Say(Vec::new()),
            _ => RawAnswer::Say(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        });
        assert_eq!(fetch_from(&peer).await, Err(expected));
    }
}

#[tokio::test]
async fn a_call_sends_its_token_in_the_header_and_returns_the_body_of_any_status() {
    let peer = RawPeer::plain(|_| reply("400 Bad Request", "X-App-Usage: {}\r\n", b"{\"error\":{}}"));
    let base = peer.base();
    let origin = origin(config(), std::slice::from_ref(&base));
    let token = Secret::new("EAAB-secret");
    let path_and_query = "/v25.0/me?fields=picture.width(640).height(640)%7Burl,is_silhouette%7D";
    let reply = origin
        .call(ApiCall { base: &base, path_and_query, bearer: Some(&token), headers: &[] })
        .await
        .unwrap();
    assert_eq!((reply.status, &reply.body[..]), (400, &b"{\"error\":{}}"[..]));
    assert_eq!(reply.headers["x-app-usage"], "{}");
    assert_eq!(peer.lines(), [format!("GET {path_and_query} HTTP/1.1")]);
    let head = peer.requests()[0].to_ascii_lowercase();
    assert!(head.contains("\r\nauthorization: bearer eaab-secret\r\n"));
    assert!(head.contains("\r\naccept-encoding: identity\r\n"));
    assert!(head.contains("\r\naccept: application/json\r\n"));
}

#[tokio::test]
async fn a_call_has_a_size_limit_and_follows_no_redirect() {
    let peer = RawPeer::plain(|target| match target {
        "/large" => reply("200 OK", "", &vec![b' '; (1 << 20) + 1]),
        "/gzip" => reply("200 OK", "Content-Encoding: gzip\r\n", b"{}"),
        "/hang" => RawAnswer::SayAndHang(head("200 OK", "Content-Length: 10\r\n", b"{}")),
        _ => redirect("/elsewhere".to_owned()),
    });
    let base = peer.base();
    let origin = origin(config(), std::slice::from_ref(&base));
    let ask = async |path_and_query, token: Option<&Secret>| {
        origin
            .call(ApiCall { base: &base, path_and_query, bearer: token, headers: &[] })
            .await
            .map(|reply| reply.status)
    };
    assert_eq!(ask("/large", None).await, Err(FetchError::TooLarge(1 << 20)));
    assert_eq!(ask("/gzip", None).await, Err(FetchError::Encoded));
    assert_eq!(ask("/hang", None).await, Err(FetchError::TimedOut));
    assert_eq!(ask("/redirect", None).await, Ok(302));
    assert_eq!(peer.requests().len(), 4);
    assert_eq!(ask("/v25.0/../admin", None).await, Err(FetchError::Address(AddressError::WouldChange)));
    assert!(ask("/ok", Some(&Secret::new("a\r\nX-Injected: 1"))).await.is_err());
    assert_eq!(peer.requests().len(), 4);
}
