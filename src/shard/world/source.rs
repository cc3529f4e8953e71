//! Whom an address counts for, where something is bounded by who it comes from.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::session::ClientAddress;

/// Which addresses are taken together, and which count at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceRule {
    /// How many bits tell one client of IPv6 from another: one subscriber has all addresses of such a prefix.
    pub ipv6_prefix_bits: u8,
    /// Whether loopback peers are free of what is limited by source.
    pub exempt_loopback: bool,
}

impl SourceRule {
    /// As an operator has it who says nothing.
    pub const DEFAULT: Self = Self {
        ipv6_prefix_bits: 64,
        exempt_loopback: true,
    };

    /// The source that an address belongs to.
    #[must_use]
    pub fn source(self, address: ClientAddress) -> Source {
        match address.ip() {
            IpAddr::V6(address) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.ipv6_prefix_bits))
                    .unwrap_or(0);
                Source {
                    first: Ipv6Addr::from_bits(address.to_bits() & mask).into(),
                    prefix_bits: self.ipv6_prefix_bits,
                }
            }
            address => Source {
                first: address,
                prefix_bits: 32,
            },
        }
    }

    /// The same, unless others are behind the address too.
    #[must_use]
    pub fn unshared(self, address: ClientAddress) -> Option<Source> {
        (!address.is_shared()).then(|| self.source(address))
    }

    /// The source for which an address counts against caps that loopback may be free of.
    #[must_use]
    pub fn counted(self, address: ClientAddress) -> Option<Source> {
        let is_exempt = self.exempt_loopback && address.ip().is_loopback();
        self.unshared(address).filter(|_| !is_exempt)
    }
}

/// Whom an address counts for: an IPv4 address, or the prefix that one subscriber of IPv6 has to itself.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct Source {
    /// The first address of the prefix.
    first: IpAddr,
    prefix_bits: u8,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(first) => write!(f, "{first}/{}", self.prefix_bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(ipv6_prefix_bits: u8) -> SourceRule {
        SourceRule {
            ipv6_prefix_bits,
            exempt_loopback: true,
        }
    }

    fn client(text: &str) -> ClientAddress {
        ClientAddress::own(text.parse().expect("an address"))
    }

    fn source(text: &str) -> Source {
        rule(64).source(client(text))
    }

    #[test]
    fn a_subscriber_is_one_source_whatever_form_its_addresses_have() {
        assert_eq!(source("::ffff:192.0.2.7"), source("192.0.2.7"));
        assert_ne!(source("192.0.2.7"), source("192.0.2.8"));
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
    }

    #[test]
    fn a_prefix_is_as_long_as_the_operator_says() {
        let are_one = |bits, one, other| rule(bits).source(client(one)) == rule(bits).source(client(other));
        assert!(are_one(48, "2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(!are_one(48, "2001:db8:1::1", "2001:db8:2::1"));
        assert!(!are_one(128, "2001:db8::1", "2001:db8::2") && are_one(128, "2001:db8::1", "2001:db8::1"));
        assert!(are_one(1, "::1", "7fff::") && !are_one(1, "::1", "8000::"));
    }

    #[test]
    fn a_source_is_shown_as_it_is_blocked() {
        assert_eq!(source("::ffff:192.0.2.7").to_string(), "192.0.2.7");
        assert_eq!(source("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
        assert_eq!(rule(128).source(client("2001:db8::1")).to_string(), "2001:db8::1/128");
    }

    #[test]
    fn nothing_is_limited_by_an_address_that_others_have_too() {
        let proxy = ClientAddress::shared("192.0.2.7".parse().expect("an address"));
        assert_eq!(rule(64).counted(proxy), None);
        assert_eq!(rule(64).counted(client("192.0.2.7")), Some(source("192.0.2.7")));
        for near in ["127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(rule(64).counted(client(near)), None, "{near}");
            let strict = SourceRule {
                exempt_loopback: false,
                ..rule(64)
            };
            assert!(strict.counted(client(near)).is_some(), "{near}");
        }
    }
}
