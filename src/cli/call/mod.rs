//! Connections of the command line to a running server.
//!
//! Owns where a server is and what is spoken there. Promises that nothing on a connection lasts beyond its deadline, whatever
//! the other side does or leaves undone.

mod encrypted;
mod patient;

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use crate::config::{Config, ProxyProtocol};

pub(super) use self::encrypted::Trust;
use self::patient::Patient;

/// A header of the PROXY protocol, which no connection may be without where it is required. It names no client.
const NOBODY: &str = "PROXY UNKNOWN\r\n";

/// Where a server is, and what is spoken there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Door {
    /// Host and port, as in a URL.
    pub(super) authority: String,
    /// What is sent before everything.
    pub(super) introduction: &'static str,
    /// Whether TLS is spoken.
    pub(super) is_encrypted: bool,
}

/// An open connection.
pub(super) trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

impl Door {
    /// The door that a URL names, and the path after it; `None`: it names no path.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL.
    pub(super) fn parse(url: &str) -> Result<(Self, Option<&str>), String> {
        let (rest, is_encrypted) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (rest, false),
            (_, Some(rest)) => (rest, true),
            _ => return Err("a URL as http://HOST:PORT/PATH or https://HOST:PORT/PATH is needed".into()),
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => (&rest[..slash], Some(&rest[slash..])),
            None => (rest, None),
        };
        let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain(authority) || !path.is_none_or(is_plain) || authority.contains('@') {
            return Err("neither host nor path may be empty or hold spaces, and users are not known here".into());
        }
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let door = Self {
            authority: if has_port {
                authority.to_owned()
            } else {
                format!("{authority}:{}", if is_encrypted { 443 } else { 80 })
            },
            introduction: "",
            is_encrypted,
        };
        Ok((door, path))
    }

    /// That of the server of this configuration, on this machine: its operators' door if it has one, which may be reached when
    /// the players' is full.
    pub(super) fn of(config: &Config) -> Self {
        let players = SocketAddr::new(config.bind, config.port);
        let door = config.control.door(config.bind);
        let is_awaited = door.is_none() && config.security.proxy_protocol == ProxyProtocol::Required;
        let mut address = door.unwrap_or(players);
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            });
        }
        Self {
            authority: address.to_string(),
            introduction: if is_awaited { NOBODY } else { "" },
            is_encrypted: config.security.transport.tls.enabled,
        }
    }

    /// Whether it is on this machine, by its address or as `localhost`.
    pub(super) fn is_on_this_machine(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    }

    /// Connects, for so long at most with everything that is done on the connection.
    ///
    /// # Errors
    ///
    /// When nobody is there, or somebody else.
    pub(super) fn open(&self, within: Duration, trust: Trust) -> io::Result<Box<dyn Stream>> {
        let mut stream = self.connect(within)?;
        stream.write_all(self.introduction.as_bytes())?;
        Ok(if self.is_encrypted {
            Box::new(encrypted::over(stream, self.host(), trust)?)
        } else {
            Box::new(stream)
        })
    }

    fn connect(&self, within: Duration) -> io::Result<Patient> {
        let patience = patient::until(within);
        let mut last = io::Error::other("the name leads to no address");
        for address in self.authority.to_socket_addrs()? {
            match patience.connect(&address) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The authority without its port.
    fn host(&self) -> &str {
        let (host, _) = self
            .authority
            .rsplit_once(':')
            .expect("a port was added where there was none");
        host.trim_start_matches('[').trim_end_matches(']')
    }
}
