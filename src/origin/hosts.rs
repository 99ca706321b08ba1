//! [`HostList`]: the hosts that may serve a provider's pictures.

use std::net::IpAddr;

/// Allowed hosts, matched by labels: `fbcdn.net` allows itself and `x.fbcdn.net`, never `xfbcdn.net`. An IP address allows
/// only itself.
///
/// SECURITY: an address from a provider's API is as foreign as any other, since an attacker can choose an OAuth `picture`.
/// And a suffix match without the dot is the classic mistake of host lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostList(Vec<Allowed>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    Name(String),
    Ip(IpAddr),
}

impl HostList {
    /// Parses at least one host: names of two labels or more (or `localhost`) without wildcard, port or scheme, or IP
    /// addresses.
    ///
    /// # Errors
    /// The first entry that is no host.
    pub fn parse(hosts: &[String]) -> Result<Self, String> {
        if hosts.is_empty() {
            return Err("[]".to_owned());
        }
        hosts.iter().map(|host| entry(host).ok_or_else(|| host.clone())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the list has this host, or a name that it lies below.
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
    // SECURITY: the URL parser takes `0x7f.1` and `127.1` for addresses, so a name must not end in a number.
    let last = host.rsplit('.').next().unwrap_or("");
    let is_name = host.split('.').all(is_label)
        && !last.starts_with(|first: char| first.is_ascii_digit())
        && (host.contains('.') || host == "localhost");
    is_name.then_some(Allowed::Name(host))
}

/// Lower case, without the dot of a fully qualified name and the brackets of an IPv6 address.
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
    fn a_name_allows_itself_and_names_below_it() {
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
    fn anything_but_a_plain_host_is_refused() {
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
        fn every_allowed_host_is_a_listed_name_or_ends_in_a_dot_and_one(host in "[a-z.]{0,12}(fbcdn\\.net)?[a-z.]{0,6}") {
            let allowed = list(&["fbcdn.net"]).allows(&host);
            let normal = host.strip_suffix('.').unwrap_or(&host);
            let below = normal.strip_suffix(".fbcdn.net").is_some_and(|below| !below.is_empty());
            proptest::prop_assert_eq!(allowed, normal == "fbcdn.net" || below);
        }
    }
}
