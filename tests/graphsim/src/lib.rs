//! A stand-in for graph.instagram.com, graph.facebook.com, api.telegram.org, the signing CDN, and any other API whose
//! replies a test writes.
//!
//! It answers over real sockets on 127.0.0.1 as the real ones do: signatures end and are verified over the raw address,
//! failure bodies are exact, errors have their codes, and faults can be scripted for the API and for the CDN, for one
//! account or for all. It knows nothing of the proxy that is tested against it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "only tests and the demo use it; a broken stand-in must stop them"
)]

mod account;
mod cdn;
mod crowd;
pub mod dashboard;
mod endpoint;
mod fault;
mod graph;
mod head;
pub mod pictures;
mod quota;
mod server;
mod telegram;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use account::{Account, Kind, Missing};
pub use endpoint::Endpoint;
pub use fault::Fault;
pub use pictures::PictureFile;
pub use quota::Quota;

use account::State;
use crowd::{Crowds, UnderWay};
use fault::Faults;
use quota::{Owner, Quotas};

/// Requests and addresses that are remembered.
const REMEMBERED: usize = 10_000;

/// How it is set up.
pub struct Options {
    /// The time in milliseconds since the epoch: the test's clock, so that signatures end when the test wants.
    pub now: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// How long a signature holds.
    pub address_life: Duration,
}

/// The stand-in. Clones share it; its listeners close when the last clone goes.
#[derive(Clone)]
pub struct Graphsim(Arc<Shared>);

struct Shared {
    world: Arc<World>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Which of the five listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    Instagram,
    Facebook,
    Telegram,
    Cdn,
    Other,
}

/// A call of an API for an account that it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiCall {
    /// In milliseconds since the epoch.
    pub at: i64,
    /// The account's id.
    pub account: String,
    /// The answer's, where no fault is scripted.
    pub status: u16,
}

/// All that the listeners share.
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) addresses: [SocketAddr; 5],
    pub(crate) accounts: Mutex<Vec<State>>,
    pub(crate) anonymous_downloads: std::sync::atomic::AtomicUsize,
    /// Which listeners refuse.
    pub(crate) shut: [watch::Sender<bool>; 5],
    pub(crate) api_faults: Faults,
    pub(crate) cdn_faults: Faults,
    pub(crate) app_secret: Mutex<Option<String>>,
    /// Signatures that were made before are over.
    pub(crate) epoch: AtomicU64,
    pub(crate) nonce: AtomicU64,
    pub(crate) local_files: Mutex<bool>,
    pub(crate) no_store: AtomicBool,
    /// Of any other API, each with its calls so far.
    pub(crate) endpoints: Mutex<Vec<(Endpoint, usize)>>,
    /// What lies at the CDN without a signature, by path and query.
    pub(crate) files: Mutex<HashMap<String, PictureFile>>,
    pub(crate) quotas: Quotas,
    crowds: Crowds,
    calls: Mutex<VecDeque<ApiCall>>,
    heads: Mutex<VecDeque<String>>,
    handed_out: Mutex<VecDeque<String>>,
}

impl World {
    pub(crate) fn now_millis(&self) -> i64 {
        (self.options.now)()
    }

    pub(crate) fn now_secs(&self) -> i64 {
        self.now_millis().div_euclid(1000)
    }

    pub(crate) fn base(&self, host: Host) -> String {
        format!("http://{}", self.addresses[host as usize])
    }

    pub(crate) fn remember_head(&self, head: &str) {
        remember(&self.heads, head.to_owned());
    }

    pub(crate) fn remember_address(&self, address: &str) {
        remember(&self.handed_out, address.to_owned());
    }

    pub(crate) fn remember_call(&self, account: &str, status: u16) {
        let call = ApiCall { at: self.now_millis(), account: account.to_owned(), status };
        remember(&self.calls, call);
    }

    /// Counts a request for an account, to the provider or the CDN, as long as it is answered.
    pub(crate) fn enter(&self, id: &str, asked: &str) -> UnderWay<'_> {
        self.crowds.enter(id, asked)
    }

    /// Changes one account.
    pub(crate) fn with<T>(&self, id: &str, change: impl FnOnce(&mut State) -> T) -> T {
        let mut accounts = self.accounts.lock().unwrap();
        let state = accounts.iter_mut().find(|state| state.account.id == id);
        change(state.unwrap_or_else(|| panic!("the stand-in has no account {id}")))
    }
}

fn remember<T>(list: &Mutex<VecDeque<T>>, item: T) {
    let mut list = list.lock().unwrap();
    if list.len() == REMEMBERED {
        list.pop_front();
    }
    list.push_back(item);
}

impl Graphsim {
    /// Binds the five listeners and answers from then on.
    pub async fn start(options: Options) -> Self {
        let mut listeners = Vec::new();
        for _ in 0..5 {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
        }
        let addresses = std::array::from_fn(|host| listeners[host].local_addr().expect("bound"));
        let world = Arc::new(World {
            options,
            addresses,
            accounts: Mutex::default(),
            anonymous_downloads: 0.into(),
            shut: std::array::from_fn(|_| watch::Sender::new(false)),
            api_faults: Faults::default(),
            cdn_faults: Faults::default(),
            app_secret: Mutex::default(),
            epoch: AtomicU64::new(0),
            nonce: AtomicU64::new(1),
            local_files: Mutex::default(),
            no_store: AtomicBool::new(false),
            endpoints: Mutex::default(),
            files: Mutex::default(),
            quotas: Quotas::default(),
            crowds: Crowds::default(),
            calls: Mutex::default(),
            heads: Mutex::default(),
            handed_out: Mutex::default(),
        });
        let hosts = [Host::Instagram, Host::Facebook, Host::Telegram, Host::Cdn, Host::Other];
        let tasks = listeners
            .into_iter()
            .zip(hosts)
            .map(|(listener, host)| {
                #[expect(clippy::disallowed_methods, reason = "aborted when the stand-in goes")]
                tokio::task::spawn(server::listen(listener, host, world.clone()))
            })
            .collect();
        Self(Arc::new(Shared { world, tasks }))
    }

    fn world(&self) -> &World {
        &self.0.world
    }

    /// In place of `https://graph.instagram.com`.
    pub fn instagram_url(&self) -> String {
        self.world().base(Host::Instagram)
    }

    /// In place of `https://graph.facebook.com`.
    pub fn facebook_url(&self) -> String {
        self.world().base(Host::Facebook)
    }

    /// In place of `https://api.telegram.org`.
    pub fn telegram_url(&self) -> String {
        self.world().base(Host::Telegram)
    }

    /// In place of the CDN's many hosts.
    pub fn cdn_url(&self) -> String {
        self.world().base(Host::Cdn)
    }

    /// In place of any other API.
    pub fn other_url(&self) -> String {
        self.world().base(Host::Other)
    }

    /// Has the other API answer there so; an endpoint of the same target is replaced and keeps its count.
    pub fn serve(&self, endpoint: Endpoint) {
        let mut endpoints = self.world().endpoints.lock().unwrap();
        match endpoints.iter_mut().find(|(known, _)| known.target == endpoint.target) {
            Some((known, _)) => *known = endpoint,
            None => endpoints.push((endpoint, 0)),
        }
    }

    /// How often the endpoint of this target was asked.
    pub fn endpoint_calls(&self, target: &str) -> usize {
        let endpoints = self.world().endpoints.lock().unwrap();
        endpoints.iter().find(|(endpoint, _)| endpoint.target == target).map_or(0, |(_, calls)| *calls)
    }

    /// Puts a file at the CDN that needs no signature; tells its address.
    pub fn put_file(&self, target: &str, picture: PictureFile) -> String {
        self.world().files.lock().unwrap().insert(target.to_owned(), picture);
        format!("{}{target}", self.cdn_url())
    }

    /// Adds an account.
    pub fn add(&self, account: Account) {
        self.world().accounts.lock().unwrap().push(State::new(account));
    }

    /// The owner puts up another picture, or takes it away. A new picture has a new file name.
    pub fn set_picture(&self, id: &str, picture: Option<PictureFile>) {
        self.world().with(id, |state| state.set_picture(picture));
    }

    /// How Instagram says that there is no picture.
    pub fn set_missing(&self, id: &str, missing: Missing) {
        self.world().with(id, |state| state.missing = missing);
    }

    /// From now on the token is answered as dead.
    pub fn revoke_token(&self, id: &str) {
        self.world().with(id, |state| state.revoked = true);
    }

    /// The owner logs in again: the old token stays dead, this one works.
    pub fn renew_token(&self, id: &str, token: &str) {
        self.world().with(id, |state| {
            state.account.token = token.to_owned();
            state.revoked = false;
        });
    }

    /// A freshly signed address, as the dashboard would have stored it.
    pub fn direct_address(&self, id: &str) -> String {
        let (name, kind) = self.world().with(id, |state| (state.file_name(), state.account.kind));
        cdn::sign(self.world(), &name, kind)
    }

    /// How long an address at the CDN still holds; 0 when it is over or was altered.
    pub fn seconds_left(&self, address: &str) -> i64 {
        let target = address.strip_prefix(&self.cdn_url()).unwrap_or("");
        cdn::seconds_left(self.world(), target)
    }

    /// The token with which the account is asked for now.
    pub fn token(&self, id: &str) -> String {
        self.world().with(id, |state| state.account.token.clone())
    }

    /// Pictures come with `Cache-Control: no-store` in place of the CDN's 14 days: a page that shows one again asks again,
    /// as every new visitor's browser does.
    pub fn set_no_store(&self, no_store: bool) {
        self.world().no_store.store(no_store, Ordering::SeqCst);
    }

    /// Closes the listeners, and the connections that are open.
    pub fn stop(&self) {
        self.0.tasks.iter().for_each(JoinHandle::abort);
    }

    /// All signatures made so far are over.
    pub fn expire_all_addresses(&self) {
        self.world().epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// Scripts the API: for one account or for all; `None` ends it.
    pub fn api_fault(&self, id: Option<&str>, fault: Option<Fault>) {
        self.world().api_faults.set(id, fault, usize::MAX);
    }

    /// The same for that many of the next requests.
    pub fn api_fault_times(&self, id: Option<&str>, fault: Fault, times: usize) {
        self.world().api_faults.set(id, Some(fault), times);
    }

    /// Scripts the CDN, and Telegram's files.
    pub fn cdn_fault(&self, id: Option<&str>, fault: Option<Fault>) {
        self.world().cdn_faults.set(id, fault, usize::MAX);
    }

    /// The same for that many of the next requests.
    pub fn cdn_fault_times(&self, id: Option<&str>, fault: Fault, times: usize) {
        self.world().cdn_faults.set(id, Some(fault), times);
    }

    /// The three APIs refuse connections, or accept them again. Telegram's files go with its API.
    pub async fn refuse_api(&self, refuse: bool) {
        for host in [Host::Instagram, Host::Facebook, Host::Telegram] {
            self.refuse(host, refuse).await;
        }
    }

    /// The CDN refuses connections, or accepts them again.
    pub async fn refuse_cdn(&self, refuse: bool) {
        self.refuse(Host::Cdn, refuse).await;
    }

    /// Returns when it is so.
    async fn refuse(&self, host: Host, refuse: bool) {
        self.world().shut[host as usize].send_replace(refuse);
        let address = self.world().addresses[host as usize];
        while TcpStream::connect(address).await.is_ok() == refuse {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Bounds the calls of one of Meta's two apps: graph.instagram.com's or graph.facebook.com's. Every reply says how
    /// much of it is used up; what is beyond is refused with code 4.
    pub fn set_app_quota(&self, kind: Kind, quota: Quota) {
        self.world().quotas.set(Owner::App(graph::host_of(kind)), quota);
    }

    /// The same for one account; the refusal is code 80001, with the minutes until there is room.
    pub fn set_account_quota(&self, id: &str, quota: Quota) {
        self.world().quotas.set(Owner::Account(id.to_owned()), quota);
    }

    /// Another program of the same app makes that many calls now.
    pub fn spend_app_quota(&self, kind: Kind, calls: usize) {
        let world = self.world();
        world.quotas.spend(&Owner::App(graph::host_of(kind)), calls, world.now_millis());
    }

    /// Facebook asks for an `appsecret_proof` made with this secret.
    pub fn require_appsecret_proof(&self, secret: &str) {
        *self.world().app_secret.lock().unwrap() = Some(secret.to_owned());
    }

    /// The Bot API server runs with `--local`: its file paths are absolute.
    pub fn set_local_files(&self, local: bool) {
        *self.world().local_files.lock().unwrap() = local;
    }

    /// API calls for an account.
    pub fn api_calls(&self, id: &str) -> usize {
        self.world().with(id, |state| state.api_calls)
    }

    /// Pictures of an account that were asked for.
    pub fn downloads(&self, id: &str) -> usize {
        self.world().with(id, |state| state.downloads)
    }

    /// The most requests for an account, to the provider and the CDN, that were answered at the same time. One whose
    /// client has gone is over.
    pub fn most_at_once(&self, id: &str) -> usize {
        self.world().crowds.most(id)
    }

    /// How many requests for an account are answered now.
    pub fn under_way(&self, id: &str) -> usize {
        self.world().crowds.now(id)
    }

    /// The most requests that were answered at the same time, for all accounts and the other API together.
    pub fn most_at_once_of_all(&self) -> usize {
        self.world().crowds.most_of_all()
    }

    /// Those that were at the same time, in words.
    pub fn met(&self, id: &str) -> Vec<String> {
        self.world().crowds.met(id)
    }

    /// API calls for all accounts.
    pub fn total_api_calls(&self) -> usize {
        self.world().accounts.lock().unwrap().iter().map(|state| state.api_calls).sum()
    }

    /// Pictures of all accounts that were asked for, and Instagram's anonymous one.
    pub fn total_downloads(&self) -> usize {
        let own: usize = self.world().accounts.lock().unwrap().iter().map(|state| state.downloads).sum();
        own + self.world().anonymous_downloads.load(Ordering::SeqCst)
    }

    /// Counts from zero again.
    pub fn reset_counters(&self) {
        for state in self.world().accounts.lock().unwrap().iter_mut() {
            (state.api_calls, state.downloads) = (0, 0);
        }
        self.world().anonymous_downloads.store(0, Ordering::SeqCst);
    }

    /// The last API calls for accounts that are known, the oldest first: 10,000 at most.
    pub fn calls(&self) -> Vec<ApiCall> {
        self.world().calls.lock().unwrap().iter().cloned().collect()
    }

    /// Raw request lines as they came, of all listeners.
    pub fn request_lines(&self) -> Vec<String> {
        self.heads().iter().filter_map(|head| head.lines().next().map(str::to_owned)).collect()
    }

    /// Whole raw request heads.
    pub fn heads(&self) -> Vec<String> {
        self.world().heads.lock().unwrap().iter().cloned().collect()
    }

    /// Addresses at the CDN that replies contained.
    pub fn handed_out(&self) -> Vec<String> {
        self.world().handed_out.lock().unwrap().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
