//! Headers of the PROXY protocol, as a proxy in front of a server writes them, with client addresses that are made up.
//!
//! Bytes only; when they are sent is the business of [`crate::client::connection`]: before everything else, TLS too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};
use clap::ValueEnum;

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, command PROXY.
const V2_PROXIED: u8 = 0x21;
const V2_TCP4: u8 = 0x11;
const V2_TCP6: u8 = 0x21;
/// The ports that made-up clients connect from.
const FIRST_PORT: u32 = 1024;
const PORTS: u32 = 65_536 - FIRST_PORT;

/// The bits of an IPv6 address that one subscriber has.
const SUBSCRIBER_BITS: u32 = 64;

/// How a proxy's header is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProxyVersion {
    /// One line of text
    V1,
    /// Binary
    V2,
}

/// Addresses that begin alike, like 10.0.0.0/8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    first: IpAddr,
    host_bits: u32,
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (address, prefix) = text.split_once('/').context("expected ADDRESS/BITS, like 10.0.0.0/8")?;
        let first: IpAddr = address
            .parse()
            .with_context(|| format!("{address:?} is not an IP address"))?;
        let bits = if first.is_ipv4() { 32 } else { 128 };
        let prefix: u32 = prefix
            .parse()
            .with_context(|| format!("{prefix:?} is not a number of bits"))?;
        ensure!(prefix <= bits, "an address has {bits} bits, not {prefix}");
        let network = Self {
            first,
            host_bits: bits - prefix,
        };
        ensure!(network.capacity() > 0, "there is no address in so small a network");
        let host = bits_of(first) & low_bits(network.host_bits);
        ensure!(host == 0, "{address} has bits behind the first {prefix}");
        Ok(network)
    }
}

impl Network {
    /// 10.0.0.0/8.
    pub(crate) const PRIVATE: Self = Self {
        first: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)),
        host_bits: 24,
    };

    /// Addresses that clients may have: without the first and the last, which name the network and everybody in it.
    pub(crate) fn capacity(self) -> u32 {
        let all = 1u128.checked_shl(self.host_bits - self.own_bits()).unwrap_or(u128::MAX);
        u32::try_from(all.saturating_sub(2)).unwrap_or(u32::MAX)
    }

    /// The bits that one client has to itself: a subscriber of IPv6 has a /64, and servers take it for one client.
    fn own_bits(self) -> u32 {
        let has_many_subscribers = self.first.is_ipv6() && self.host_bits >= SUBSCRIBER_BITS + 8;
        if has_many_subscribers { SUBSCRIBER_BITS } else { 0 }
    }

    fn nth(self, number: u32) -> IpAddr {
        let own_bits = self.own_bits();
        let bits = bits_of(self.first) + ((u128::from(number) + 1) << own_bits) + u128::from(own_bits > 0);
        match self.first {
            IpAddr::V4(_) => Ipv4Addr::from(bits as u32).into(),
            IpAddr::V6(_) => Ipv6Addr::from(bits).into(),
        }
    }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn low_bits(count: u32) -> u128 {
    1u128.checked_shl(count).map_or(u128::MAX, |bit| bit - 1)
}

/// What a proxy would say about each connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Introductions {
    pub(crate) version: ProxyVersion,
    pub(crate) network: Network,
    /// Client addresses, given to connections in turn.
    pub(crate) addresses: u32,
}

impl Introductions {
    /// The header of a connection to `server`.
    pub(crate) fn header(&self, connection: u32, server: SocketAddr) -> Vec<u8> {
        let address = self.network.nth(connection % self.addresses);
        let port = FIRST_PORT + connection / self.addresses % PORTS;
        header(self.version, SocketAddr::new(address, port as u16), server)
    }
}

/// A header that names both ends.
fn header(version: ProxyVersion, client: SocketAddr, server: SocketAddr) -> Vec<u8> {
    let ends = match (client.ip(), server.ip()) {
        (IpAddr::V4(client), IpAddr::V4(server)) => Ends::Four(client, server),
        // A header has room for one family.
        (client, server) => Ends::Six(as_v6(client), as_v6(server)),
    };
    match version {
        ProxyVersion::V1 => {
            let (family, from, to) = match ends {
                Ends::Four(from, to) => ("TCP4", from.to_string(), to.to_string()),
                Ends::Six(from, to) => ("TCP6", from.to_string(), to.to_string()),
            };
            format!("PROXY {family} {from} {to} {} {}\r\n", client.port(), server.port()).into_bytes()
        }
        ProxyVersion::V2 => {
            let (family, addresses) = match ends {
                Ends::Four(from, to) => (V2_TCP4, [from.octets(), to.octets()].concat()),
                Ends::Six(from, to) => (V2_TCP6, [from.octets(), to.octets()].concat()),
            };
            let ports = [client.port().to_be_bytes(), server.port().to_be_bytes()].concat();
            let length = (addresses.len() + ports.len()) as u16;
            [
                &V2_SIGNATURE[..],
                &[V2_PROXIED, family],
                &length.to_be_bytes(),
                &addresses,
                &ports,
            ]
            .concat()
        }
    }
}

enum Ends {
    Four(Ipv4Addr, Ipv4Addr),
    Six(Ipv6Addr, Ipv6Addr),
}

fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn version_1_is_one_line() {
        let line = |client, server| header(ProxyVersion::V1, address(client), address(server));
        assert_eq!(
            line("10.1.2.3:4000", "192.0.2.9:443"),
            b"PROXY TCP4 10.1.2.3 192.0.2.9 4000 443\r\n"
        );
        assert_eq!(
            line("[2001:db8::7]:65535", "[::1]:3536"),
            b"PROXY TCP6 2001:db8::7 ::1 65535 3536\r\n"
        );
        assert_eq!(
            line("[2001:db8::7]:1", "127.0.0.1:2"),
            b"PROXY TCP6 2001:db8::7 ::ffff:127.0.0.1 1 2\r\n"
        );
    }

    #[test]
    fn version_2_is_binary() {
        let bytes = header(ProxyVersion::V2, address("10.1.2.3:4000"), address("192.0.2.9:443"));
        assert_eq!(
            bytes,
            b"\x0d\x0a\x0d\x0a\x00\x0d\x0aQUIT\x0a\x21\x11\x00\x0c\x0a\x01\x02\x03\xc0\x00\x02\x09\x0f\xa0\x01\xbb"
        );
        let bytes = header(ProxyVersion::V2, address("10.1.2.3:4000"), address("[::1]:443"));
        assert_eq!(
            bytes[12..],
            *b"\x21\x21\x00\x24\
               \0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x02\x03\
               \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\
               \x0f\xa0\x01\xbb"
        );
    }

    #[test]
    fn clients_differ_in_address_first_and_then_in_port() {
        let said = Introductions {
            version: ProxyVersion::V1,
            network: Network::PRIVATE,
            addresses: 300,
        };
        let line = |number| String::from_utf8(said.header(number, address("127.0.0.1:9"))).expect("ASCII");
        assert_eq!(line(0), "PROXY TCP4 10.0.0.1 127.0.0.1 1024 9\r\n");
        assert_eq!(line(299), "PROXY TCP4 10.0.1.44 127.0.0.1 1024 9\r\n");
        assert_eq!(line(300), "PROXY TCP4 10.0.0.1 127.0.0.1 1025 9\r\n");
        assert_eq!(line(300 * PORTS), "PROXY TCP4 10.0.0.1 127.0.0.1 1024 9\r\n");
    }

    #[test]
    fn networks_are_read() {
        let capacity = |text: &str| text.parse::<Network>().map(Network::capacity);
        assert_eq!(capacity("10.0.0.0/8").expect("a network"), (1 << 24) - 2);
        assert_eq!(capacity("192.0.2.0/30").expect("a network"), 2);
        assert_eq!(capacity("2001:db8::/64").expect("a network"), u32::MAX);
        assert_eq!(
            "2001:db8::/64".parse::<Network>().expect("a network").nth(0xFFFF),
            "2001:db8::1:0".parse::<IpAddr>().expect("an address")
        );
        assert_eq!(
            "2001:db8::/32".parse::<Network>().expect("a network").nth(0xFFFF),
            "2001:db8:1:0::1".parse::<IpAddr>().expect("an address"),
            "each in a /64 of its own"
        );
        for bad in ["10.0.0.0", "10.0.0.0/33", "10.0.0.1/8", "x/8", "10.0.0.0/31", "::/x"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        assert!("::/0".parse::<Network>().is_ok() && "0.0.0.0/0".parse::<Network>().is_ok());
    }
}
