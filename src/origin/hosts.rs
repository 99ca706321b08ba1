//! [`HostList`]: the hosts that a provider may send us to.

/// Allowed hosts, matched on labels: `fbcdn.net` allows itself and `x.fbcdn.net`, never `xfbcdn.net`.
///
/// SECURITY: an address from a provider's API is as foreign as any other (an OAuth `picture` can be an attacker's), and
/// a suffix match without the dot is the classic hole (PEERS 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostList(Vec<Box<str>>);

impl HostList {
    /// Names without wildcard, port or scheme, or IP literals.
    ///
    /// # Errors
    /// The first entry that is none.
    pub fn parse(hosts: &[String]) -> Result<Self, String> {
        hosts
            .iter()
            .map(|host| {
                let name = normal(host).to_ascii_lowercase();
                let canonical = url::Host::parse(&name).is_ok_and(|parsed| parsed.to_string() == name);
                if canonical && !name.is_empty() && !name.contains('*') {
                    Ok(name.into())
                } else {
                    Err(host.clone())
                }
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a host is in the list, or a name below one that is.
    pub fn allows(&self, host: &str) -> bool {
        let host = normal(host);
        self.0.iter().any(|allowed| is_within(host, allowed))
    }
}

/// Without the dot of a fully qualified name.
fn normal(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

fn is_within(host: &str, allowed: &str) -> bool {
    if host.eq_ignore_ascii_case(allowed) {
        return true;
    }
    let is_name = !allowed.starts_with('[') && allowed.parse::<std::net::IpAddr>().is_err();
    let split = host.len().checked_sub(allowed.len()).filter(|split| host.is_char_boundary(*split));
    is_name
        && split.is_some_and(|split| {
            host[..split].ends_with('.') && split > 1 && host[split..].eq_ignore_ascii_case(allowed)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(hosts: &[&str]) -> HostList {
        HostList::parse(&hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_name_allows_itself_and_what_is_below_it() {
        let hosts = list(&["fbcdn.net", "lookaside.instagram.com", "127.0.0.1"]);
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
            ("", false),
        ] {
            assert_eq!(hosts.allows(host), allowed, "{host}");
        }
    }

    #[test]
    fn what_is_no_plain_host_is_refused() {
        for host in ["", "*.fbcdn.net", "https://fbcdn.net", "fbcdn.net:443", "a b", "fbcdn.net/x", "."] {
            assert!(HostList::parse(&[host.to_owned()]).is_err(), "{host}");
        }
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
