//! The head of a request, read by httparse within limits.
//!
//! There is one type of a head and one way to read it: what a shard reads from a fresh socket and what the control plane
//! reads from a kept one is the same.

use httparse::{EMPTY_HEADER, Status as Parsed};
use thiserror::Error;

/// The most bytes that the head of a request may have: the cookies of a game's site come along.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The most header fields that a request may have.
pub const MAX_FIELDS: usize = 100;

/// Why a request cannot be served. Answer and close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RequestRefusal {
    /// It is no HTTP/1 request.
    #[error("this is not an HTTP/1 request")]
    Malformed,
    /// It is the greeting of HTTP/2, which is not spoken here.
    #[error("this server speaks HTTP/1.1; HTTP/2 without TLS is not served, so connect with HTTP/1.1")]
    Http2,
    /// It is the greeting of TLS.
    #[error("this port speaks plain HTTP, not TLS: connect with http:// or ws://")]
    Tls,
    /// It is the header of the PROXY protocol, which a proxy sends and nobody told the server of.
    #[error(
        "this connection begins with a PROXY header, which is not read here: set security.proxy_protocol and security.trusted_proxies, or have the proxy send none"
    )]
    ProxyHeader,
    /// Its head is too long, or has too many fields.
    #[error("the request's head is too large; send fewer or shorter header fields")]
    TooLarge,
}

/// The head of a request.
#[derive(Debug)]
pub struct Head<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// The target, as sent.
    pub target: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// The authority of an absolute target, which then counts in place of `Host`.
    pub authority: Option<&'a str>,
    /// Whether it is HTTP/1.1 rather than 1.0, which health checkers still speak and WebSockets cannot.
    pub is_http_1_1: bool,
    /// Whether every line ends as the standard says, with CR LF.
    pub ends_lines_fully: bool,
    fields: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Head<'a> {
    /// All header fields, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.fields.iter().copied()
    }

    /// Every value of a header field, whatever the case of its name.
    pub fn values(&self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// The value of a header field that occurs exactly once.
    #[must_use]
    pub fn only(&self, name: &'a str) -> Option<&'a [u8]> {
        let mut values = self.values(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Whether a comma-separated header field has this token, whatever its case.
    #[must_use]
    pub fn has_token(&self, name: &'a str, token: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Whether something may follow the head that belongs to the request.
    #[must_use]
    pub fn announces_body(&self) -> bool {
        self.values("content-length")
            .chain(self.values("transfer-encoding"))
            .next()
            .is_some()
    }
}

/// Reads a head and says how many bytes it took. `None`: more bytes are needed.
///
/// # Errors
///
/// When the bytes can never become a request that is served.
pub fn read_head(bytes: &[u8]) -> Result<Option<(Head<'_>, usize)>, RequestRefusal> {
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let head_bytes = match request.parse(bytes) {
        Ok(Parsed::Complete(head_bytes)) if head_bytes <= MAX_HEAD_BYTES => head_bytes,
        Ok(Parsed::Partial) if bytes.len() < MAX_HEAD_BYTES => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(RequestRefusal::TooLarge),
        Err(_) => return Err(greeting_of_another_protocol(bytes)),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(RequestRefusal::Malformed);
    };
    let (authority, path) = split_target(target);
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let fields = request.headers.iter().map(|field| (field.name, field.value)).collect();
    Ok(Some((
        Head {
            method,
            target,
            path,
            authority,
            is_http_1_1: minor == 1,
            ends_lines_fully: lines_end_fully(&bytes[..head_bytes]),
            fields,
        },
        head_bytes,
    )))
}

/// What the bytes are that are no request.
fn greeting_of_another_protocol(bytes: &[u8]) -> RequestRefusal {
    const TLS_HANDSHAKE: u8 = 0x16;
    match bytes {
        [TLS_HANDSHAKE, 3, ..] => RequestRefusal::Tls,
        _ if bytes.starts_with(b"PRI * HTTP/2") => RequestRefusal::Http2,
        _ if bytes.starts_with(b"PROXY ") || bytes.starts_with(b"\r\n\r\n\0\r\nQUIT") => RequestRefusal::ProxyHeader,
        _ => RequestRefusal::Malformed,
    }
}

/// Splits an absolute target (RFC 9112, section 3.2.2), whatever the spelling of its scheme, into authority and the rest.
fn split_target(target: &str) -> (Option<&str>, &str) {
    let Some((scheme, rest)) = target.split_once("://") else {
        return (None, target);
    };
    let is_known = ["http", "https", "ws", "wss"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    if !is_known {
        return (None, target);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = if path.starts_with('/') { path } else { "/" };
    (Some(authority), path)
}

fn lines_end_fully(head: &[u8]) -> bool {
    let mut before = 0;
    head.iter()
        .all(|&byte| std::mem::replace(&mut before, byte) == b'\r' || byte != b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(bytes: &[u8]) -> Head<'_> {
        read_head(bytes).expect("no refusal").expect("whole").0
    }

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let bytes = b"GET /v2/ws?x=1 HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\r\nrest";
        assert!(read_head(&bytes[..40]).expect("no refusal").is_none());
        let (head, head_bytes) = read_head(bytes).expect("no refusal").expect("whole");
        assert_eq!((head.method, head.path, head.authority), ("GET", "/v2/ws", None));
        assert_eq!(&bytes[head_bytes..], b"rest");
        assert!(head.has_token("connection", "upgrade") && !head.has_token("connection", "up"));
        assert_eq!(head.only("HOST"), Some(&b"a"[..]));
        assert!(head.ends_lines_fully && !head.announces_body());
    }

    #[test]
    fn a_field_that_occurs_twice_is_not_the_only_one() {
        let head = head(b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n");
        assert_eq!(head.only("host"), None);
        assert_eq!(head.values("host").count(), 2);
    }

    #[test]
    fn an_absolute_target_is_a_path_and_an_authority() {
        for (target, authority, path) in [
            ("http://a.example/health", Some("a.example"), "/health"),
            ("HTTP://a.example:80/health?x", Some("a.example:80"), "/health"),
            ("wS://[::1]:9/v2/ws", Some("[::1]:9"), "/v2/ws"),
            ("https://a?x", Some("a"), "/"),
            ("http://a", Some("a"), "/"),
            ("/http://a/b", None, "/http://a/b"),
            ("*", None, "*"),
        ] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            let head = head(request.as_bytes());
            assert_eq!((head.authority, head.path), (authority, path), "{target}");
        }
    }

    #[test]
    fn a_line_that_ends_in_a_bare_line_feed_is_noticed() {
        assert!(!head(b"GET / HTTP/1.1\nHost: a\r\n\r\n").ends_lines_fully);
        assert!(!head(b"GET / HTTP/1.1\r\nHost: a\n\r\n").ends_lines_fully);
        assert!(!head(b"GET / HTTP/1.1\r\nHost: a\r\n\n").ends_lines_fully);
    }

    #[test]
    fn what_can_never_be_a_request_is_refused_early() {
        assert_eq!(read_head(b"\x16\x03\x01\x02\x00").err(), Some(RequestRefusal::Tls));
        assert_eq!(
            read_head(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").err(),
            Some(RequestRefusal::Http2)
        );
        assert_eq!(
            read_head(b"GET / HTTP/2.0\r\n\r\n").err(),
            Some(RequestRefusal::Malformed)
        );
        for header in [
            &b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n"[..],
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
        ] {
            assert_eq!(read_head(header).err(), Some(RequestRefusal::ProxyHeader));
        }
        let endless = [b"GET /".to_vec(), vec![b'a'; MAX_HEAD_BYTES]].concat();
        assert_eq!(read_head(&endless).err(), Some(RequestRefusal::TooLarge));
        let crowded = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_FIELDS + 1));
        assert_eq!(read_head(crowded.as_bytes()).err(), Some(RequestRefusal::TooLarge));
        let full = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_FIELDS));
        assert!(read_head(full.as_bytes()).expect("no refusal").is_some());
    }
}
