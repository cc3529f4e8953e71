//! How connections were made, and what it took until they were open.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::client::milestones::Openings;
use crate::client::proxy_header::ProxyVersion;
use crate::report::percentiles::Percentiles;
use crate::report::table::{Table, ratio, round};
use crate::server::Server;

/// What connections took to open, all of a test together.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ConnectionsReport {
    pub(super) opened: u64,
    /// From the first step of the first connection to the last of the last.
    pub(super) opened_per_second: Option<f64>,
    connect_us: Percentiles,
    handshake_us: Option<Percentiles>,
    pub(super) tls: Option<TlsReport>,
    /// Connecting and TLS together.
    pub(super) open_us: Percentiles,
    /// From then on to the agreement to speak WebSocket.
    upgrade_us: Percentiles,
    /// Addresses that were connected from; 0: the system's choice.
    source_addresses: usize,
    proxy: Option<ProxyReport>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct TlsReport {
    pub(super) resumed: u64,
    /// Connections by version and cipher suite.
    suites: BTreeMap<String, u64>,
    certificate_checked: bool,
}

#[derive(Debug, Clone, Serialize)]
struct ProxyReport {
    version: &'static str,
    client_addresses: u32,
}

impl ConnectionsReport {
    pub(crate) fn new(server: &Server, openings: &Openings) -> Self {
        let seconds = openings.length().as_secs_f64();
        Self {
            opened: openings.count(),
            opened_per_second: ratio(openings.count() as f64, seconds).map(|rate| round(rate, 1)),
            connect_us: Percentiles::of_ns(&openings.connect_ns),
            handshake_us: server.tls.as_ref().map(|_| Percentiles::of_ns(&openings.handshake_ns)),
            tls: server.tls.as_ref().map(|tls| TlsReport {
                resumed: openings.resumed,
                suites: openings.suites.clone(),
                certificate_checked: !tls.insecure,
            }),
            open_us: Percentiles::of_ns(&openings.open_ns),
            upgrade_us: Percentiles::of_ns(&openings.upgrade_ns),
            source_addresses: server.source_count(),
            proxy: server.introductions.map(|said| ProxyReport {
                version: match said.version {
                    ProxyVersion::V1 => "v1",
                    ProxyVersion::V2 => "v2",
                },
                client_addresses: said.addresses,
            }),
        }
    }

    pub(super) fn table(&self, out: &mut Table) {
        let mut opened = format!("{} opened", self.opened);
        if let Some(rate) = self.opened_per_second {
            opened.push_str(&format!(", {rate}/s"));
        }
        match self.source_addresses {
            0 => {}
            1 => opened.push_str(", from one address"),
            many => opened.push_str(&format!(", from {many} addresses")),
        }
        if let Some(proxy) = &self.proxy {
            opened.push_str(&format!(
                ", PROXY {} with {} client addresses",
                proxy.version, proxy.client_addresses
            ));
        }
        out.row("connections", opened);
        if self.opened == 0 {
            return;
        }
        out.row("  connect", self.connect_us.line());
        if let (Some(tls), Some(handshake_us)) = (&self.tls, &self.handshake_us) {
            out.row("  TLS handshake", handshake_us.line());
            let suites: Vec<String> = tls
                .suites
                .iter()
                .map(|(suite, count)| format!("{suite} ({count})"))
                .collect();
            let checked = if tls.certificate_checked {
                ""
            } else {
                "; certificates were NOT checked (--insecure)"
            };
            out.row("", format!("{}; {} resumed{checked}", suites.join(", "), tls.resumed));
            out.row("  both", self.open_us.line());
        }
        if self.upgrade_us.max > 0.0 {
            out.row("  upgrade", self.upgrade_us.line());
        }
    }
}
