//! Which IP addresses may be dialled: only global unicast.
//!
//! SECURITY: image proxies that list "private" ranges have missed some: carrier-grade NAT, `0.0.0.0`, `::`, embedded IPv4.
//! So every address that is not known to be global is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Refuses every address that is not global unicast, except in networks that a developer allows.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    /// `origin.allow_private`.
    pub(super) allowed: Vec<IpNet>,
}

impl Guard {
    /// Whether this address may be dialled.
    pub(super) fn allows(&self, ip: IpAddr) -> bool {
        is_global(ip) || self.allowed.iter().any(|net| net.contains(&ip.to_canonical()))
    }
}

/// Whether an address is global unicast (IANA's special-purpose registries, RFC 6890), embedded IPv4 included.
pub fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_global_v4(ip),
        IpAddr::V6(ip) => is_global_v6(ip),
    }
}

fn is_global_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !matches!(
        (a, b, c),
        (0, ..)                    // RFC 791: this network; the unspecified address reaches loopback
            | (10, ..)             // RFC 1918
            | (100, 64..=127, _)   // RFC 6598: carrier-grade NAT
            | (127, ..)            // RFC 1122: loopback
            | (169, 254, _)        // RFC 3927: link-local, where clouds keep their metadata
            | (172, 16..=31, _)    // RFC 1918
            | (192, 0, 0)          // RFC 6890: protocol assignments
            | (192, 0, 2)          // RFC 5737: documentation
            | (192, 31, 196)       // RFC 7535: AS112
            | (192, 52, 193)       // RFC 7450: AMT
            | (192, 88, 99)        // RFC 7526: 6to4 relays, deprecated
            | (192, 168, _)        // RFC 1918
            | (192, 175, 48)       // RFC 7534: AS112
            | (198, 18..=19, _)    // RFC 2544: benchmarks
            | (198, 51, 100)       // RFC 5737: documentation
            | (203, 0, 113)        // RFC 5737: documentation
            | (224..=255, ..) // RFC 5771 multicast, RFC 1112 reserved, RFC 919 broadcast
    )
}

fn is_global_v6(ip: Ipv6Addr) -> bool {
    match embedded(ip) {
        Embedded::Wrapped(v4) => is_global_v4(v4),
        Embedded::Teredo { server, client } => is_global_v4(server) && is_global_v4(client),
        Embedded::Isatap(v4) => is_global_v4(v4) && is_assigned(ip),
        Embedded::Nothing => is_assigned(ip),
    }
}

fn is_assigned(ip: Ipv6Addr) -> bool {
    let [a, b, c, ..] = ip.segments();
    // RFC 4291: global unicast is 2000::/3; all else is special, local or unassigned.
    let unicast = a & 0xe000 == 0x2000;
    let special = match (a, b, c) {
        (0x2001, 0..0x0200, _)         // RFC 2928: protocol assignments (ORCHID, benchmarks, ...)
        | (0x2001, 0x0db8, _)          // RFC 3849: documentation
        | (0x3fff, 0..0x1000, _)       // RFC 9637: documentation
        | (0x2620, 0x004f, 0x8000) => true, // RFC 7534: AS112
        _ => false,
    };
    unicast && !special
}

/// The IPv4 address inside an IPv6 address, which is where its packets arrive.
enum Embedded {
    /// Another notation of it, or the form of a translator or tunnel.
    Wrapped(Ipv4Addr),
    /// The packets go to one of the two.
    Teredo {
        server: Ipv4Addr,
        client: Ipv4Addr,
    },
    /// As an interface identifier. The network before it may be a local one, so it is checked too.
    Isatap(Ipv4Addr),
    Nothing,
}

fn embedded(ip: Ipv6Addr) -> Embedded {
    use Embedded::{Isatap, Nothing, Teredo, Wrapped};
    let segments = ip.segments();
    let at =
        |high: usize| Ipv4Addr::from_bits(u32::from(segments[high]) << 16 | u32::from(segments[high + 1]));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, ..] => Wrapped(at(6)), // RFC 4291: mapped
        [0, 0, 0, 0, 0xffff, 0, ..] => Wrapped(at(6)), // RFC 2765: translated
        [0, 0, 0, 0, 0, 0, ..] => Wrapped(at(6)),      // RFC 4291: compatible; also :: and ::1
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => Wrapped(at(6)), // RFC 6052: NAT64
        // RFC 8215: NAT64 for local use. The place of the address depends on the network's prefix length, which is unknown
        // here. So only the plain form counts, and all others are not global, as IANA says of the whole range.
        [0x64, 0xff9b, 1, 0, 0, 0, ..] => Wrapped(at(6)),
        [0x2002, ..] => Wrapped(at(1)), // RFC 3056: 6to4
        // RFC 4380: Teredo; the client's is inverted
        [0x2001, 0, ..] => Teredo { server: at(2), client: Ipv4Addr::from_bits(!at(6).to_bits()) },
        [_, _, _, _, 0 | 0x0200, 0x5efe, ..] => Isatap(at(6)), // RFC 5214
        _ => Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_unicast_may_be_dialled() {
        for ip in [
            "1.1.1.1",
            "157.240.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2a03:2880:f12f:83:face:b00c:0:25de",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
            "64:ff9b:1::101:101",
            "2001:0:101:101::fefe:fefe",
            "2a00::5efe:1.1.1.1",
        ] {
            assert!(is_global(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn everything_else_may_not() {
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "100::1",
            "2001:db8::1",
            "2001:2::1",
            "2001:10::1",
            "3fff::1",
            "4000::1",
            "::ffff:127.0.0.1",
            "::ffff:0:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1:7f00:0:100::",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:0:1234::80ff:fffe",
            "2a00::5efe:10.0.0.1",
            "2a00::200:5efe:127.0.0.1",
            "fd00::5efe:1.1.1.1",
            "fe80::200:5efe:1.1.1.1",
            "2001:db8::5efe:1.1.1.1",
            "2001:0:a00:1::fefe:fefe",
            "64:ff9b:1::10.0.0.1",
            "64:ff9b:1:101:1:100:a00:1",
            "64:ff9b::1:0:101:101",
            "5f00::1",
            "2620:4f:8000::1",
        ] {
            assert!(!is_global(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn an_allowed_network_may_be_dialled_in_either_form() {
        let guard = Guard { allowed: vec!["127.0.0.0/8".parse().unwrap()] };
        assert!(guard.allows("127.0.0.1".parse().unwrap()));
        assert!(guard.allows("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!guard.allows("10.0.0.1".parse().unwrap()));
        assert!(!guard.allows("::1".parse().unwrap()));
    }

    proptest::proptest! {
        #[test]
        fn an_ipv4_address_gets_the_same_verdict_in_every_wrapping(bits: u32, high: u64) {
            let v4 = Ipv4Addr::from_bits(bits);
            let [a, b, c, d] = v4.octets();
            let (left, right) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let isatap = 0x2a00_u16;
            for wrapped in [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, left, right),
                Ipv6Addr::new(0x2002, left, right, high as u16, 0, 0, 0, 1),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, left, right),
                Ipv6Addr::new(0x2001, 0, 0x101, 0x101, high as u16, 0, !left, !right),
                Ipv6Addr::new(0x2001, 0, left, right, high as u16, 0, !0x101, !0x101),
                Ipv6Addr::new(isatap, high as u16, 0, 0, 0x0200, 0x5efe, left, right),
            ] {
                proptest::prop_assert_eq!(is_global(wrapped.into()), is_global(v4.into()), "{}", wrapped);
            }
        }
    }
}
