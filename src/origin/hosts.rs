//! [`HostList`]: the hosts that a provider may send us to.

use std::net::IpAddr;

/// Allowed hosts, matched on labels: `fbcdn.net` allows itself and `x.fbcdn.net`, never `xfbcdn.net`. An IP address is
/// allowed by itself alone.
///
/// SECURITY: an address from a provider's API is as foreign as any other (an OAuth `picture` can be an attacker's), and
/// a suffix match without the dot is the classic hole (PEERS 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostList(Vec<Allowed>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    Name(String),
    Ip(IpAddr),
}

impl HostList {
    /// At least one: names of two labels or more (or `localhost`) without wildcard, port or scheme, or IP addresses.
    ///
    /// # Errors
    /// The first entry that is none.
    pub fn parse(hosts: &[String]) -> Result<Self, String> {
        if hosts.is_empty() {
            return Err("[]".to_owned());
        }
        hosts.iter().map(|host| entry(host).ok_or_else(|| host.clone())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a host is in the list, or a name below one that is.
    pub fn allows(&self, host: &str) -> bool {
        let host = normal(host);
        let ip = host.parse::<IpAddr>().ok();
        self.0.iter().any(|allowed| match (allowed, ip) {
            (Allowed::Ip(allowed), Some(ip)) => *allowed == ip,
            (Allowed::Name(name), None) => is_within(&host, name),
            (Allowed::Ip(_), None) | (Allowed::Name(_), Some(_)) => false,
        })
    }
}

fn entry(text: &str) -> Option<Allowed> {
    let host = normal(text);
    if let Ok(ip) = host.parse() {
        return Some(Allowed::Ip(ip));
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // SECURITY: `0x7f.1` and `127.1` are addresses to the URL parser, so what ends in a number is no name.
    let last = host.rsplit('.').next().unwrap_or("");
    let is_name = host.split('.').all(is_label)
        && !last.starts_with(|first: char| first.is_ascii_digit())
        && (host.contains('.') || host == "localhost");
    is_name.then_some(Allowed::Name(host))
}

/// In lower case, without the dot of a fully qualified name and the brackets of an IPv6 address.
fn normal(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn is_within(host: &str, name: &str) -> bool {
    let below = |rest: &str| rest.is_empty() || (rest.len() > 1 && rest.ends_with('.'));
    host.strip_suffix(name).is_some_and(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(hosts: &[&str]) -> HostList {
        HostList::parse(&hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_name_allows_itself_and_what_is_below_it() {
        let hosts = list(&["FBCDN.net", "lookaside.instagram.com.", "127.0.0.1", "::1", "localhost"]);
        for (host, allowed) in [
            ("fbcdn.net", true),
            ("FBCDN.net", true),
            ("scontent-fra3-1.xx.fbcdn.net", true),
            ("scontent.xx.fbcdn.net.", true),
            ("xfbcdn.net", false),
            (".fbcdn.net", false),
            ("fbcdn.net.evil.com", false),
            ("fbcdn.net.evil", false),
            ("instagram.com", false),
            ("a.lookaside.instagram.com", true),
            ("127.0.0.1", true),
            ("1.127.0.0.1", false),
            ("127.0.0.11", false),
            ("[::1]", true),
            ("::1", true),
            ("[::11]", false),
            ("localhost", true),
            ("fbcdn.net..", false),
            ("net", false),
            ("", false),
        ] {
            assert_eq!(hosts.allows(host), allowed, "{host}");
        }
    }

    #[test]
    fn what_is_no_plain_host_is_refused() {
        for host in [
            "",
            ".",
            "net",
            "*.fbcdn.net",
            ".fbcdn.net",
            "fbcdn..net",
            "https://fbcdn.net",
            "fbcdn.net:443",
            "a b",
            "fbcdn.net/x",
            "127.1",
            "0x7f.0x1",
            "10.0.0.0/8",
            "ä.net",
        ] {
            assert!(HostList::parse(&[host.to_owned()]).is_err(), "{host}");
        }
        assert!(HostList::parse(&[]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_allowed_ends_in_an_allowed_name_behind_a_dot(host in "[a-z.]{0,12}(fbcdn\\.net)?[a-z.]{0,6}") {
            let allowed = list(&["fbcdn.net"]).allows(&host);
            let normal = host.strip_suffix('.').unwrap_or(&host);
            let below = normal.strip_suffix(".fbcdn.net").is_some_and(|below| !below.is_empty());
            proptest::prop_assert_eq!(allowed, normal == "fbcdn.net" || below);
        }
    }
}
