//! Whom a request is passed on for, by the field that proxies add to it.
//!
//! Promises to read from the right, where trusted proxies have written, and to look at nothing to the left of the first
//! address that is none of theirs: that is whatever the client made up, and however it is written it changes nothing.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str;

/// The addresses in the lines of an `X-Forwarded-For`, the newest first. `None`: an entry that names no address.
pub(super) fn in_x_forwarded_for<'a>(
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
) -> impl Iterator<Item = Option<IpAddr>> {
    lines
        .rev()
        .flat_map(|line| line.rsplit(|byte| *byte == b','))
        .map(|entry| node(entry.trim_ascii()))
}

/// The addresses in the lines of a `Forwarded` (RFC 7239), the newest first.
pub(super) fn in_forwarded<'a>(
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
) -> impl Iterator<Item = Option<IpAddr>> {
    lines.rev().flat_map(|line| Parts::of(line, b',')).map(|element| {
        let mut named = Parts::of(element, b';').filter_map(|pair| {
            let (name, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
            name.trim_ascii().eq_ignore_ascii_case(b"for").then_some(&value[1..])
        });
        let only = named.next().filter(|_| named.next().is_none())?;
        node(unquoted(only.trim_ascii())?)
    })
}

/// What stands between separators outside of quotes, from the right. Read from there the quotes of a well-formed end are
/// its own, whatever stands before it.
struct Parts<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Parts<'a> {
    const fn of(text: &'a [u8], separator: u8) -> Self {
        let rest = Some(text);
        Self { rest, separator }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let mut is_quoted = false;
        for (at, byte) in rest.iter().enumerate().rev() {
            if *byte == b'"' && !(is_quoted && is_escaped(&rest[..at])) {
                is_quoted = !is_quoted;
            } else if *byte == self.separator && !is_quoted {
                self.rest = Some(&rest[..at]);
                return Some(&rest[at + 1..]);
            }
        }
        Some(rest)
    }
}

/// Whether what stands behind these bytes of a quoted text is escaped.
fn is_escaped(before: &[u8]) -> bool {
    let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
    !backslashes.is_multiple_of(2)
}

/// A token as it is, or what is quoted: nothing that is an address has anything to escape.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    match value {
        [b'"', inner @ .., b'"'] => Some(inner),
        [b'"', ..] | [.., b'"'] => None,
        token => Some(token),
    }
}

/// An address, with or without its port: `192.0.2.7`, `192.0.2.7:80`, `2001:db8::7`, `[2001:db8::7]`, `[2001:db8::7]:80`.
/// What is hidden (`unknown`, `_secret`) is none.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let bare = || {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse::<Ipv6Addr>().ok().map(IpAddr::from)
    };
    let address = text.parse::<IpAddr>().ok().or_else(bare);
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address
        .map(|address| address.to_canonical())
        .filter(|address| !address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(addresses: impl Iterator<Item = Option<IpAddr>>) -> Vec<String> {
        addresses
            .map(|address| address.map_or("-".to_owned(), |address| address.to_string()))
            .collect()
    }

    fn x(lines: &[&str]) -> Vec<String> {
        texts(in_x_forwarded_for(lines.iter().map(|line| line.as_bytes())))
    }

    fn forwarded(lines: &[&str]) -> Vec<String> {
        texts(in_forwarded(lines.iter().map(|line| line.as_bytes())))
    }

    #[test]
    fn the_newest_comes_first_over_all_lines() {
        assert_eq!(
            x(&["192.0.2.1,192.0.2.2", " 192.0.2.3 ,\t192.0.2.4"]),
            ["192.0.2.4", "192.0.2.3", "192.0.2.2", "192.0.2.1"]
        );
        assert_eq!(
            forwarded(&["for=192.0.2.1, for=192.0.2.2;by=x", "proto=https; For = 192.0.2.3"]),
            ["192.0.2.3", "192.0.2.2", "192.0.2.1"]
        );
        assert_eq!(forwarded(&["proto=https;FOR=192.0.2.3;by=_x"]), ["192.0.2.3"]);
    }

    #[test]
    fn an_address_is_read_in_every_form_that_proxies_write() {
        for (text, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7:4711", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:DB8::7]", "2001:db8::7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("[::ffff:192.0.2.7]:1", "192.0.2.7"),
            ("", "-"),
            ("unknown", "-"),
            ("_secret", "-"),
            ("0.0.0.0", "-"),
            ("[::]:80", "-"),
            ("192.0.2.7:", "-"),
            ("192.0.2.7:port", "-"),
            ("192.0.2", "-"),
            ("192.0.2.7 192.0.2.8", "-"),
            ("[2001:db8::7", "-"),
            ("[192.0.2.7]", "-"),
            ("\u{ff11}92.0.2.7", "-"),
        ] {
            assert_eq!(x(&[text]), [expected], "{text}");
            assert_eq!(forwarded(&[&format!("for=\"{text}\"")]), [expected], "{text}");
        }
    }

    #[test]
    fn elements_without_exactly_one_client_name_nobody() {
        for element in [
            "",
            "for",
            "for=",
            "by=192.0.2.7",
            "for=192.0.2.7;for=192.0.2.8",
            "fore=192.0.2.7",
            "for=\"192.0.2.7",
            "for=192.0.2.7\"",
            "for=\"\\192.0.2.7\"",
            "192.0.2.7",
        ] {
            assert_eq!(forwarded(&[element]), ["-"], "{element}");
        }
    }

    #[test]
    fn a_comma_in_what_a_proxy_has_quoted_names_nobody_else() {
        let line = r#"for=192.0.2.7;host="a,for=203.0.113.1\",for=203.0.113.2\\";proto=https"#;
        assert_eq!(forwarded(&[line]), ["192.0.2.7"]);
        assert_eq!(
            forwarded(&[&format!("for=10.0.0.9,{line}, for=10.0.0.1")]),
            ["10.0.0.1", "192.0.2.7", "10.0.0.9"]
        );
    }

    proptest! {
        #[test]
        fn whatever_a_client_has_written_the_newest_entry_stays(made_up in "[ -~\t]{0,60}") {
            let appended = format!("{made_up}, for=\"192.0.2.7:80\";host=\"a\\\",b\"");
            prop_assert_eq!(&forwarded(&[&appended])[0], "192.0.2.7");
            prop_assert_eq!(&forwarded(&[&made_up, "for=192.0.2.7"])[0], "192.0.2.7");
            prop_assert_eq!(&x(&[&format!("{made_up}, 192.0.2.7")])[0], "192.0.2.7");
            prop_assert_eq!(&x(&[&made_up, "192.0.2.7"])[0], "192.0.2.7");
        }
    }
}
