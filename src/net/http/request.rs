//! The head of a request, read by httparse within limits.

use httparse::{EMPTY_HEADER, Status as Parsed};
use thiserror::Error;

/// The most bytes that the head of a request may have.
pub const MAX_HEAD_BYTES: usize = 8 * 1024;

/// The most header fields that a request may have.
const MAX_FIELDS: usize = 64;

/// Why a request cannot be served. Answer and close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RequestRefusal {
    /// It is no HTTP/1 request.
    #[error("this is not an HTTP/1 request")]
    Malformed,
    /// Its head is too long, or has too many fields.
    #[error("the request's head is too large; send fewer or shorter header fields")]
    TooLarge,
}

/// The head of a request.
#[derive(Debug)]
pub struct Head<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// Whether it is HTTP/1.1 rather than 1.0, which health checkers still speak and WebSockets cannot.
    pub is_http_1_1: bool,
    fields: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Head<'a> {
    /// Every value of a header field, whatever the case of its name.
    pub fn values(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
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
        Err(_) => return Err(RequestRefusal::Malformed),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(RequestRefusal::Malformed);
    };
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let fields = request.headers.iter().map(|field| (field.name, field.value)).collect();
    Ok(Some((
        Head {
            method,
            path,
            is_http_1_1: minor == 1,
            fields,
        },
        head_bytes,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let bytes = b"GET /v2/ws?x=1 HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\r\nrest";
        assert!(read_head(&bytes[..40]).expect("no refusal").is_none());
        let (head, head_bytes) = read_head(bytes).expect("no refusal").expect("whole");
        assert_eq!((head.method, head.path), ("GET", "/v2/ws"));
        assert_eq!(&bytes[head_bytes..], b"rest");
        assert!(head.has_token("connection", "upgrade") && !head.has_token("connection", "up"));
        assert_eq!(head.only("HOST"), Some(&b"a"[..]));
    }

    #[test]
    fn a_field_that_occurs_twice_is_not_the_only_one() {
        let (head, _) = read_head(b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n")
            .expect("no refusal")
            .expect("whole");
        assert_eq!(head.only("host"), None);
        assert_eq!(head.values("host").count(), 2);
    }

    #[test]
    fn what_can_never_be_a_request_is_refused_early() {
        assert_eq!(
            read_head(b"\x16\x03\x01\x02\x00").err(),
            Some(RequestRefusal::Malformed),
            "a TLS hello"
        );
        assert_eq!(
            read_head(b"GET / HTTP/2.0\r\n\r\n").err(),
            Some(RequestRefusal::Malformed)
        );
        let endless = [b"GET /".to_vec(), vec![b'a'; MAX_HEAD_BYTES]].concat();
        assert_eq!(read_head(&endless).err(), Some(RequestRefusal::TooLarge));
        let crowded = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_FIELDS + 1));
        assert_eq!(read_head(crowded.as_bytes()).err(), Some(RequestRefusal::TooLarge));
    }
}
