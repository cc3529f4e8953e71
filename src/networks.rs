//! Networks by their prefixes: who is trusted as a proxy, who is kept out.
//!
//! Owns the spelling of a network. Promises that an IPv4 address and the same one written as IPv6 are one, and that asking
//! a set costs logarithmic time, however many networks it has.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bits of the prefix under which IPv6 has all of IPv4 (RFC 4291, section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// A network: `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NetworkFault {
    /// It is written in no way that is known.
    #[error("{0:?} is neither an address nor a network: write it like 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32")]
    Malformed(String),
    /// It names a host and the length of a prefix: one of them was not meant.
    #[error("{text:?} has bits beyond its prefix: write {network}, or the address alone")]
    BitsBeyondPrefix {
        /// As given.
        text: String,
        /// The network that it is in.
        network: Network,
    },
}

impl FromStr for Network {
    type Err = NetworkFault;

    fn from_str(text: &str) -> Result<Self, NetworkFault> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_canonical().into()));
        }
        let given: IpNet = text.parse().map_err(|_| NetworkFault::Malformed(text.to_owned()))?;
        let whole = given.trunc();
        let network = match whole.addr().to_canonical() {
            address @ IpAddr::V4(_) if whole.addr().is_ipv6() && whole.prefix_len() >= MAPPED_BITS => {
                IpNet::new_assert(address, whole.prefix_len() - MAPPED_BITS)
            }
            _ => whole,
        };
        if whole.addr() == given.addr() {
            Ok(Self(network))
        } else {
            Err(NetworkFault::BitsBeyondPrefix {
                text: text.to_owned(),
                network: Self(network),
            })
        }
    }
}

impl Network {
    /// Whether it has every address of IPv4, or every one of IPv6.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkFault;

    fn try_from(text: String) -> Result<Self, NetworkFault> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

/// As it is written in a configuration: one address without its prefix.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            write!(f, "{}", self.0.addr())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

/// A set of networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    /// In the order of their first addresses, IPv4 before IPv6; none within another.
    disjoint: Vec<IpNet>,
}

impl Networks {
    /// All addresses of these.
    #[must_use]
    pub fn new(networks: &[Network]) -> Self {
        let given: Vec<_> = networks.iter().map(|network| network.0).collect();
        let mut disjoint = IpNet::aggregate(&given);
        disjoint.sort_unstable_by_key(IpNet::network);
        Self { disjoint }
    }

    /// Whether an address is in one of them.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let after = self.disjoint.partition_point(|network| network.network() <= address);
        let nearest = after.checked_sub(1).map(|index| self.disjoint[index]);
        nearest.is_some_and(|network| network.contains(&address))
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.disjoint.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap_or_else(|fault| panic!("{fault}"))
    }

    fn networks(texts: &[&str]) -> Networks {
        Networks::new(&texts.iter().map(|text| network(text)).collect::<Vec<_>>())
    }

    fn contain(networks: &Networks, address: &str) -> bool {
        networks.contain(address.parse().expect("an address"))
    }

    #[test]
    fn a_network_is_shown_as_it_is_written() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::1", "::1"),
            ("::/0", "::/0"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            assert_eq!(network(text).to_string(), shown);
            assert_eq!(network(shown), network(text));
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_to_write() {
        for text in [
            "",
            "all",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/",
            "/8",
            "::/129",
            "10.0.0.0/8 ",
            "a.example",
        ] {
            let fault = text.parse::<Network>().expect_err(text);
            assert!(fault.to_string().contains("write it like"), "{text}: {fault}");
        }
        let fault = "10.1.2.3/8".parse::<Network>().expect_err("a host in a network");
        assert!(fault.to_string().contains("write 10.0.0.0/8"), "{fault}");
    }

    #[test]
    fn an_address_is_found_however_it_is_written_and_however_networks_overlap() {
        let some = networks(&[
            "192.0.2.0/24",
            "192.0.2.128/25",
            "10.0.0.0/9",
            "10.128.0.0/9",
            "2001:db8::/32",
            "::1",
        ]);
        for inside in [
            "192.0.2.0",
            "192.0.2.255",
            "::ffff:192.0.2.200",
            "10.255.0.1",
            "2001:db8:ffff::1",
            "::1",
        ] {
            assert!(contain(&some, inside), "{inside}");
        }
        for outside in [
            "192.0.1.255",
            "192.0.3.0",
            "9.255.255.255",
            "11.0.0.0",
            "2001:db9::",
            "::2",
            "127.0.0.1",
        ] {
            assert!(!contain(&some, outside), "{outside}");
        }
        assert!(
            !contain(&networks(&["::/0"]), "192.0.2.7"),
            "all of IPv6 is none of IPv4"
        );
        assert!(!contain(&Networks::default(), "192.0.2.7") && Networks::default().is_empty());
    }

    proptest! {
        #[test]
        fn a_set_has_what_one_of_its_networks_has(
            prefixes in proptest::collection::vec((any::<u8>(), 0_u8..=16), 0..20),
            address in any::<[u8; 2]>(),
        ) {
            let all: Vec<Network> = prefixes
                .into_iter()
                .map(|(second, bits)| IpNet::new_assert([10, second, 0, 0].into(), 8 + bits).trunc())
                .map(Network)
                .collect();
            let address = IpAddr::from([10, address[0], address[1], 1]);
            let has_one = all.iter().any(|network| network.0.contains(&address));
            prop_assert_eq!(Networks::new(&all).contain(address), has_one);
        }
    }
}
