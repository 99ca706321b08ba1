//! The same over HTTP/2 without TLS, by prior knowledge (RFC 9113 3.3).

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::util::{fields, proxy};
use crate::support::accounts::{FACEBOOK, small};
use crate::support::client::hash;
use crate::support::proxy::Proxy;

struct Client {
    send: SendRequest<Full<Bytes>>,
    _connection: JoinSet<()>,
}

impl Client {
    async fn to(proxy: &Proxy) -> Self {
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        let (send, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { _ = connection.await });
        Self { send, _connection: tasks }
    }

    async fn ask(&mut self, method: &str, target: &str, header: (&str, &str), body: &str) -> Response<Bytes> {
        let request = Request::builder().method(method).uri(format!("http://a{target}"));
        let request = request.header(header.0, header.1).body(Full::from(body.to_owned())).unwrap();
        self.send.ready().await.unwrap();
        let (head, body) = self.send.send_request(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    async fn get(&mut self, target: &str) -> Response<Bytes> {
        self.ask("GET", target, ("x-nothing", "1"), "").await
    }
}

#[tokio::test]
async fn a_picture_is_the_same_on_both_versions() {
    let (_sim, proxy) = proxy("").await;
    let mut client = Client::to(&proxy).await;
    for target in
        ["/avatar/clx3facebook", "/avatar/clx3instagram", "/avatar/nobody", "/avatar/no.gif", "/readyz"]
    {
        let (two, one) = (client.get(target).await, proxy.get(target).await);
        assert_eq!((two.version(), two.status().as_u16()), (hyper::Version::HTTP_2, one.status));
        assert_eq!(hash(two.body()), one.hash(), "{target}");
        let mut expected = fields(&one);
        expected.remove("connection");
        let mut names: Vec<&str> = two.headers().keys().map(|name| name.as_str()).collect();
        names.retain(|name| *name != "date");
        names.sort_unstable();
        assert_eq!(names, expected.keys().collect::<Vec<_>>(), "{target}");
        for (name, value) in &expected {
            assert_eq!(two.headers()[name], value.as_str(), "{target} {name}");
        }
    }
}

#[tokio::test]
async fn conditions_head_and_methods_hold_on_http_2() {
    let (_sim, proxy) = proxy("").await;
    let mut client = Client::to(&proxy).await;
    let etag = client.get("/avatar/clx3facebook").await.headers()["etag"].to_str().unwrap().to_owned();
    let same = client.ask("GET", "/avatar/clx3facebook", ("if-none-match", &etag), "").await;
    assert_eq!((same.status().as_u16(), same.body().len()), (304, 0));
    assert!(same.headers().get("content-type").is_none() && same.headers().get("content-length").is_none());
    assert_eq!(same.headers()["etag"], etag.as_str());

    let head = client.ask("HEAD", "/avatar/clx3facebook", ("x-nothing", "1"), "").await;
    assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
    assert_eq!(head.headers()["content-length"], small(1).bytes.len().to_string().as_str());

    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE"] {
        let refused = client.ask(method, "/avatar/clx3facebook", ("x-nothing", "1"), "").await;
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["allow"]),
            (405, &"GET, HEAD".parse().unwrap())
        );
    }
    // The connection has survived all that.
    assert_eq!(hash(client.get(&FACEBOOK.path()).await.body()), hash(&small(1).bytes));
}

#[tokio::test]
async fn a_body_on_get_is_400_on_http_2() {
    let (_sim, proxy) = proxy("").await;
    let mut client = Client::to(&proxy).await;
    let refused = client.ask("GET", "/avatar/clx3facebook", ("x-nothing", "1"), "hello").await;
    assert_eq!(refused.status().as_u16(), 400);
    assert!(String::from_utf8_lossy(refused.body()).contains("body_not_allowed"));
}

#[tokio::test]
async fn http_1_that_asks_for_an_upgrade_stays_http_1() {
    let (_sim, proxy) = proxy("").await;
    let headers = "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n";
    let answer = proxy.request("GET", &FACEBOOK.path(), headers).await;
    assert_eq!((answer.status, answer.hash()), (200, hash(&small(1).bytes)));
}
