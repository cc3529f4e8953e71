//! Who asks, as the routes know it.

use http::request::Parts;

use crate::session::ClientAddress;

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// Whom it comes from, as far as proxies that are believed have said.
    pub(super) client: ClientAddress,
    /// Who is at the other end of its connection.
    pub(super) peer: ClientAddress,
}

impl Caller {
    /// Whom a request comes from.
    pub(super) fn of(parts: &Parts) -> Self {
        *parts.extensions.get::<Self>().expect("every request has a caller")
    }
}
