//! [`RedisUrl`]: `redis.url` taken apart.
//!
//! By hand, since `url::Url` knows no list of hosts, and since an error must show no part of the text: where a password ends
//! is uncertain until all of it is parsed.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::model::{Invalid, Secret};

const KEY: &str = "url";
const FORMS: &str = "redis://host:port/database, rediss://..., unix:///path, redis+sentinel://host,host/master/database, \
                     rediss+sentinel://..., redis+cluster://host,host or rediss+cluster://..., with user:password@ \
                     before the hosts";
const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// The parts of a URL.
pub(crate) struct RedisUrl {
    pub(crate) topology: Topology,
    /// For the data nodes; the sentinels have their own.
    pub(crate) login: Login,
    pub(crate) tls: bool,
    pub(crate) database: u32,
}

/// How a Redis is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topology {
    /// One server.
    Node(Place),
    /// Sentinels that know which server is the primary.
    Sentinel { sentinels: Vec<Place>, master: String },
    /// Many primaries, each with a part of the keys.
    Cluster { seeds: Vec<Place> },
}

/// Where one server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// A host (a name or an address without brackets) and its port.
    Tcp(String, u16),
    /// A socket of this machine.
    Unix(PathBuf),
}

/// The login at a server. A user without a password is refused, since Redis wants both.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The four shapes of a scheme.
enum Shape {
    Node,
    Unix,
    Sentinel,
    Cluster,
}

impl RedisUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong(&format!("one of {FORMS}")))?;
        let (shape, tls) =
            shape_of(scheme).ok_or_else(|| wrong(&format!("a scheme that is known: {FORMS}")))?;
        let parts = Parts::split(rest)?;
        if let Shape::Unix = shape {
            return unix(&parts);
        }
        if let Some((name, _)) = parts.query.first() {
            return Err(unknown_parameter(name));
        }
        let login = login(parts.userinfo)?;
        let (topology, database) = match shape {
            Shape::Cluster => {
                (Topology::Cluster { seeds: places(parts.hosts, REDIS_PORT)? }, database(parts.path)?)
            }
            Shape::Sentinel => sentinel(&parts)?,
            Shape::Node | Shape::Unix => (Topology::Node(one_place(parts.hosts)?), database(parts.path)?),
        };
        if matches!(topology, Topology::Cluster { .. }) && database != 0 {
            return Err(wrong("no database number: a cluster has only database 0"));
        }
        Ok(Self { topology, login, tls, database })
    }
}

/// Valkey's names are synonyms; `s` at the end of the first word is TLS.
fn shape_of(scheme: &str) -> Option<(Shape, bool)> {
    let scheme = scheme.to_ascii_lowercase();
    let (first, second) = scheme.split_once('+').map_or((scheme.as_str(), None), |(a, b)| (a, Some(b)));
    let tls = match first {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        "unix" if second.is_none() => return Some((Shape::Unix, false)),
        _ => return None,
    };
    match second {
        None => Some((Shape::Node, tls)),
        Some("sentinel") => Some((Shape::Sentinel, tls)),
        Some("cluster") => Some((Shape::Cluster, tls)),
        Some("unix") if !tls => Some((Shape::Unix, false)),
        Some(_) => None,
    }
}

/// `[userinfo@]hosts[/path][?query]`, still encoded.
struct Parts<'a> {
    userinfo: &'a str,
    hosts: &'a str,
    path: &'a str,
    query: Vec<(&'a str, &'a str)>,
}

impl<'a> Parts<'a> {
    fn split(rest: &'a str) -> Result<Self, Invalid> {
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(authority_end);
        // SECURITY: an @ after the hosts means that they are the beginning of a password, which must not be shown.
        if tail.contains('@') || authority.matches('@').count() > 1 {
            return Err(wrong(
                "/ ? # @ in a user or password written as %2F %3F %23 %40, and both written once",
            ));
        }
        if tail.contains('#') {
            return Err(wrong("nothing after a #; a # in a password is written %23"));
        }
        let (userinfo, hosts) = authority.split_once('@').unwrap_or(("", authority));
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        let pair = |part: &'a str| part.split_once('=').unwrap_or((part, ""));
        let query = query.split('&').filter(|part| !part.is_empty()).map(pair).collect();
        Ok(Self { userinfo, hosts, path, query })
    }
}

/// As the redis crate reads it: `unix:///path?db=1&user=..&pass=..`.
fn unix(parts: &Parts<'_>) -> Result<RedisUrl, Invalid> {
    if !parts.hosts.is_empty() || !parts.userinfo.is_empty() || parts.path.len() < 2 {
        return Err(wrong(
            "an absolute path after three slashes: unix:///run/redis/redis.sock?user=..&pass=..&db=1",
        ));
    }
    let (mut user, mut password, mut number) = ("", "", "");
    for (name, value) in &parts.query {
        match *name {
            "user" => user = value,
            "pass" => password = value,
            "db" => number = value,
            _ => return Err(unknown_parameter(name)),
        }
    }
    Ok(RedisUrl {
        topology: Topology::Node(Place::Unix(PathBuf::from(decoded(parts.path)?))),
        login: login_of(decoded(user)?, decoded(password)?)?,
        tls: false,
        database: database(number)?,
    })
}

/// `/master` or `/master/database`.
fn sentinel(parts: &Parts<'_>) -> Result<(Topology, u32), Invalid> {
    let sentinels = places(parts.hosts, SENTINEL_PORT)?;
    let path = parts.path.strip_prefix('/').unwrap_or(parts.path);
    let (master, number) = path.split_once('/').unwrap_or((path, ""));
    let master = decoded(master)?;
    if master.is_empty() {
        return Err(wrong("the master's name after the sentinels: redis+sentinel://host,host/mymaster"));
    }
    Ok((Topology::Sentinel { sentinels, master }, database(number)?))
}

fn login(userinfo: &str) -> Result<Login, Invalid> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    login_of(decoded(user)?, decoded(password)?)
}

fn login_of(user: String, password: String) -> Result<Login, Invalid> {
    if !user.is_empty() && password.is_empty() {
        return Err(wrong(
            "a password beside the user: user:password@, or :password@ where there is no user",
        ));
    }
    let user = (!user.is_empty()).then_some(user);
    Ok(Login { user, password: (!password.is_empty()).then(|| Secret::new(password)) })
}

fn database(path: &str) -> Result<u32, Invalid> {
    match path.strip_prefix('/').unwrap_or(path) {
        "" => Ok(0),
        number => number.parse().map_err(|_| wrong("the database as a number, such as redis://host/2")),
    }
}

fn one_place(hosts: &str) -> Result<Place, Invalid> {
    let mut places = places(hosts, REDIS_PORT)?;
    match places.pop() {
        Some(place) if places.is_empty() => Ok(place),
        _ => Err(wrong("one host; several are written with redis+sentinel:// or redis+cluster://")),
    }
}

fn places(hosts: &str, default_port: u16) -> Result<Vec<Place>, Invalid> {
    let mut places = Vec::new();
    for host in hosts.split(',') {
        let place = place(host, default_port)?;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    Ok(places)
}

fn place(text: &str, default_port: u16) -> Result<Place, Invalid> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => {
            host.parse::<Ipv6Addr>().map_err(|_| wrong("an IPv6 address between the brackets"))?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some("")).ok_or_else(bad_port)?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    if host.is_empty() {
        return Err(wrong(&format!("a host: {FORMS}")));
    }
    if port.contains(':') {
        return Err(wrong("an IPv6 address in brackets: redis://[::1]:6379"));
    }
    if !host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:".contains(c)) {
        return Err(wrong("a host of letters, digits, dots and hyphens"));
    }
    let port = match port {
        "" => default_port,
        port => port.parse().ok().filter(|port| *port > 0).ok_or_else(bad_port)?,
    };
    Ok(Place::Tcp(host.to_owned(), port))
}

fn decoded(text: &str) -> Result<String, Invalid> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| wrong("percent-encoded parts that are UTF-8"))
}

fn bad_port() -> Invalid {
    wrong("a port from 1 to 65535 after each host's colon")
}

/// SECURITY: shows a name only if it looks like one.
fn unknown_parameter(name: &str) -> Invalid {
    let is_name = name.len() <= 24 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let name = if is_name { name } else { "its name is odd" };
    wrong(&format!(
        "no unknown parameter after the ? ({name}); a unix socket knows user, pass and db, the others none"
    ))
}

/// SECURITY: the URL contains a password, so the error shows no part of it.
fn wrong(expected: &str) -> Invalid {
    Invalid::new(KEY, "<secret>", expected)
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
