//! Which names of the server a request may use, while only this machine can reach it.
//!
//! A server that is bound to loopback is asked for under another name in two cases: a proxy on this machine passes on what
//! comes from outside, or a page has had its own name resolve to this machine (DNS rebinding). Either way others than
//! this machine get in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::request::Head;
use crate::config::{OriginPolicy, origins};

/// The longest name of a host, in bytes.
const MAX_NAME_BYTES: usize = 253;

/// Which hosts a request may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPolicy {
    /// All.
    Any,
    /// Those that mean this machine, and these.
    ThisMachineAnd(Vec<HostName>),
}

/// A host, however it was spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostName {
    /// In lower case, without the dot at its end.
    Name(String),
    /// An IPv4 address that was written as an IPv6 one is an IPv4 address.
    Address(IpAddr),
}

impl HostPolicy {
    /// This machine, and the hosts of the sites that are listed; if all are, all hosts.
    #[must_use]
    pub fn this_machine_and(listed: &OriginPolicy) -> Self {
        match listed {
            OriginPolicy::Any => Self::Any,
            OriginPolicy::Only(sites) => Self::ThisMachineAnd(sites.iter().filter_map(|text| site(text)).collect()),
        }
    }

    /// This machine alone.
    #[must_use]
    pub const fn this_machine() -> Self {
        Self::ThisMachineAnd(Vec::new())
    }

    /// Whether a request with this `Host` may go on.
    #[must_use]
    pub fn allows(&self, host: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::ThisMachineAnd(others) => {
                HostName::parse(host).is_some_and(|(host, _)| host.is_this_machine() || others.contains(&host))
            }
        }
    }

    /// The first host that the request names and may not. One that names none comes from no browser and through no proxy
    /// that says where to; of several, each counts.
    pub(super) fn refused<'a>(&self, head: &Head<'a>) -> Option<&'a [u8]> {
        match authority(head) {
            Some(authority) => Some(authority).filter(|host| !self.allows(host)),
            None => head.values("host").find(|host| !self.allows(host)),
        }
    }
}

impl HostName {
    /// Host and port of an authority, without the name of a user. The port is in digits, or empty.
    fn parse(authority: &[u8]) -> Option<(Self, Option<u16>)> {
        let authority = std::str::from_utf8(authority).ok()?;
        let (host, port) = origins::split_port(authority);
        let port = match port {
            None | Some("") => None,
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => Some(port.parse().ok()?),
            Some(_) => return None,
        };
        if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            let address: Ipv6Addr = address.parse().ok()?;
            return Some((Self::Address(address.to_canonical()), port));
        }
        if let Ok(address) = host.parse::<Ipv4Addr>() {
            return Some((Self::Address(address.into()), port));
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        let is_of_label = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let is_name = name.len() <= MAX_NAME_BYTES
            && name
                .split('.')
                .all(|label| !label.is_empty() && label.bytes().all(is_of_label));
        is_name.then(|| (Self::Name(name.to_ascii_lowercase()), port))
    }

    fn is_this_machine(&self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Address(IpAddr::V4(address)) => address.to_string(),
            Self::Address(IpAddr::V6(address)) => format!("[{}]", origins::ipv6_text(*address)),
        }
    }
}

/// The host that a request is for, if it names exactly one: the authority of an absolute target replaces `Host`.
pub(super) fn only_host<'a>(head: &Head<'a>) -> Option<&'a [u8]> {
    authority(head).or_else(|| head.only("host"))
}

fn authority<'a>(head: &Head<'a>) -> Option<&'a [u8]> {
    head.authority.map(str::as_bytes)
}

/// What to list so that requests for this host are answered, if anything that can be listed names it.
pub(super) fn origin_to_list(host: &[u8]) -> Option<String> {
    let (host, port) = HostName::parse(host)?;
    let origin = match port {
        None | Some(0 | 80 | 443) => format!("https://{}", host.text()),
        Some(port) => format!("https://{}:{port}", host.text()),
    };
    origins::is_listable(&origin).then_some(origin)
}

/// Whether the request shows that somebody passed it on.
pub(super) fn shows_a_proxy(head: &Head<'_>) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip"]
        .into_iter()
        .any(|field| head.values(field).next().is_some())
}

/// The host of a listed web site; the schemes of apps have none.
fn site(origin: &str) -> Option<HostName> {
    let authority = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))?;
    HostName::parse(authority.as_bytes()).map(|(host, _)| host)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::request::read_head;
    use super::*;

    fn listing(origins: &str) -> HostPolicy {
        HostPolicy::this_machine_and(&OriginPolicy::parse(origins).expect("origins"))
    }

    const THIS_MACHINE: [&str; 22] = [
        "localhost",
        "LocalHost",
        "localhost:3536",
        "localhost:",
        "localhost.",
        "localhost.:80",
        "tauri.localhost",
        "a.b-c.localhost:1",
        "a.localhost.",
        "127.0.0.1",
        "127.0.0.1:65535",
        "127.255.255.254",
        "127.8.9.10:0",
        "[::1]",
        "[::1]:3536",
        "[::1]:",
        "[0:0:0:0:0:0:0:1]",
        "[0000::0001]:9",
        "[::ffff:127.0.0.1]",
        "[::FFFF:7f00:1]:80",
        "[::ffff:127.9.9.9]",
        "_x.localhost",
    ];

    const OTHERS: [&str; 38] = [
        "",
        ":",
        ":80",
        ".",
        ".localhost",
        "a..localhost",
        "localhost..",
        "localhost:x",
        "localhost:-1",
        "localhost:+1",
        "localhost:65536",
        "localhost:80:80",
        "localhost/",
        "localhost?",
        "localhost, localhost",
        " localhost",
        "localhost@evil.example",
        "evil.example@localhost",
        "user:secret@127.0.0.1",
        "localhost.evil.example",
        "evillocalhost",
        "127.0.0.1.evil.example",
        "127.0.0.1.",
        "127.1",
        "127.0.0.01",
        "0x7f.0.0.1",
        "2130706433",
        "0.0.0.0",
        "10.0.0.1",
        "192.0.2.7",
        "::1",
        "[::1",
        "::1]",
        "[::1%lo]",
        "[::]",
        "[::2]:80",
        "[127.0.0.1]",
        "local\u{212a}host",
    ];

    #[test]
    fn only_names_of_this_machine_are_answered_to() {
        let policy = listing("");
        for host in THIS_MACHINE {
            assert!(policy.allows(host.as_bytes()), "{host:?}");
        }
        for host in OTHERS {
            assert!(!policy.allows(host.as_bytes()), "{host:?}");
        }
        assert!(!policy.allows(b"localhost\xff") && !policy.allows(b"\0"));
        assert!(!policy.allows(&[b'a'; 10_000]));
    }

    #[test]
    fn the_hosts_of_listed_sites_are_answered_to_on_any_port() {
        let policy =
            listing("https://play.example, http://a.example:8080, https://[2001:db8::7], http://10.0.0.1, null");
        for host in [
            "play.example",
            "PLAY.example:443",
            "play.example.:81",
            "a.example",
            "[2001:DB8:0::7]:1",
            "10.0.0.1:80",
            "localhost",
        ] {
            assert!(policy.allows(host.as_bytes()), "{host}");
        }
        for host in [
            "example",
            "x.play.example",
            "play.example.evil.example",
            "null",
            "[2001:db8::8]",
            "10.0.0.2",
            "user@play.example",
        ] {
            assert!(!policy.allows(host.as_bytes()), "{host}");
        }
        assert!(!listing("app://play.example").allows(b"play.example"), "no site");
    }

    #[test]
    fn whoever_lets_every_page_in_answers_to_every_name() {
        assert_eq!(listing("*"), HostPolicy::Any);
        assert!(OTHERS.iter().all(|host| HostPolicy::Any.allows(host.as_bytes())));
    }

    /// What `listing("https://play.example")` refuses of a request, and the one host that it names.
    fn of_request(target: &str, fields: &str) -> (Option<String>, Option<String>) {
        let request = format!("GET {target} HTTP/1.1\r\n{fields}\r\n");
        let (head, _) = read_head(request.as_bytes()).expect("well-formed").expect("whole");
        let text = |host: &[u8]| String::from_utf8_lossy(host).into_owned();
        let refused = listing("https://play.example").refused(&head).map(text);
        (refused, only_host(&head).map(text))
    }

    #[test]
    fn the_authority_of_an_absolute_target_replaces_the_host() {
        for (target, host, refused, only) in [
            (
                "/",
                "Host: evil.example\r\n",
                Some("evil.example"),
                Some("evil.example"),
            ),
            ("/", "Host: play.example\r\n", None, Some("play.example")),
            ("/", "", None, None),
            ("/", "Host: \r\n", Some(""), Some("")),
            ("/", "Host: localhost\r\nHost: localhost\r\n", None, None),
            (
                "/",
                "Host: localhost\r\nHost: evil.example\r\n",
                Some("evil.example"),
                None,
            ),
            (
                "http://localhost:1/",
                "Host: evil.example\r\n",
                None,
                Some("localhost:1"),
            ),
            (
                "HTTPS://evil.example?x",
                "Host: localhost\r\n",
                Some("evil.example"),
                Some("evil.example"),
            ),
            (
                "http://u@localhost/",
                "Host: localhost\r\n",
                Some("u@localhost"),
                Some("u@localhost"),
            ),
            ("http:///", "Host: localhost\r\n", Some(""), Some("")),
            ("/http://evil.example/", "Host: localhost\r\n", None, Some("localhost")),
        ] {
            let found = of_request(target, host);
            assert_eq!(
                (found.0.as_deref(), found.1.as_deref()),
                (refused, only),
                "{target} {host:?}"
            );
        }
    }

    #[test]
    fn what_to_list_is_told_by_its_host() {
        for (host, origin) in [
            ("play.example", Some("https://play.example")),
            ("Play.Example.:80", Some("https://play.example")),
            ("play.example:8443", Some("https://play.example:8443")),
            ("10.0.0.1:443", Some("https://10.0.0.1")),
            ("[FD00:0::1]:9", Some("https://[fd00::1]:9")),
            ("10.1", None),
            ("<script>", None),
            ("u@play.example", None),
        ] {
            assert_eq!(origin_to_list(host.as_bytes()).as_deref(), origin, "{host}");
        }
    }

    #[test]
    fn a_proxy_shows_in_three_fields() {
        for (fields, is_shown) in [
            ("Forwarded: for=1.2.3.4\r\n", true),
            ("x-forwarded-FOR: 1.2.3.4\r\n", true),
            ("X-Real-IP: 1.2.3.4\r\n", true),
            ("X-Forwarded: 1\r\nFor: 1\r\n", false),
        ] {
            let request = format!("GET / HTTP/1.1\r\n{fields}\r\n");
            let (head, _) = read_head(request.as_bytes()).expect("well-formed").expect("whole");
            assert_eq!(shows_a_proxy(&head), is_shown, "{fields:?}");
        }
    }

    proptest! {
        /// No text leads in a circle: what is told to be listed can be, and then the host is answered to.
        #[test]
        fn listing_what_is_told_is_enough(host in "[A-Za-z0-9._:@\\[\\]-]{0,40}|[A-Za-z]{1,8}(\\.[a-z0-9-]{1,9}){1,4}\\.?(:[0-9]{0,6})?") {
            if let Some(origin) = origin_to_list(host.as_bytes()) {
                let listed = OriginPolicy::parse(&origin).expect("what is told can be listed");
                prop_assert!(HostPolicy::this_machine_and(&listed).allows(host.as_bytes()), "{host} {origin}");
            }
        }
    }
}
