//! Section `access_check`: the game's own backend, which says who may play. No key of it is part of the protocol.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// The game's own backend, which says who may play.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct AccessCheckConfig {
    /// Where handshakes are put to the backend: an `http` or `https` URL, without credentials. Default null: nobody is asked.
    pub url: Option<String>,
    /// What the backend knows the server by: it is sent as `Authorization: Bearer …`. Default null; ASCII without blanks.
    pub secret: Option<Secret>,
    /// A PEM file with the authorities that vouch for the backend. Default null: those that the system trusts.
    pub ca_cert_path: Option<PathBuf>,
    /// How long an answer may take, in milliseconds. Default 2000; 100 … 10000.
    pub timeout_ms: u64,
    /// Whether whoever the backend gives no answer about is let in. Default false.
    pub fail_open: bool,
    /// Whether requests that may make a room are put to the backend, too. Default false.
    pub ask_on_create: bool,
    /// Whether requests to enter a room, as a player or a spectator, are put to the backend, too. Default false.
    pub ask_on_join: bool,
}

impl Default for AccessCheckConfig {
    fn default() -> Self {
        Self {
            url: None,
            secret: None,
            ca_cert_path: None,
            timeout_ms: 2_000,
            fail_open: false,
            ask_on_create: false,
            ask_on_join: false,
        }
    }
}

impl AccessCheckConfig {
    /// Where the backend is, if one is asked and the URL is one.
    #[must_use]
    pub fn backend(&self) -> Option<http::Uri> {
        let url: http::Uri = self.url.as_ref()?.parse().ok()?;
        let has_host = url.host().is_some_and(|host| !host.is_empty());
        let has_credentials = url
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'));
        let is_known = matches!(url.scheme_str(), Some("http" | "https"));
        (is_known && has_host && !has_credentials).then_some(url)
    }

    /// Whether what is sent to the backend can be read on its way, and leaves this machine.
    #[must_use]
    pub fn is_in_the_clear(&self) -> bool {
        self.backend().is_some_and(|url| {
            let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
            let is_here = host == "localhost"
                || host
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.to_canonical().is_loopback());
            url.scheme_str() == Some("http") && !is_here
        })
    }
}
