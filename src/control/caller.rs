//! Who asks, as the routes know it.

use std::net::IpAddr;

/// The address that a request comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(pub(super) IpAddr);
