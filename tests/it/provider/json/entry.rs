//! One ready entry of `providers/`, against a scripted API: the file as it is, but for the two hosts.

use std::time::Duration;

use avatar_proxy::clock::Clock;
use avatar_proxy::config::{Config, Environment};
use avatar_proxy::origin::HostList;
use graphsim::{Endpoint, Graphsim};
use serde_json::Value;

use crate::support::accounts::small;
use crate::support::client::Answer;
use crate::support::proxy::{Proxy, START, stand_in};

/// What every test's row holds.
const TOKEN: &str = "token-of-the-account-51c7";
/// The header of most APIs that carries it.
pub(super) const BEARER: Option<(&str, &str)> = Some(("Authorization", "Bearer token-of-the-account-51c7"));

/// An entry and the API that it is for.
pub(super) struct Entry {
    /// The file's text.
    pub(super) file: &'static str,
    /// The row's account; empty = none.
    pub(super) account: &'static str,
    /// Path and query that the API must be asked for.
    pub(super) asked: &'static str,
    /// The header that must carry the token.
    pub(super) header: Option<(&'static str, &'static str)>,
    /// A real address of a picture, as the API gives it.
    pub(super) picture: &'static str,
    /// Path and query by which the CDN must be asked for it.
    pub(super) fetched: &'static str,
    /// The reply with that address in it.
    pub(super) reply: fn(&str) -> Value,
    /// When the address ends, in seconds since the epoch, where something says so.
    pub(super) ends: Option<i64>,
    /// What a placeholder shows where the row has no name; empty = the neutral figure.
    pub(super) initials: &'static str,
}

/// The entry at work: a proxy that has shown the picture.
pub(super) struct Shown {
    entry: Entry,
    sim: Graphsim,
    proxy: Proxy,
}

/// A reply of the API when the avatar is refreshed, and what must come of it.
pub(super) enum Reply {
    /// The reply before, once more: the picture is not fetched again.
    Unchanged,
    /// An error; the last good picture is still shown.
    Fails { status: u16, headers: Headers, body: Value, class: &'static str, reason: &'static str },
    /// 429 with these headers.
    Throttle(Headers),
    /// "No picture": a placeholder is shown, with the initials of the provider's name.
    NoPicture(Value),
    /// The reply before, over a day: it means "no picture" then.
    NoPictureAfterADay,
}

type Headers = &'static [(&'static str, &'static str)];

/// The reply before, once more: the picture is not fetched again.
pub(super) fn unchanged() -> Reply {
    Reply::Unchanged
}

/// An error of that class, for that reason.
pub(super) fn fails(status: u16, body: Value, class: &'static str, reason: &'static str) -> Reply {
    fails_with(status, body, &[], class, reason)
}

/// The same, with headers.
pub(super) fn fails_with(
    status: u16,
    body: Value,
    headers: Headers,
    class: &'static str,
    reason: &'static str,
) -> Reply {
    Reply::Fails { status, headers, body, class, reason }
}

/// The API does not know the token.
pub(super) fn dead_token(body: Value, reason: &'static str) -> Reply {
    fails(401, body, "needs_reauth", reason)
}

/// The account without the member that names its picture: no proof that it has none.
pub(super) fn no_proof(body: Value) -> Reply {
    fails(200, body, "transient", "the reply has no picture field")
}

/// 429 with these headers.
pub(super) fn throttle(headers: Headers) -> Reply {
    Reply::Throttle(headers)
}

/// The account has no picture.
pub(super) fn no_picture(body: Value) -> Reply {
    Reply::NoPicture(body)
}

/// The reply before, over a day.
pub(super) fn no_picture_after_a_day() -> Reply {
    Reply::NoPictureAfterADay
}

impl Entry {
    /// Asks, fetches and shows the picture, then replies to a refresh each time.
    pub(super) async fn proves<const COUNT: usize>(self, replies: [Reply; COUNT]) -> Shown {
        self.shows_the_picture().await.replies(replies).await
    }

    async fn shows_the_picture(self) -> Shown {
        let block = self.block();
        let hosts = block["hosts"].clone().try_into::<Vec<String>>().unwrap();
        let host = self.picture.split('/').nth(2).unwrap();
        assert!(HostList::parse(&hosts).unwrap().allows(host), "{host} is not in its hosts");
        let clock = Clock::manual(START);
        let sim = stand_in(&clock).await;
        sim.put_file(self.fetched, small(1));
        self.answers(&sim, 200, (self.reply)(&at_the_stand_in(&sim, self.picture)), &[]);
        let proxy = Proxy::start(&sim, &clock, &self.config(&sim)).await;
        let shown = Shown { entry: self, sim, proxy };
        let answer = shown.get().await;
        assert_eq!((answer.status, answer.state()), (200, "fresh"), "{}", shown.inspect().await);
        assert_eq!(answer.body, small(1).bytes);
        assert_eq!(shown.sim.endpoint_calls(shown.entry.asked), 1);
        let margin = |end: i64| (end - START.as_secs()).min(4 * 12 * 3600) / 4;
        let until = shown.entry.ends.map_or(START.as_secs() + 24 * 3600, |end| end - margin(end));
        assert_eq!(shown.inspect().await["link_expires_at"], until * 1000);
        shown
    }

    /// The file's one block.
    fn block(&self) -> toml::Table {
        let file: toml::Table = self.file.parse().unwrap();
        let [block] = &file["providers"]["json"].as_array().unwrap()[..] else { panic!("one block") };
        block.as_table().unwrap().clone()
    }

    /// The file with the stand-in in the place of the two hosts, and a row of its provider.
    fn config(&self, sim: &Graphsim) -> String {
        self.assert_valid();
        let mut block = self.block();
        let url = block["url"].as_str().unwrap();
        let (api, cdn) = (at(url, &sim.other_url()), sim.cdn_url());
        block.insert("url".to_owned(), api.into());
        if let Some(address) = block.get("address").and_then(toml::Value::as_str) {
            let made = at(address, &cdn);
            block.insert("address".to_owned(), made.into());
        }
        block.insert("hosts".to_owned(), vec!["127.0.0.1"].into());
        let name = block["name"].as_str().unwrap().to_owned();
        let blocks = toml::Value::Array(vec![block.into()]);
        let json = toml::Table::from_iter([("json".to_owned(), blocks)]);
        let providers = toml::Table::from_iter([("providers".to_owned(), json.into())]);
        let token =
            if self.header.is_some() { format!("token = \"plain:{TOKEN}\"\n") } else { String::new() };
        format!(
            "[[connection]]\nid = \"acme\"\nprovider = \"{name}\"\naccount = \"{}\"\n{token}{providers}",
            self.account
        )
    }

    /// The file as it is.
    fn assert_valid(&self) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, self.file).unwrap();
        let config = Config::load(Some(&file), &Environment::new([]).unwrap());
        assert_eq!(config.unwrap_or_else(|error| panic!("{error}")).providers.names().len(), 4);
    }

    fn answers(&self, sim: &Graphsim, status: u16, body: Value, headers: Headers) {
        let header = self.header.map(|(name, value)| (name, value.to_owned()));
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        sim.serve(Endpoint { status, headers, ..Endpoint::new(self.asked, header, body) });
    }
}

impl Shown {
    /// Replies to one refresh after the other.
    pub(super) async fn replies<const COUNT: usize>(self, replies: [Reply; COUNT]) -> Self {
        for reply in replies {
            match reply {
                Reply::Unchanged => self.fetches_nothing_again().await,
                Reply::Fails { status, headers, body, class, reason } => {
                    self.entry.answers(&self.sim, status, body, headers);
                    self.fails(class, reason).await;
                }
                Reply::Throttle(headers) => {
                    self.entry.answers(&self.sim, 429, Value::Null, headers);
                    assert_eq!(self.refresh().await["trouble"]["class"], "throttled");
                }
                Reply::NoPicture(body) => {
                    self.entry.answers(&self.sim, 200, body, &[]);
                    self.shows_a_placeholder().await;
                }
                Reply::NoPictureAfterADay => self.has_none_after_a_day().await,
            }
        }
        self
    }

    async fn fetches_nothing_again(&self) {
        let before = self.sim.request_lines().len();
        self.refresh().await;
        assert_eq!(self.sim.request_lines().len(), before + 1, "the API alone was asked");
    }

    async fn fails(&self, class: &str, reason: &str) {
        let trouble = self.refresh().await["trouble"].clone();
        assert_eq!((trouble["class"].as_str(), trouble["reason"].as_str()), (Some(class), Some(reason)));
        let answer = self.get().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, small(1).bytes, "the last good picture");
    }

    async fn has_none_after_a_day(&self) {
        self.proxy.clock.advance(Duration::from_secs(24 * 3600 - 1));
        for _ in 0..3 {
            assert_eq!(self.refresh().await["content"], "picture");
        }
        self.proxy.clock.advance(Duration::from_secs(1));
        assert_eq!(self.refresh().await["content"], "no_picture");
    }

    async fn shows_a_placeholder(&self) {
        let inspection = self.refresh().await;
        assert_eq!(inspection["content"], "no_picture", "{inspection}");
        let answer = self.get().await;
        assert_eq!(answer.state(), "placeholder");
        // A joiner that has no width stands between the letters.
        let svg = String::from_utf8(answer.body).unwrap().replace('\u{200c}', "");
        let drawn = match self.entry.initials {
            "" => "<circle".to_owned(),
            initials => format!(">{initials}<"),
        };
        assert!(svg.contains(&drawn), "{svg}");
    }

    /// The address that the API would give for another picture, at the stand-in.
    pub(super) fn at(&self, address: &str) -> String {
        at_the_stand_in(&self.sim, address)
    }

    pub(super) async fn get(&self) -> Answer {
        self.proxy.get("/avatar/acme").await
    }

    /// How long the whole app is paused, where it is.
    pub(super) async fn app_pause(&self) -> Option<Duration> {
        let until = self.inspect().await["app_paused_until"].as_i64()?;
        Some(Duration::from_millis((until - self.proxy.clock.now().as_millis()).unsigned_abs()))
    }

    /// How long this account is left alone.
    pub(super) async fn pause(&self) -> Duration {
        let until = self.inspect().await["trouble"]["retry_at"].as_i64().unwrap();
        Duration::from_millis((until - self.proxy.clock.now().as_millis()).unsigned_abs())
    }

    async fn inspect(&self) -> Value {
        let answer = self.proxy.admin("GET", "/api/avatars/acme").await;
        serde_json::from_slice(&answer.body).unwrap()
    }

    async fn refresh(&self) -> Value {
        let answer = self.proxy.admin("POST", "/api/avatars/acme/refresh").await;
        assert!(!String::from_utf8_lossy(&answer.body).contains(TOKEN));
        serde_json::from_slice(&answer.body).unwrap()
    }
}

/// A real address at the stand-in's CDN.
fn at_the_stand_in(sim: &Graphsim, address: &str) -> String {
    at(address, &sim.cdn_url())
}

/// An address with another scheme, host and port.
fn at(address: &str, origin: &str) -> String {
    let path = address.split_once("://").unwrap().1.split_once('/').unwrap().1;
    format!("{origin}/{path}")
}
