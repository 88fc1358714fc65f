//! Which addresses are on the internet, and so may be connected to.
//!
//! What stands in the registries of special addresses (RFC 6890 and after) is not, whether it is private, local, for
//! documents or a way to write an IPv4 address in IPv6. Of IPv6 only what is assigned at all, 2000::/3, can be. The
//! lists are of refusals, so a gap in them is a hole: each has its test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is that is not on the internet; none for one that is.
pub fn not_global(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_global_v4(address),
        IpAddr::V6(address) => not_global_v6(address),
    }
}

const V4: &[([u8; 4], u32, &str)] = &[
    ([0, 0, 0, 0], 8, "of this network"),
    ([10, 0, 0, 0], 8, "private"),
    ([100, 64, 0, 0], 10, "shared by a carrier's customers"),
    ([127, 0, 0, 0], 8, "loopback"),
    // The wire server that every virtual machine on Azure can reach, and nobody else.
    ([168, 63, 129, 16], 32, "a cloud's own"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([172, 16, 0, 0], 12, "private"),
    ([192, 0, 0, 0], 24, "reserved for protocols"),
    ([192, 0, 2, 0], 24, "for documentation"),
    ([192, 31, 196, 0], 24, "reserved for protocols"),
    ([192, 52, 193, 0], 24, "reserved for protocols"),
    ([192, 88, 99, 0], 24, "a 6to4 relay"),
    ([192, 168, 0, 0], 16, "private"),
    ([192, 175, 48, 0], 24, "reserved for protocols"),
    ([198, 18, 0, 0], 15, "for benchmarks"),
    ([198, 51, 100, 0], 24, "for documentation"),
    ([203, 0, 113, 0], 24, "for documentation"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([240, 0, 0, 0], 4, "reserved"),
];

fn not_global_v4(address: Ipv4Addr) -> Option<&'static str> {
    if address.is_broadcast() {
        return Some("broadcast");
    }
    let bits = address.to_bits();
    let within = |&&(network, prefix, _): &&([u8; 4], u32, _)| {
        (bits ^ Ipv4Addr::from(network).to_bits()).checked_shr(32 - prefix) == Some(0)
    };
    V4.iter().find(within).map(|(_, _, what)| *what)
}

/// The longer prefix first, where one lies within another.
const V6: &[([u16; 8], u32, &str)] = &[
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, "unspecified"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"),
    ([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, "an IPv4 address mapped into IPv6"),
    ([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, "an IPv4 address translated into IPv6"),
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, "an IPv4 address written as IPv6"),
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "an IPv4 address behind NAT64"),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "an IPv4 address behind NAT64"),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "for discarding"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "a Teredo tunnel"),
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, "for benchmarks"),
    ([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28, "an ORCHID"),
    ([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28, "an ORCHID"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "reserved for protocols"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "for documentation"),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "a 6to4 tunnel"),
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, "reserved for protocols"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "for documentation"),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "of a segment-routing network"),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "private"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local"),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast"),
];

fn not_global_v6(address: Ipv6Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    let within = |&&(network, prefix, _): &&([u16; 8], u32, _)| {
        (bits ^ Ipv6Addr::from(network).to_bits()).checked_shr(128 - prefix) == Some(0)
    };
    let special = V6.iter().find(within).map(|(_, _, what)| *what);
    // The one block that is assigned to anybody.
    special.or_else(|| (bits >> 125 != 1).then_some("assigned to nobody"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The first and the last address of each block, with the addresses beside it where those are global.
    #[test]
    fn what_is_not_on_the_internet_is_known_to_its_edges() {
        let blocks = [
            ("0.0.0.0", "0.255.255.255", "of this network"),
            ("10.0.0.0", "10.255.255.255", "private"),
            ("100.64.0.0", "100.127.255.255", "shared by a carrier's customers"),
            ("127.0.0.0", "127.255.255.255", "loopback"),
            ("168.63.129.16", "168.63.129.16", "a cloud's own"),
            ("169.254.0.0", "169.254.255.255", "link-local"),
            ("172.16.0.0", "172.31.255.255", "private"),
            ("192.0.0.0", "192.0.0.255", "reserved for protocols"),
            ("192.0.2.0", "192.0.2.255", "for documentation"),
            ("192.88.99.0", "192.88.99.255", "a 6to4 relay"),
            ("192.168.0.0", "192.168.255.255", "private"),
            ("198.18.0.0", "198.19.255.255", "for benchmarks"),
            ("198.51.100.0", "198.51.100.255", "for documentation"),
            ("203.0.113.0", "203.0.113.255", "for documentation"),
            ("224.0.0.0", "239.255.255.255", "multicast"),
            ("240.0.0.0", "255.255.255.254", "reserved"),
            ("255.255.255.255", "255.255.255.255", "broadcast"),
            ("::", "::", "unspecified"),
            ("::1", "::1", "loopback"),
            ("::2", "::ffff:ffff", "an IPv4 address written as IPv6"),
            ("::ffff:0:0", "::ffff:ffff:ffff", "an IPv4 address mapped into IPv6"),
            ("::ffff:0:0:0", "::ffff:0:ffff:ffff", "an IPv4 address translated into IPv6"),
            ("64:ff9b::", "64:ff9b::ffff:ffff", "an IPv4 address behind NAT64"),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "an IPv4 address behind NAT64"),
            ("100::", "100::ffff:ffff:ffff:ffff", "for discarding"),
            ("1fff::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "assigned to nobody"),
            ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "a Teredo tunnel"),
            ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", "for benchmarks"),
            ("2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "an ORCHID"),
            ("2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", "an ORCHID"),
            ("2001:30::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved for protocols"),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "for documentation"),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "a 6to4 tunnel"),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "for documentation"),
            ("4000::", "4000::1", "assigned to nobody"),
            ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "of a segment-routing network"),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "private"),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local"),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"),
        ];
        for (first, last, what) in blocks {
            for address in [first, last] {
                assert_eq!(not_global(address.parse().unwrap()), Some(what), "{address}");
            }
        }
    }

    #[test]
    fn the_addresses_beside_the_blocks_are_on_the_internet() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "8.8.8.8",
            "2000::",
            "2001:200::",
            "2001:db7:ffff::",
            "2001:db9::",
            "2003::",
            "2606:4700::1111",
            "3ffe::1",
            "3fff:1000::",
        ] {
            assert_eq!(not_global(address.parse().unwrap()), None, "{address}");
        }
    }

    proptest! {
        /// No way to write an IPv4 address in IPv6 is on the internet, whatever the address.
        #[test]
        fn no_ipv4_address_passes_as_ipv6(bits in any::<u32>()) {
            let v4 = u128::from(bits);
            let prefixes: [u128; 6] = [0, 0xffff << 32, 0xffff << 48, 0x64_ff9b << 96, 0x64_ff9b_0001 << 80, 0x2002 << 112];
            for prefix in prefixes {
                let embedded = if prefix == 0x2002 << 112 { v4 << 80 } else { v4 };
                let address = Ipv6Addr::from_bits(prefix | embedded);
                prop_assert!(not_global(address.into()).is_some(), "{}", address);
            }
        }
    }
}
