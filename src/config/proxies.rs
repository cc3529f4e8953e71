//! What is believed of those who pass connections and requests on.

use serde::{Deserialize, Serialize};

/// Whether connections begin with a header of the PROXY protocol, version 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProxyProtocol {
    /// Never.
    Off,
    /// Those of a trusted proxy may; others come without.
    Optional,
    /// All do, and come from a trusted proxy.
    Required,
}

/// Which header field of a request tells whom a trusted proxy passes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum ForwardedHeader {
    /// No one.
    #[serde(rename = "none")]
    None,
    /// `Forwarded` (RFC 7239).
    #[serde(rename = "forwarded")]
    Forwarded,
    /// `X-Forwarded-For`.
    #[serde(rename = "x-forwarded-for")]
    XForwardedFor,
}
