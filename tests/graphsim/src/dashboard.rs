//! A small dashboard as a product would have it: each account's picture hot-linked beside the same through the proxy,
//! and buttons for what providers do to it.

mod actions;
mod page;
mod state;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::Graphsim;
use crate::head::Head;
use crate::server::{self, Answer};
use crate::wire::Wire;

/// An account that the page shows.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The connection's id at the proxy.
    pub id: String,
    /// The account's id in the stand-in.
    pub account: String,
    /// Its display name.
    pub name: String,
    /// The provider's name, for people.
    pub provider: String,
}

/// Called when an owner has logged in again, with the connection's id and the new token: the place to update the row.
pub type Renewed = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// The running page; it closes when this is dropped.
pub struct Dashboard {
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the handlers share.
struct Site {
    sim: Graphsim,
    rows: Vec<Row>,
    /// The proxy's, without a slash at the end.
    proxy_url: String,
    /// Those of its other instances.
    others: Vec<String>,
    renewed: Option<Renewed>,
    provider_down: AtomicBool,
    /// Rises with each change of pictures or tokens.
    generation: AtomicU32,
}

/// An account and what the dashboard stored when it was connected.
struct Row {
    shown: Shown,
    /// The picture's address as the provider gave it then. A dashboard that hot-links keeps just this.
    direct: String,
    token: Mutex<Token>,
}

struct Token {
    first: String,
    revoked: bool,
}

impl Dashboard {
    /// Listens, and stores a freshly signed address for each account. "Renew tokens" lets the same tokens work again.
    ///
    /// From here on the stand-in's CDN sends `no-store`, so that the page sees at once what a new visitor would see.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(
        sim: Graphsim,
        accounts: Vec<Shown>,
        proxy_url: String,
        listen: SocketAddr,
    ) -> std::io::Result<Self> {
        Self::open(sim, accounts, vec![proxy_url], listen, None).await
    }

    /// The same, but "renew tokens" makes new ones, as a login does, and tells them to `renewed`. Of several instances of
    /// the proxy the first is the one beside the hot-linked picture.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start_with_renewal(
        sim: Graphsim,
        accounts: Vec<Shown>,
        proxy_urls: Vec<String>,
        listen: SocketAddr,
        renewed: Renewed,
    ) -> std::io::Result<Self> {
        Self::open(sim, accounts, proxy_urls, listen, Some(renewed)).await
    }

    async fn open(
        sim: Graphsim,
        accounts: Vec<Shown>,
        proxy_urls: Vec<String>,
        listen: SocketAddr,
        renewed: Option<Renewed>,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let port = listener.local_addr()?.port();
        sim.set_no_store(true);
        let rows = accounts.into_iter().map(|shown| Row::new(&sim, shown)).collect();
        let mut others = proxy_urls.into_iter().map(|url| url.trim_end_matches('/').to_owned());
        let proxy_url = others.next().unwrap_or_default();
        let site = Site {
            sim,
            rows,
            proxy_url,
            others: others.collect(),
            renewed,
            provider_down: AtomicBool::new(false),
            generation: AtomicU32::new(0),
        };
        #[expect(clippy::disallowed_methods, reason = "aborted when the dashboard goes")]
        let task = tokio::task::spawn(listen_for(listener, Arc::new(site)));
        Ok(Self { port, task })
    }

    /// The page's address. The name is `localhost`, so that the CDN at 127.0.0.1 is another site, as in life.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

impl Row {
    fn new(sim: &Graphsim, shown: Shown) -> Self {
        let direct = sim.direct_address(&shown.account);
        let token = Mutex::new(Token { first: sim.token(&shown.account), revoked: false });
        Self { shown, direct, token }
    }
}

async fn listen_for(listener: TcpListener, site: Arc<Site>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(stream, site.clone()));
    }
}

async fn serve(mut stream: TcpStream, site: Arc<Site>) {
    let Some(head) = Head::read(&mut stream).await else { return };
    let mut answer = route(&site, &head).await;
    answer.headers.push(("Cache-Control", "no-store".to_owned()));
    answer.headers.push(("X-Content-Type-Options", "nosniff".to_owned()));
    // The browser may have gone; that is its own affair.
    let (mut wire, _) = Wire::new(&mut stream, None);
    let _ = server::send(&mut wire, &answer).await;
}

async fn route(site: &Arc<Site>, head: &Head) -> Answer {
    match (head.method(), head.path()) {
        ("GET", "/") => page::answer(site),
        ("GET", "/state") => Answer::json(200, &state::read(site).await),
        ("POST", path) if path.starts_with("/do/") => {
            match path.strip_prefix("/do/").and_then(actions::Action::parse) {
                // SECURITY: any page in the same browser can send a POST here; browsers name its origin.
                _ if is_foreign(head) => Answer::text(403, "only this page may do that"),
                Some(action) => {
                    action.run(site);
                    Answer::json(200, &state::read(site).await)
                }
                None => Answer::text(404, "no such action"),
            }
        }
        _ => Answer::text(404, "no such page"),
    }
}

fn is_foreign(head: &Head) -> bool {
    head.header("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"))
}
