//! The header of the PROXY protocol, versions 1 and 2.
//!
//! Owns where a header ends, and how long it may be; what a whole one says is read by the library. Promises that bytes which
//! cannot become a header are told from one at the first of them that differs.

use std::net::IpAddr;

use proxy_header::{ParseConfig, ProxyHeader};

/// What version 1 begins with.
const V1_BEGIN: &[u8] = b"PROXY ";
/// The most bytes that version 1 has, by the protocol.
const MAX_V1_BYTES: usize = 107;

/// What version 2 begins with.
const V2_BEGIN: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The part of version 2 that says how long the rest is.
const V2_FIXED_BYTES: usize = 16;
/// The most bytes of version 2 that are taken. Two addresses take 52; a proxy may add what it knows of the client's TLS.
const MAX_V2_BYTES: usize = 4_096;

/// The longest remark that is kept, in bytes: that of a host's name, and more than any version's.
const MAX_REMARK_BYTES: usize = 255;

/// What a connection begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// It may become a header yet, or something else.
    Unknown,
    /// Something else.
    Other,
    /// A header, of which more is to come.
    Unfinished,
    /// A header.
    Header(Header),
}

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// How long it is.
    pub(super) bytes: usize,
    /// The client. None is named by a proxy that connects by itself (`LOCAL`), that does not know (`UNKNOWN`, an unspecified
    /// family or address), or to which the client came over a socket of the proxy's own machine (`AF_UNIX`).
    pub(super) client: Option<IpAddr>,
    pub(super) remarks: Option<Box<Remarks>>,
}

/// What a proxy has said of a client's encryption. For the log alone: anybody who can reach the proxy's way to us could
/// say it too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::net) struct Remarks {
    /// The server that the client asked for (SNI).
    pub(in crate::net) server_name: Option<Box<str>>,
    /// The version of TLS that it spoke.
    pub(in crate::net) tls_version: Option<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFault {
    Malformed,
    TooLong,
}

/// Reads the header at the beginning of `bytes`, if there is one.
pub(super) fn read(bytes: &[u8]) -> Result<Begin, HeaderFault> {
    if bytes.starts_with(V1_BEGIN) {
        read_v1(bytes)
    } else if bytes.starts_with(V2_BEGIN) {
        read_v2(bytes)
    } else if V1_BEGIN.starts_with(bytes) || V2_BEGIN.starts_with(bytes) {
        Ok(Begin::Unknown)
    } else {
        Ok(Begin::Other)
    }
}

/// A line.
fn read_v1(bytes: &[u8]) -> Result<Begin, HeaderFault> {
    let start = &bytes[..bytes.len().min(MAX_V1_BYTES)];
    match start.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => whole(&bytes[..end + 2]),
        None if start.len() < MAX_V1_BYTES => Ok(Begin::Unfinished),
        None => Err(HeaderFault::TooLong),
    }
}

fn read_v2(bytes: &[u8]) -> Result<Begin, HeaderFault> {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    let command = match bytes.get(V2_BEGIN.len()) {
        Some(command @ (&LOCAL | &PROXY)) => *command,
        Some(_) => return Err(HeaderFault::Malformed),
        None => return Ok(Begin::Unfinished),
    };
    let Some([.., high, low]) = bytes.first_chunk::<V2_FIXED_BYTES>() else {
        return Ok(Begin::Unfinished);
    };
    let length = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([*high, *low]));
    if length > MAX_V2_BYTES {
        return Err(HeaderFault::TooLong);
    }
    match bytes.get(..length) {
        None => Ok(Begin::Unfinished),
        // Whatever addresses such a header has are to be ignored, and need not be well-formed.
        Some(_) if command == LOCAL => Ok(Begin::Header(Header {
            bytes: length,
            client: None,
            remarks: None,
        })),
        Some(header) => whole(header),
    }
}

/// Reads a header that is whole, and is all of `bytes`: that it should be longer is a lie.
fn whole(bytes: &[u8]) -> Result<Begin, HeaderFault> {
    let (header, length) = ProxyHeader::parse(bytes, ParseConfig::default()).map_err(|_| HeaderFault::Malformed)?;
    if length != bytes.len() {
        return Err(HeaderFault::Malformed);
    }
    let client = header.proxied_address().map(|addresses| addresses.source.ip());
    Ok(Begin::Header(Header {
        bytes: length,
        client: client.filter(|client| !client.to_canonical().is_unspecified()),
        remarks: remarks(&header),
    }))
}

fn remarks(header: &ProxyHeader<'_>) -> Option<Box<Remarks>> {
    let tls = header.ssl().filter(|tls| tls.client_ssl());
    let remarks = Remarks {
        server_name: header.authority().and_then(remark),
        tls_version: tls.as_ref().and_then(|tls| tls.version()).and_then(remark),
    };
    let says_something = remarks.server_name.is_some() || remarks.tls_version.is_some();
    says_something.then(|| Box::new(remarks))
}

/// A text that can stand in a line of the log.
fn remark(text: &str) -> Option<Box<str>> {
    let is_fit = (1..=MAX_REMARK_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_fit.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proxy_header::{ProxiedAddress, SslInfo, Tlv};

    use super::*;

    const REST: &[u8] = b"\x16\x03\x01PROXY \r\n";

    /// A header of version 2 with its parts as they are.
    fn v2(command: u8, family: u8, length: u16, rest: &[u8]) -> Vec<u8> {
        let mut bytes = V2_BEGIN.to_vec();
        bytes.extend([command, family]);
        bytes.extend(length.to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    fn v2_of(client: &str, tlvs: Vec<Tlv<'_>>) -> Vec<u8> {
        let (client, server) = (
            client.parse().expect("an address"),
            match client.starts_with('[') {
                true => "[2001:db8::1]:443",
                false => "10.0.0.1:443",
            },
        );
        let addresses = ProxiedAddress::stream(client, server.parse().expect("an address"));
        let mut bytes = Vec::new();
        ProxyHeader::with_tlvs(Some(addresses), tlvs)
            .encode_v2(&mut bytes)
            .expect("it fits");
        bytes
    }

    fn header(bytes: &[u8]) -> Header {
        match read(bytes) {
            Ok(Begin::Header(header)) => header,
            other => panic!("{bytes:?}: {other:?}"),
        }
    }

    /// Well-formed headers, and the client that each names.
    fn well_formed() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let unix = v2(0x21, 0x31, 216, &[b'/'; 216]);
        let nobody = |bytes: &[u8]| (bytes.to_vec(), None);
        vec![
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n".to_vec(), Some("192.0.2.7")),
            (b"PROXY TCP6 2001:db8::7 ::1 56324 443\r\n".to_vec(), Some("2001:db8::7")),
            (
                b"PROXY TCP6 ffff:f:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
                    .to_vec(),
                Some("ffff:f:ffff:ffff:ffff:ffff:ffff:ffff"),
            ),
            nobody(b"PROXY UNKNOWN\r\n"),
            nobody(b"PROXY UNKNOWN 192.0.2.7 10.0.0.1 1 2\r\n"),
            nobody(b"PROXY TCP4 0.0.0.0 10.0.0.1 1 2\r\n"),
            (v2_of("192.0.2.7:1", Vec::new()), Some("192.0.2.7")),
            (v2_of("[2001:db8::7]:1", Vec::new()), Some("2001:db8::7")),
            (v2_of("192.0.2.7:1", vec![Tlv::Noop(2_000)]), Some("192.0.2.7")),
            (v2(0x21, 0x12, 12, &[192, 0, 2, 9, 10, 0, 0, 1, 0, 1, 0, 2]), Some("192.0.2.9")),
            nobody(&unix),
            nobody(&v2(0x21, 0x00, 0, &[])),
            nobody(&v2(0x21, 0x00, 5, &[1, 2, 3, 4, 5])),
            nobody(&v2(0x20, 0x00, 0, &[])),
            // What a `LOCAL` header says beside that is ignored, even if it is short of an address.
            nobody(&v2(0x20, 0x11, 0, &[])),
            nobody(&v2(0x20, 0x11, 12, &[192, 0, 2, 7, 10, 0, 0, 1, 0, 1, 0, 2])),
            nobody(&v2(0x20, 0xff, 3, &[1, 2, 3])),
        ]
    }

    #[test]
    fn a_header_is_read_once_it_is_whole_and_no_further() {
        for (bytes, client) in well_formed() {
            for end in 0..bytes.len() {
                let begin = read(&bytes[..end]);
                assert!(
                    matches!(begin, Ok(Begin::Unknown | Begin::Unfinished)),
                    "{bytes:?} up to {end}: {begin:?}"
                );
            }
            let client = client.map(|client| client.parse().expect("an address"));
            let alone = header(&bytes);
            assert_eq!((alone.bytes, alone.client), (bytes.len(), client), "{bytes:?}");
            assert_eq!(header(&[&bytes, REST].concat()), alone);
        }
    }

    #[test]
    fn what_lies_about_itself_is_malformed() {
        for bytes in [
            b"PROXY \r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::7 ::1 1 2\r\n".to_vec(),
            b"PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n".to_vec(),
            b"PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.777 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(),
            v2(0x11, 0x11, 12, &[0; 12]),
            v2(0x22, 0x11, 12, &[0; 12]),
            // Fewer bytes than the family's addresses take, however many follow.
            v2(0x21, 0x11, 11, &[0; 11]),
            v2(0x21, 0x11, 11, &[0; 400]),
            v2(0x21, 0x11, 0, &[0; 400]),
            v2(0x21, 0x21, 12, &[0; 400]),
            v2(0x21, 0x31, 215, &[0; 400]),
            v2(0x21, 0x41, 12, &[0; 12]),
            v2(0x21, 0x13, 12, &[0; 12]),
        ] {
            assert_eq!(read(&bytes), Err(HeaderFault::Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn a_header_is_bounded() {
        let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat();
        assert_eq!(read(&endless[..MAX_V1_BYTES - 1]), Ok(Begin::Unfinished));
        assert_eq!(read(&endless[..MAX_V1_BYTES]), Err(HeaderFault::TooLong));
        let late = [&endless[..], b"\r\n"].concat();
        assert_eq!(read(&late), Err(HeaderFault::TooLong), "its end came with it");
        let most = (MAX_V2_BYTES - V2_FIXED_BYTES) as u16;
        assert_eq!(read(&v2(0x21, 0x00, most, &[])), Ok(Begin::Unfinished));
        for command in [0x20, 0x21] {
            assert_eq!(read(&v2(command, 0x00, most + 1, &[])), Err(HeaderFault::TooLong));
            assert_eq!(read(&v2(command, 0x11, u16::MAX, &[])), Err(HeaderFault::TooLong));
        }
    }

    #[test]
    fn anything_else_is_told_at_the_first_byte_that_differs() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"\x16\x03\x01",
            b"POST / HTTP/1.1\r\n",
            b"PR",
            b"PROXY",
            b"PROXYX",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\r\n\r\nGET / HTTP/1.1\r\n",
            b"\r\n\r\n\0\r\nQUIX",
        ] {
            let is_prefix = V1_BEGIN.starts_with(bytes) || V2_BEGIN.starts_with(bytes);
            let expected = if is_prefix { Begin::Unknown } else { Begin::Other };
            assert_eq!(read(bytes), Ok(expected), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_said_of_the_clients_tls_is_kept_for_the_log() {
        let mut tls = SslInfo::new(true, true, true, 0);
        tls.append_tlv(Tlv::SslVersion("TLSv1.3".into()));
        tls.append_tlv(Tlv::SslCn("mallory".into()));
        let bytes = v2_of(
            "192.0.2.7:1",
            vec![
                Tlv::Alpn(b"http/1.1"[..].into()),
                Tlv::Authority("play.example".into()),
                Tlv::Ssl(tls),
            ],
        );
        let remarks = header(&bytes).remarks.expect("there are some");
        assert_eq!(remarks.server_name.as_deref(), Some("play.example"));
        assert_eq!(remarks.tls_version.as_deref(), Some("TLSv1.3"));
        for unfit in ["", "two\r\nlines", "caf\u{e9}", &"a".repeat(256)] {
            let bytes = v2_of("192.0.2.7:1", vec![Tlv::Authority(unfit.into())]);
            assert_eq!(header(&bytes).remarks, None, "{unfit:?}");
        }
        // Its addresses are whole, and the rest decides nothing.
        let broken = v2(
            0x21,
            0x11,
            15,
            &[192, 0, 2, 7, 10, 0, 0, 1, 0, 1, 0, 2, 0x02, 0xff, 0xff],
        );
        let broken = header(&broken);
        assert_eq!((broken.client, broken.remarks), (Some([192, 0, 2, 7].into()), None));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_within_its_bounds(
            start in prop::sample::select(vec![&b""[..], V1_BEGIN, b"PROXY TCP4 ", b"PROXY UNKNOWN", V2_BEGIN]),
            bytes in proptest::collection::vec(any::<u8>(), 0..5_000),
        ) {
            let bytes = [start, &bytes].concat();
            match read(&bytes) {
                Ok(Begin::Header(header)) => prop_assert!(header.bytes <= bytes.len().min(MAX_V2_BYTES)),
                Ok(Begin::Unknown) => prop_assert!(bytes.len() < V2_BEGIN.len()),
                Ok(Begin::Unfinished) => prop_assert!(bytes.len() < MAX_V2_BYTES),
                Ok(Begin::Other) | Err(_) => {}
            }
        }
    }
}
