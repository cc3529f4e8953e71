//! Who asks, as the routes know it.

use crate::session::ClientAddress;

/// The address that a request comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(pub(super) ClientAddress);
