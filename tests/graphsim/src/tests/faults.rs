//! What goes wrong, as it looks on the wire.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::client::{Answer, authority, get, try_send};
use super::{World, picture};
use crate::{Account, Fault, Kind};

/// Waits until a condition holds, for ten seconds at most.
async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds");
}

impl World {
    /// Asks the CDN for the account's picture.
    async fn download(&self) -> std::io::Result<Answer> {
        let (address, cdn) = (self.sim.direct_address("1045"), self.sim.cdn_url());
        let (target, host) = (address.strip_prefix(&cdn).unwrap(), authority(&cdn));
        try_send(host, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await
    }

    async fn broken(&self, fault: Fault) -> std::io::Result<Answer> {
        self.sim.cdn_fault(None, Some(fault));
        self.download().await
    }
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_close_is_an_end() {
    let world = World::with(Kind::Facebook).await;
    assert_eq!(world.broken(Fault::Reset).await.err().unwrap().kind(), ErrorKind::ConnectionReset);
    assert_eq!(world.broken(Fault::Close).await.err().unwrap().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn refused_connections_are_refused_until_they_are_accepted_again() {
    let world = World::with(Kind::Facebook).await;
    for _ in 0..3 {
        world.sim.refuse_cdn(true).await;
        assert_eq!(world.download().await.err().unwrap().kind(), ErrorKind::ConnectionRefused);
        world.sim.refuse_cdn(false).await;
        assert_eq!(world.download().await.unwrap().status, 200);
    }
    world.sim.refuse_api(true).await;
    for url in [world.sim.instagram_url(), world.sim.facebook_url(), world.sim.telegram_url()] {
        let refused = TcpStream::connect(authority(&url)).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
    assert_eq!(world.download().await.unwrap().status, 200);
}

#[tokio::test]
async fn lengths_that_lie_are_sent_as_they_are() {
    let world = World::with(Kind::Facebook).await;
    let length = picture(1).bytes.len();
    for (fault, declared, sent) in
        [(Fault::Truncated, length, length / 2), (Fault::WrongLength, length + 10, length)]
    {
        let answer = world.broken(fault).await.unwrap();
        assert_eq!(answer.header("content-length"), Some(declared.to_string().as_str()));
        assert_eq!(answer.body, picture(1).bytes[..sent]);
    }
}

#[tokio::test]
async fn too_much_comes_declared_or_in_chunks() {
    let world = World::with(Kind::Facebook).await;
    let answer = world.broken(Fault::TooLarge { bytes: 200_000, declared: true }).await.unwrap();
    assert_eq!((answer.header("content-length"), answer.body.len()), (Some("200000"), 200_000));
    let answer = world.broken(Fault::TooLarge { bytes: 200_000, declared: false }).await.unwrap();
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert!(answer.body.len() > 200_000 && answer.body.ends_with(b"\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn what_is_no_picture_comes_as_200() {
    let world = World::with(Kind::Facebook).await;
    let answer = world.broken(Fault::TextAsJpeg).await.unwrap();
    assert_eq!(answer.parts(), (200, Some("image/jpeg"), "URL signature expired"));
    let answer = world.broken(Fault::Empty).await.unwrap();
    assert_eq!((answer.status, answer.text(), answer.header("content-length")), (200, "", Some("0")));
    let answer = world.broken(Fault::Html).await.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html")));
    let answer = world.broken(Fault::Svg).await.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/svg+xml")));
}

#[tokio::test]
async fn redirects_lead_there_or_back_to_themselves() {
    let world = World::with(Kind::Facebook).await;
    let answer = world.broken(Fault::RedirectTo("http://10.0.0.1/a.jpg".to_owned())).await.unwrap();
    assert_eq!((answer.status, answer.header("location")), (302, Some("http://10.0.0.1/a.jpg")));
    let answer = world.broken(Fault::RedirectLoop).await.unwrap();
    let target = world.sim.handed_out().pop().unwrap().replace(&world.sim.cdn_url(), "");
    assert_eq!((answer.status, answer.header("location")), (302, Some(target.as_str())));
}

#[tokio::test]
async fn a_hang_is_silent_and_a_late_answer_is_right() {
    let world = World::with(Kind::Facebook).await;
    world.sim.cdn_fault(None, Some(Fault::Hang));
    let hanging = tokio::time::timeout(Duration::from_millis(200), world.download()).await;
    assert!(hanging.is_err(), "neither an answer nor an end");
    let late = Duration::from_millis(100);
    for fault in
        [Fault::Latency(late), Fault::Slow { chunk: picture(1).bytes.len() / 3 + 1, pause: late / 2 }]
    {
        #[expect(clippy::disallowed_methods, reason = "how late an answer on the wire really is")]
        let begin = Instant::now();
        assert_eq!(world.broken(fault).await.unwrap().body, picture(1).bytes);
        assert!(begin.elapsed() >= late);
    }
}

#[tokio::test]
async fn throttles_name_the_time_in_the_way_of_each_provider() {
    let world = World::with(Kind::Facebook).await;
    world.sim.add(Account::new(Kind::Telegram, "7", "7:token", picture(2)));
    world.sim.api_fault(Some("1045"), Some(Fault::Throttled { code: 80001, minutes: 25 }));
    world.sim.api_fault(Some("7"), Some(Fault::TooManyRequests { retry_after: 30 }));
    let page = format!("{}/1045?fields=picture&access_token=1:token", world.sim.facebook_url());
    let answer = get(&page).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &80001.into()));
    let usage: serde_json::Value =
        serde_json::from_str(answer.header("x-business-use-case-usage").unwrap()).unwrap();
    assert_eq!(usage["1045"][0]["estimated_time_to_regain_access"], 25);
    assert_eq!(answer.header("retry-after"), None);
    let answer = get(&format!("{}/bot7:token/getChat?chat_id=7", world.sim.telegram_url())).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("30")));
    assert_eq!(answer.json()["parameters"]["retry_after"], 30);
    let app = ("X-App-Usage", r#"{"call_count":85,"total_cputime":15,"total_time":12}"#.to_owned());
    world.sim.api_fault(Some("1045"), Some(Fault::Headers(vec![app.clone()])));
    let answer = get(&page).await;
    assert_eq!((answer.status, answer.header("x-app-usage")), (200, Some(app.1.as_str())));
}

#[tokio::test]
async fn a_fault_is_for_one_account_for_one_side_and_for_so_many_requests() {
    let world = World::with(Kind::Facebook).await;
    world.sim.add(Account::new(Kind::Facebook, "1046", "EAAtwo", picture(2)));
    let failing = || Fault::Status { status: 500, content_type: "text/plain", body: String::new() };
    world.sim.cdn_fault_times(Some("1045"), failing(), 2);
    let page = format!("{}/1045?fields=picture&access_token=1:token", world.sim.facebook_url());
    assert_eq!(get(&page).await.status, 200, "the API is well");
    assert_eq!(get(&world.sim.direct_address("1046")).await.status, 200, "so is the other account");
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(world.download().await.unwrap().status);
    }
    assert_eq!(statuses, [500, 500, 200]);
    world.sim.api_fault(None, Some(failing()));
    assert_eq!(get(&page).await.status, 500);
    world.sim.api_fault(None, None);
    assert_eq!(get(&page).await.status, 200);
}

#[tokio::test]
async fn the_listeners_close_with_the_last_clone() {
    let world = World::with(Kind::Facebook).await;
    let (clone, url) = (world.sim.clone(), world.sim.cdn_url());
    drop(world);
    assert!(TcpStream::connect(authority(&url)).await.is_ok());
    drop(clone);
    while let Ok(mut stream) = TcpStream::connect(authority(&url)).await {
        // It is closed when the listener is.
        let _ = stream.read(&mut [0]).await;
    }
}

#[tokio::test]
async fn requests_count_as_simultaneous_while_both_are_answered_and_their_clients_wait() {
    let world = World::with(Kind::Facebook).await;
    let page = format!("{}/1045?fields=picture&access_token=1:token", world.sim.facebook_url());
    for _ in 0..200 {
        get(&page).await;
        assert_eq!(world.download().await.unwrap().status, 200);
    }
    world.sim.api_fault_times(None, Fault::Hang, 1);
    let gone = tokio::time::timeout(Duration::from_millis(100), get(&page)).await;
    assert!(gone.is_err());
    until(|| world.sim.under_way("1045") == 0).await;
    get(&page).await;
    assert_eq!((world.sim.most_at_once("1045"), world.sim.met("1045").len()), (1, 0));
    world.sim.api_fault(None, Some(Fault::Latency(Duration::from_millis(200))));
    tokio::join!(get(&page), get(&page));
    assert_eq!((world.sim.most_at_once("1045"), world.sim.met("1045").len()), (2, 1));
}
