//! Whether a member can be reached directly, by what it says of itself.

use std::net::IpAddr;

use super::super::Seat;
use crate::protocol::{ConnectionInfo, DirectEndpoint};

/// The most bytes of a DNS name.
const MAX_NAME_BYTES: usize = 253;

/// The most bytes between two dots of it.
const MAX_LABEL_BYTES: usize = 63;

/// The address at which a member can be reached directly, if it gave one that can be right.
pub(super) fn usable(seat: &Seat) -> Option<DirectEndpoint> {
    match seat.connection_info.as_deref()? {
        ConnectionInfo::Direct { host, port } if *port != 0 && is_host(host) => Some(DirectEndpoint {
            host: host.clone(),
            port: *port,
        }),
        _ => None,
    }
}

/// Whether this is an address other than the unspecified one, or a DNS name, perhaps with a dot at its end.
fn is_host(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    match name.parse::<IpAddr>() {
        Ok(address) => name == host && !address.is_unspecified(),
        Err(_) => host.len() <= MAX_NAME_BYTES && name.split('.').all(is_label),
    }
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    bytes.len() <= MAX_LABEL_BYTES
        && bytes.iter().all(is_inner)
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_told_from_what_nobody_can_connect_to() {
        let longest = [&"a".repeat(63)[..]; 3].join(".") + "." + &"a".repeat(61);
        assert_eq!(longest.len(), 253);
        for good in [
            "203.0.113.7",
            "2001:db8::7",
            "127.0.0.1",
            "eve.example",
            "eve.example.",
            "x",
            "a-b.c1",
            &longest,
        ] {
            assert!(is_host(good), "{good}");
        }
        let too_long = format!("{longest}.");
        let long_label = "a".repeat(64);
        for bad in [
            "",
            ".",
            "0.0.0.0",
            "::",
            "203.0.113.7.",
            "a..b",
            "-a",
            "a-",
            "a_b",
            "a b",
            " a",
            "ä.example",
            "a:1",
            "[::1]",
            &too_long,
            &long_label,
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
