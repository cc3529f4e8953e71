//! Who asks, as the routes know it.

use crate::session::ClientAddress;

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// Whom it comes from, as far as proxies that are believed have said.
    pub(super) client: ClientAddress,
    /// Who is at the other end of its connection.
    pub(super) peer: ClientAddress,
}
