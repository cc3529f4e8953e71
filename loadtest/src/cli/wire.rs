//! Options of how connections are made, the same for every command that makes some.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::client::proxy_header::{Network, ProxyVersion};

/// How connections are made.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connections")]
pub(crate) struct WireArguments {
    /// Spread connections over this many loopback source addresses, because servers cap connections per address;
    /// default: enough for 60 on each when the server is on 127.0.0.0/8, otherwise the system's choice
    #[arg(long, value_name = "N", conflicts_with = "source")]
    pub(crate) source_addresses: Option<u32>,
    /// Addresses of this machine to connect from, in turn
    #[arg(long, value_name = "IP,…", value_delimiter = ',')]
    pub(crate) source: Vec<IpAddr>,
    /// Value of the `Origin` header
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Option<String>,
    /// Begin each connection as a proxy does, with a header that names a made-up client
    #[arg(long, value_enum, value_name = "VERSION")]
    pub(crate) proxy_protocol: Option<ProxyVersion>,
    /// Made-up client addresses, given to connections in turn; default: enough for 60 connections on each
    #[arg(long, value_name = "N", requires = "proxy_protocol")]
    pub(crate) client_addresses: Option<u32>,
    /// Where the made-up client addresses are from; default: 10.0.0.0/8
    #[arg(long, value_name = "CIDR", requires = "proxy_protocol")]
    pub(crate) client_network: Option<Network>,
    #[command(flatten)]
    pub(crate) tls: TlsArguments,
}

/// What only `wss://` has.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Connections")]
pub(crate) struct TlsArguments {
    /// wss: certificates (PEM) that the server's must be signed by
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) ca: Option<PathBuf>,
    /// wss: accept any certificate of the server
    #[arg(long)]
    pub(crate) insecure: bool,
    /// wss: our own certificate (PEM), with what is needed to follow it to its root
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub(crate) client_cert: Option<PathBuf>,
    /// wss: the key (PEM) of our own certificate
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub(crate) client_key: Option<PathBuf>,
    /// wss: name that is asked for and that the certificate must have; default: the host of the URL
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Option<String>,
    /// wss: share of the connections that resume an earlier session if there is one, 0 to 1; the others shake hands in full
    /// [default: 0]
    #[arg(long, value_name = "SHARE")]
    pub(crate) tls_resume: Option<f64>,
    /// wss: versions of TLS that are spoken [default: auto]
    #[arg(long, value_enum, value_name = "VERSION")]
    pub(crate) tls_version: Option<TlsVersion>,
}

/// Which TLS is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsVersion {
    /// Whatever the server prefers
    Auto,
    /// TLS 1.2
    #[value(name = "1.2")]
    V1_2,
    /// TLS 1.3
    #[value(name = "1.3")]
    V1_3,
}
