//! Proxies in front of the server, and what is believed of what they say.
//!
//! Owns who is trusted, the header of the PROXY protocol with which a trusted proxy begins a connection, and the field of a
//! request in which it says whom it passes on. Promises that
//! nobody else is believed, and that a header is bounded in bytes. Sans-I/O. Must never let what a proxy says of a client's
//! encryption decide anything: it is for the log alone.

mod forwarded;
mod header;

use std::net::IpAddr;

pub(super) use self::header::Remarks;
use self::header::{Begin, HeaderFault};
use crate::config::{ForwardedHeader, ProxyProtocol};
use crate::networks::Networks;
use crate::session::ClientAddress;

/// Who is believed, and when.
#[derive(Debug, Clone)]
pub struct ProxyPolicy {
    /// Whether connections begin with a header of the PROXY protocol.
    pub protocol: ProxyProtocol,
    /// Which field of a request tells whom it is passed on for.
    pub forwarded: ForwardedHeader,
    /// Who may say whom it speaks for.
    pub trusted: Networks,
}

/// What is awaited at the beginning of a connection.
#[derive(Debug)]
pub(super) struct Introduction {
    expected: Expected,
    /// The bytes of a header that is not yet complete.
    kept: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Whoever is there is not trusted: a header ends the connection.
    No,
    Perhaps,
    Yes,
}

/// What an introduction has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Introduced {
    /// More bytes are needed.
    NotYet,
    /// There is no header: the connection begins with the first byte.
    Nobody,
    /// The connection begins after so many bytes.
    Header {
        /// How long the header was.
        bytes: usize,
        /// The client that was named, if one was.
        client: Option<IpAddr>,
        /// What else was said of it.
        remarks: Option<Box<Remarks>>,
    },
}

/// Why a connection ends at its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntroductionFault {
    /// It comes from no trusted proxy.
    Untrusted,
    /// It has no header.
    Missing,
    /// Its header lies about itself.
    Malformed,
    /// Its header is longer than any is.
    TooLong,
}

impl ProxyPolicy {
    /// What is known of who connects from this address. Behind a proxy is anybody.
    pub fn peer(&self, address: IpAddr) -> ClientAddress {
        if self.trusted.contain(address) {
            ClientAddress::shared(address)
        } else {
            ClientAddress::own(address)
        }
    }

    /// Whom a request of a [peer](Self::peer) is passed on for; `lines` are the values of a field of it. A proxy that names
    /// nobody, or nobody who can be understood, speaks for any number of clients.
    pub(super) fn client<'a, L>(&self, peer: ClientAddress, lines: impl FnOnce(&'static str) -> L) -> ClientAddress
    where
        L: DoubleEndedIterator<Item = &'a [u8]>,
    {
        if !self.trusted.contain(peer.ip()) {
            return peer;
        }
        match self.forwarded {
            ForwardedHeader::None => peer,
            ForwardedHeader::Forwarded => self.walk(peer, forwarded::in_forwarded(lines("forwarded"))),
            ForwardedHeader::XForwardedFor => self.walk(peer, forwarded::in_x_forwarded_for(lines("x-forwarded-for"))),
        }
    }

    /// From proxy to proxy, the newest first.
    fn walk(&self, peer: ClientAddress, hops: impl Iterator<Item = Option<IpAddr>>) -> ClientAddress {
        let mut last = peer;
        for hop in hops.map_while(|hop| hop) {
            last = self.peer(hop);
            if !last.is_shared() {
                break;
            }
        }
        last
    }

    /// What is awaited of a [peer](Self::peer) before anything else, if anything is.
    ///
    /// # Errors
    ///
    /// When nothing that it could say would be believed.
    pub(super) fn introduction(&self, peer: ClientAddress) -> Result<Option<Introduction>, IntroductionFault> {
        let is_trusted = self.trusted.contain(peer.ip());
        let expected = match (self.protocol, is_trusted) {
            (ProxyProtocol::Off, _) => return Ok(None),
            (ProxyProtocol::Required, false) => return Err(IntroductionFault::Untrusted),
            (ProxyProtocol::Required, true) => Expected::Yes,
            (ProxyProtocol::Optional, true) => Expected::Perhaps,
            (ProxyProtocol::Optional, false) => Expected::No,
        };
        let kept = Vec::new();
        Ok(Some(Introduction { expected, kept }))
    }
}

impl Introduction {
    /// Puts what was kept of a header in front, so that what comes next is read behind it. Returns how much that is.
    pub(super) fn recall(&self, into: &mut [u8]) -> usize {
        into[..self.kept.len()].copy_from_slice(&self.kept);
        self.kept.len()
    }

    /// Looks at all bytes of the connection so far, those that were [kept](Self::recall) among them.
    ///
    /// # Errors
    ///
    /// Why the connection must end.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Introduced, IntroductionFault> {
        match header::read(bytes) {
            Ok(Begin::Unknown) => {
                self.kept = bytes.to_vec();
                Ok(Introduced::NotYet)
            }
            Ok(Begin::Other) if self.expected == Expected::Yes => Err(IntroductionFault::Missing),
            Ok(Begin::Other) => Ok(Introduced::Nobody),
            _ if self.expected == Expected::No => Err(IntroductionFault::Untrusted),
            Ok(Begin::Unfinished) => {
                self.kept = bytes.to_vec();
                Ok(Introduced::NotYet)
            }
            Ok(Begin::Header(header)) => Ok(Introduced::Header {
                bytes: header.bytes,
                client: header.client,
                remarks: header.remarks,
            }),
            Err(HeaderFault::Malformed) => Err(IntroductionFault::Malformed),
            Err(HeaderFault::TooLong) => Err(IntroductionFault::TooLong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 1024 3536\r\n";
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n";
    const PROXY: [u8; 4] = [10, 0, 0, 2];
    const STRANGER: [u8; 4] = [203, 0, 113, 9];

    fn policy(protocol: ProxyProtocol) -> ProxyPolicy {
        let trusted = Networks::new(&["10.0.0.0/8".parse().expect("a network")]);
        ProxyPolicy {
            protocol,
            forwarded: ForwardedHeader::XForwardedFor,
            trusted,
        }
    }

    /// How a connection from there begins, whose first bytes are these.
    fn begin(protocol: ProxyProtocol, from: [u8; 4], bytes: &[u8]) -> Result<Option<Introduced>, IntroductionFault> {
        let policy = policy(protocol);
        match policy.introduction(policy.peer(from.into()))? {
            None => Ok(None),
            Some(mut introduction) => introduction.read(bytes).map(Some),
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        use IntroductionFault::{Missing, Untrusted};
        use ProxyProtocol::{Off, Optional, Required};
        let named = || {
            Ok(Some(Introduced::Header {
                bytes: V1.len(),
                client: Some([192, 0, 2, 7].into()),
                remarks: None,
            }))
        };
        for (protocol, from, bytes, expected) in [
            (Off, PROXY, V1, Ok(None)),
            (Off, STRANGER, V1, Ok(None)),
            (Optional, PROXY, V1, named()),
            (Optional, PROXY, REQUEST, Ok(Some(Introduced::Nobody))),
            (Optional, STRANGER, V1, Err(Untrusted)),
            (Optional, STRANGER, &V1[..6], Err(Untrusted)),
            (Optional, STRANGER, REQUEST, Ok(Some(Introduced::Nobody))),
            (Required, PROXY, V1, named()),
            (Required, PROXY, REQUEST, Err(Missing)),
            (Required, STRANGER, V1, Err(Untrusted)),
            (Required, STRANGER, REQUEST, Err(Untrusted)),
        ] {
            assert_eq!(begin(protocol, from, bytes), expected, "{protocol:?} {from:?}");
        }
    }

    #[test]
    fn a_proxy_is_nobody_of_its_own() {
        let policy = policy(ProxyProtocol::Required);
        assert!(policy.peer(PROXY.into()).is_shared() && !policy.peer(STRANGER.into()).is_shared());
    }

    /// Whom a request from there is passed on for.
    fn client(from: [u8; 4], lines: &[&str]) -> (String, bool) {
        let policy = policy(ProxyProtocol::Off);
        let lines = |field| {
            assert_eq!(field, "x-forwarded-for");
            lines.iter().map(|line| line.as_bytes())
        };
        let client = policy.client(policy.peer(from.into()), lines);
        (client.to_string(), client.is_shared())
    }

    #[test]
    fn a_request_is_walked_back_past_trusted_proxies() {
        let own = |address: &str| (address.to_owned(), false);
        let shared = |address: &str| (address.to_owned(), true);
        assert_eq!(client(PROXY, &["192.0.2.7"]), own("192.0.2.7"));
        assert_eq!(client(PROXY, &["192.0.2.7, 10.0.0.9", "10.0.0.8"]), own("192.0.2.7"));
        assert_eq!(
            client(PROXY, &["10.0.0.9, 203.0.113.1, 192.0.2.7"]),
            own("192.0.2.7"),
            "what it made up"
        );
        assert_eq!(
            client(STRANGER, &["192.0.2.7"]),
            own("203.0.113.9"),
            "nobody believes it"
        );
        assert_eq!(client(PROXY, &[]), shared("10.0.0.2"));
        assert_eq!(client(PROXY, &["192.0.2.7, unknown"]), shared("10.0.0.2"));
        assert_eq!(
            client(PROXY, &["192.0.2.7, x, 10.0.0.9"]),
            shared("10.0.0.9"),
            "the last that is known"
        );
        assert_eq!(client(PROXY, &["10.0.0.9"]), shared("10.0.0.9"));
    }

    #[test]
    fn a_header_may_come_in_any_pieces_and_what_follows_stays() {
        let whole = [V1, REQUEST].concat();
        let mut scratch = [0; 128];
        for first in 1..whole.len() {
            for second in first..whole.len() {
                let policy = policy(ProxyProtocol::Required);
                let mut introduction = policy
                    .introduction(policy.peer(PROXY.into()))
                    .expect("trusted")
                    .expect("awaited");
                let mut result = Introduced::NotYet;
                for piece in [&whole[..first], &whole[first..second], &whole[second..]] {
                    if result != Introduced::NotYet {
                        break;
                    }
                    let kept = introduction.recall(&mut scratch);
                    scratch[kept..kept + piece.len()].copy_from_slice(piece);
                    result = introduction.read(&scratch[..kept + piece.len()]).expect("well-formed");
                }
                let Introduced::Header { bytes, client, .. } = result else {
                    panic!("{first} {second}: {result:?}")
                };
                assert_eq!((bytes, client), (V1.len(), Some([192, 0, 2, 7].into())));
            }
        }
    }
}
