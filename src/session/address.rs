//! Where a client comes from.

use std::fmt;
use std::net::IpAddr;

/// The address that a client is known by. An IPv4 address that was written as an IPv6 one is an IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct ClientAddress {
    ip: IpAddr,
    is_shared: bool,
}

impl ClientAddress {
    /// The client's own address, as far as anybody knows.
    #[must_use]
    pub fn own(ip: IpAddr) -> Self {
        Self {
            ip: ip.to_canonical(),
            is_shared: false,
        }
    }

    /// An address behind which any number of clients are that cannot be told apart: nothing is limited by it.
    #[must_use]
    pub fn shared(ip: IpAddr) -> Self {
        Self {
            ip: ip.to_canonical(),
            is_shared: true,
        }
    }

    /// The same, of one of many.
    #[must_use]
    pub const fn among_others(self) -> Self {
        Self {
            ip: self.ip,
            is_shared: true,
        }
    }

    /// The address itself.
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        self.ip
    }

    /// Whether other clients have it too.
    #[must_use]
    pub const fn is_shared(self) -> bool {
        self.is_shared
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip.fmt(f)
    }
}
