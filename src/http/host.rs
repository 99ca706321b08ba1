//! Which host a request asks for, and whether it says so as it must (RFC 9112 3.2, RFC 9113 8.3.1).

use std::net::Ipv6Addr;

use hyper::header::{HOST, HeaderMap};
use hyper::{Uri, Version};

/// The host that a checked request asks for, without its port: an authority in the request's target comes before the
/// header (RFC 9112 3.2.2). Only HTTP/1.0 may name none.
pub fn requested_host<'r>(target: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    match target.authority() {
        Some(authority) => host_of(authority.as_str()),
        None => headers.get(HOST).and_then(|value| value.to_str().ok()).and_then(host_of),
    }
}

/// Whether the request names its host validly and once.
///
/// SECURITY: what reads another host out of such a request than we do, a cache or a proxy in front of us, can be made to
/// keep the answer for the wrong site.
pub(super) fn names_its_host(version: Version, target: &Uri, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(HOST).iter();
    let (host, second) = (values.next(), values.next());
    let is_missing = match version {
        Version::HTTP_09 | Version::HTTP_10 => false,
        Version::HTTP_11 => host.is_none(),
        _ => host.is_none() && target.authority().is_none(),
    };
    let is_valid = |authority: &str| host_of(authority).is_some();
    !is_missing
        && second.is_none()
        && host.is_none_or(|value| value.to_str().is_ok_and(is_valid))
        && target.authority().is_none_or(|authority| is_valid(authority.as_str()))
}

/// The host of `host[:port]` if both are valid. An empty host is not (RFC 9110 4.2.1), and neither is a user's name before
/// it (RFC 9110 4.2.4).
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            (address, port)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (name, port) = authority.split_at(end);
            (is_name(name).then_some(name)?, port)
        }
    };
    is_port(port).then_some(host)
}

/// `reg-name` of RFC 3986 3.2.2, which an IPv4 address is as well. A percent sign is taken for what it begins.
fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
    !name.is_empty() && name.bytes().all(is_allowed)
}

/// Nothing, or a colon and at most a port's number.
fn is_port(port: &str) -> bool {
    let Some(digits) = port.strip_prefix(':') else { return port.is_empty() };
    digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits.is_empty() || digits.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for (authority, host) in [
            ("example.com", "example.com"),
            ("example.com:8080", "example.com"),
            ("example.com:", "example.com"),
            ("under_score.internal", "under_score.internal"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "::1"),
            ("[2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(host_of(authority), Some(host), "{authority}");
        }
    }

    #[test]
    fn anything_else_is_no_host() {
        for authority in [
            "",
            ":80",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "a@b",
            "user:pass@b",
            "a:b",
            "a:80:80",
            "a:65536",
            "a:+1",
            "::1",
            "[::1",
            "[::1]x",
            "[::g]",
            "[]",
            "a\\b",
            "a\"b",
            "http://a",
            "a,b c",
            "\u{e4}",
        ] {
            assert_eq!(host_of(authority), None, "{authority}");
        }
    }
}
