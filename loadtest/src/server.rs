//! The server under test, and how connections get there: from which addresses, through TLS, as whose proxy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};

use crate::cli::{TlsArguments, WireArguments};
use crate::client::proxy_header::{Introductions, Network};
use crate::client::tls::TlsClient;

/// Connections per address when the number of addresses is ours to choose.
const CONNECTIONS_PER_ADDRESS: u32 = 60;
const MOST_SOURCE_ADDRESSES: u32 = 60_000;

/// Where the server is and how it is reached.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Value of the `Host` header.
    pub(crate) host: String,
    pub(crate) path: String,
    /// Value of the `Origin` header.
    pub(crate) origin: Option<String>,
    pub(crate) tls: Option<Arc<TlsClient>>,
    /// What a proxy would say about the connections.
    pub(crate) introductions: Option<Introductions>,
    /// Addresses to connect from, in turn; none leaves it to the system.
    sources: Vec<IpAddr>,
}

impl Server {
    /// Reads `ws://host:port/path` or `wss://…`, resolves the host, and prepares so many connections.
    pub(crate) fn new(url: &str, wire: &WireArguments, connections: u32) -> Result<Self> {
        let (secure, rest) = match url.split_once("://") {
            Some(("ws", rest)) => (false, rest),
            Some(("wss", rest)) => (true, rest),
            _ => bail!("--url {url}: expected ws://host:port/path or wss://…"),
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => (name, port),
            _ => (host, if secure { "443" } else { "80" }),
        };
        let address = format!("{name}:{port}")
            .to_socket_addrs()
            .with_context(|| format!("--url {url}: cannot find the host"))?
            .next()
            .with_context(|| format!("--url {url}: the host has no address"))?;
        let tls = if secure {
            let name = name.trim_start_matches('[').trim_end_matches(']');
            Some(Arc::new(TlsClient::new(&wire.tls, name)?))
        } else {
            ensure!(
                wire.tls == TlsArguments::default(),
                "--url {url} is not wss://, so there is no TLS for --ca, --insecure, --client-cert, --server-name or --tls-…"
            );
            None
        };
        if let Some(origin) = &wire.origin {
            ensure!(
                !origin.is_empty() && origin.chars().all(|char| char.is_ascii_graphic()),
                "--origin {origin:?}: expected something like https://example.org"
            );
        }
        Ok(Self {
            address,
            host: host.to_owned(),
            path: if path.is_empty() {
                "/".to_owned()
            } else {
                path.to_owned()
            },
            origin: wire.origin.clone(),
            tls,
            introductions: introductions(wire, connections)?,
            sources: sources(wire, address.ip(), connections)?,
        })
    }

    /// As it was given.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.host, self.path)
    }

    /// The address that a member connects from.
    pub(crate) fn source_of(&self, member: u32) -> Option<IpAddr> {
        let count = self.sources.len();
        (count > 0).then(|| self.sources[member as usize % count])
    }

    /// How many addresses are connected from; 0 leaves it to the system.
    pub(crate) fn source_count(&self) -> usize {
        self.sources.len()
    }

    /// What goes before everything else on a member's connection.
    pub(crate) fn introduction_of(&self, member: u32) -> Vec<u8> {
        let said = self.introductions.as_ref();
        said.map_or_else(Vec::new, |said| said.header(member, self.address))
    }
}

fn introductions(wire: &WireArguments, connections: u32) -> Result<Option<Introductions>> {
    let Some(version) = wire.proxy_protocol else {
        return Ok(None);
    };
    let network = wire.client_network.unwrap_or(Network::PRIVATE);
    let addresses = wire.client_addresses.unwrap_or(
        connections
            .div_ceil(CONNECTIONS_PER_ADDRESS)
            .clamp(1, network.capacity()),
    );
    ensure!(
        (1..=network.capacity()).contains(&addresses),
        "--client-addresses must be 1 to {}: the --client-network has no more",
        network.capacity()
    );
    Ok(Some(Introductions {
        version,
        network,
        addresses,
    }))
}

fn sources(wire: &WireArguments, server: IpAddr, connections: u32) -> Result<Vec<IpAddr>> {
    for &source in &wire.source {
        ensure!(
            source.is_ipv4() == server.is_ipv4(),
            "--source {source} cannot reach {server}: one is IPv4 and the other IPv6"
        );
        TcpListener::bind((source, 0)).with_context(|| {
            format!("--source {source} is not an address of this machine (`ip address` lists them)")
        })?;
    }
    if !wire.source.is_empty() {
        return Ok(wire.source.clone());
    }
    let loopback = matches!(server, IpAddr::V4(server) if server.is_loopback());
    let count = match wire.source_addresses {
        Some(0) => 0,
        Some(_) if !loopback => bail!(
            "--source-addresses works only towards a server on 127.0.0.0/8; --source names addresses of this machine"
        ),
        Some(count) => count,
        None if loopback => connections.div_ceil(CONNECTIONS_PER_ADDRESS),
        None => 0,
    };
    ensure!(
        count <= MOST_SOURCE_ADDRESSES,
        "--source-addresses must be at most {MOST_SOURCE_ADDRESSES}"
    );
    let first = u32::from(Ipv4Addr::new(127, 0, 1, 1));
    Ok((0..count).map(|number| Ipv4Addr::from(first + number).into()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str, change: impl FnOnce(&mut WireArguments)) -> Result<Server> {
        let mut wire = WireArguments::default();
        change(&mut wire);
        Server::new(url, &wire, 100)
    }

    fn insecure(wire: &mut WireArguments) {
        wire.tls.insecure = true;
    }

    #[test]
    fn urls_are_taken_apart() {
        let plain = server("ws://127.0.0.1:3536/v2/ws", |_| {}).expect("a good address");
        assert_eq!((plain.address.port(), plain.path.as_str()), (3536, "/v2/ws"));
        assert_eq!(plain.url(), "ws://127.0.0.1:3536/v2/ws");
        let six = server("ws://[::1]:99", |_| {}).expect("a good address");
        assert_eq!((six.address.to_string().as_str(), six.path.as_str()), ("[::1]:99", "/"));
        let secure = server("wss://[::1]/x", insecure).expect("a good address");
        assert_eq!((secure.address.port(), secure.url().as_str()), (443, "wss://[::1]/x"));
        for bad in ["http://127.0.0.1/", "127.0.0.1:3536", "wss:/127.0.0.1"] {
            assert!(server(bad, insecure).is_err(), "{bad}");
        }
        assert!(server("wss://127.0.0.1/", |_| {}).is_err(), "nobody is trusted");
        assert!(server("ws://127.0.0.1/", insecure).is_err(), "there is no TLS to trust");
    }

    #[test]
    fn sources_are_ours_and_of_the_servers_family() {
        let url = "ws://127.0.0.1:9/";
        let of = |server: Server| (0..3).map(|member| server.source_of(member)).collect::<Vec<_>>();
        let local = |last| Some(IpAddr::V4(Ipv4Addr::new(127, 0, 1, last)));
        assert_eq!(
            of(server(url, |_| {}).expect("two addresses")),
            [local(1), local(2), local(1)]
        );
        let none = server(url, |wire| wire.source_addresses = Some(0)).expect("the system's choice");
        assert_eq!(of(none), [None; 3]);
        let named = |source: &str| vec![source.parse::<IpAddr>().expect("an address")];
        let own = server(url, |wire| wire.source = named("127.9.9.9")).expect("an address of ours");
        assert_eq!(own.source_of(7), Some(IpAddr::V4(Ipv4Addr::new(127, 9, 9, 9))));
        for (source, why) in [("192.0.2.1", "not an address of this machine"), ("::1", "IPv6")] {
            let error = server(url, |wire| wire.source = named(source)).expect_err("not from there");
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn made_up_clients_fit_their_network() {
        let with = |addresses, network: Option<&str>| {
            server("ws://127.0.0.1:9/", |wire| {
                wire.proxy_protocol = Some(crate::client::proxy_header::ProxyVersion::V1);
                wire.client_addresses = addresses;
                wire.client_network = network.map(|network| network.parse().expect("a network"));
            })
        };
        let header = with(None, None).expect("the default").introduction_of(2);
        assert_eq!(header, b"PROXY TCP4 10.0.0.1 127.0.0.1 1025 9\r\n");
        let header = with(Some(2), Some("2001:db8::/32"))
            .expect("a network")
            .introduction_of(1);
        assert_eq!(header, b"PROXY TCP6 2001:db8:0:2::1 ::ffff:127.0.0.1 1024 9\r\n");
        assert!(with(Some(3), Some("192.0.2.0/30")).is_err());
        assert!(with(Some(0), None).is_err());
    }
}
