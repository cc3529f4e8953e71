//! Whom a connection counts for.

use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or the /64 that one subscriber of IPv6 has to itself.
pub(super) fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        address => address,
    }
}
