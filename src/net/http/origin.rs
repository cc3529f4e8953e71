//! Whether the page that asks may.

use std::fmt;

use super::host::only_host;
use super::request::Head;
use crate::config::{OriginPolicy, origins};

/// Why a page may not. Its text is plain and bounded, and whatever it says can be listed can be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OriginRefused<'a> {
    /// It is not in the list.
    NotListed(&'a str),
    /// It cannot be.
    NotListable,
    /// Nobody knows which one counts.
    Several,
}

impl fmt::Display for OriginRefused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotListed(origin) => write!(
                f,
                "pages of {origin} may not connect; to let them, add {origin} to security.cors_origins"
            ),
            Self::NotListable => f.write_str(
                "this Origin is not allowed, and no browser sends one like it, so that security.cors_origins cannot list \
                 it; a client that is no page leaves Origin out",
            ),
            Self::Several => f.write_str("this request has several Origin fields; a browser sends exactly one"),
        }
    }
}

/// Judges the page that a request comes from. Native clients send no origin; a page may always ask the host that it came
/// from.
///
/// # Errors
///
/// Why it may not.
pub(super) fn check<'a>(head: &Head<'a>, listed: &OriginPolicy) -> Result<(), OriginRefused<'a>> {
    if head.values("origin").next().is_none() {
        return Ok(());
    }
    let origin = head.only("origin").ok_or(OriginRefused::Several)?;
    let origin = std::str::from_utf8(origin).map_err(|_| OriginRefused::NotListable)?;
    if listed.allows(origin) {
        Ok(())
    } else if !origins::is_listable(origin) {
        Err(OriginRefused::NotListable)
    } else if only_host(head).is_some_and(|host| is_site_of(origin, host)) {
        Ok(())
    } else {
        Err(OriginRefused::NotListed(origin))
    }
}

/// Whether a web origin is that of a host: a port that is not named is the scheme's own.
#[must_use]
pub fn is_site_of(origin: &str, host: &[u8]) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let (Some(default_port), Ok(host)) = (origins::default_port(scheme), std::str::from_utf8(host)) else {
        return false;
    };
    let (own, own_port) = origins::split_port(authority);
    let (asked, asked_port) = origins::split_port(host);
    let asked_port = asked_port.filter(|port| !port.is_empty());
    own.eq_ignore_ascii_case(asked) && own_port.unwrap_or(default_port) == asked_port.unwrap_or(default_port)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::request::read_head;
    use super::*;

    /// The refusal's text, if there is one.
    fn refusal(target: &str, fields: &[u8], listed: &str) -> Option<String> {
        let request = [b"GET ", target.as_bytes(), b" HTTP/1.1\r\n", fields, b"\r\n"].concat();
        let (head, _) = read_head(&request).expect("well-formed").expect("whole");
        let listed = OriginPolicy::parse(listed).expect("origins");
        check(&head, &listed).err().map(|refused| refused.to_string())
    }

    fn is_allowed(host: &str, origin: &str) -> bool {
        let fields = format!("Host: {host}\r\nOrigin: {origin}\r\n");
        refusal("/", fields.as_bytes(), "https://listed.example, app://x, null").is_none()
    }

    #[test]
    fn a_page_may_ask_where_it_came_from() {
        for (host, origin) in [
            ("play.example", "https://play.example"),
            ("play.example", "http://play.example"),
            ("play.example:443", "https://play.example"),
            ("play.example:80", "http://play.example"),
            ("play.example:", "http://play.example"),
            ("Play.Example:8080", "http://play.example:8080"),
            ("[::1]:3536", "http://[::1]:3536"),
            ("play.example:443", "http://play.example:443"),
        ] {
            assert!(is_allowed(host, origin), "{origin} of {host}");
        }
        for (host, origin) in [
            ("play.example:80", "https://play.example"),
            ("play.example:443", "http://play.example"),
            ("play.example:8080", "http://play.example"),
            ("play.example", "http://play.example:8080"),
            ("play.example", "https://other.example"),
            ("play.example", "https://a.play.example"),
            ("a.play.example", "https://play.example"),
            ("play.example", "https://play.example/"),
            ("play.example", "https://PLAY.example"),
            ("play.example", "https://user@play.example"),
            ("play.example", "app://play.example"),
            ("play.example", "play.example"),
            ("[::1]:3536", "http://[::1]"),
            ("", "http://"),
        ] {
            assert!(!is_allowed(host, origin), "{origin} of {host}");
        }
        let fields = b"Host: other.example\r\nOrigin: http://play.example\r\n";
        assert_eq!(
            refusal("http://play.example/v2/ws", fields, ""),
            None,
            "an absolute target"
        );
        let twice = b"Host: play.example\r\nHost: play.example\r\nOrigin: http://play.example\r\n";
        assert!(refusal("/", twice, "").is_some(), "of no host in particular");
    }

    #[test]
    fn what_is_listed_may_and_who_sends_none() {
        for origin in ["https://listed.example", "app://x", "null"] {
            assert!(is_allowed("a", origin), "{origin}");
        }
        assert_eq!(refusal("/", b"Host: a\r\n", ""), None);
        assert_eq!(refusal("/", b"Host: a\r\nOrigin: anything goes\r\n", "*"), None);
    }

    #[test]
    fn the_text_says_what_to_list_or_why_that_cannot_be() {
        let of =
            |origin: &str| refusal("/", format!("Host: a\r\nOrigin: {origin}\r\n").as_bytes(), "").expect("refused");
        assert!(of("tauri://localhost").contains("add tauri://localhost to security.cors_origins"));
        assert!(of("null").contains("add null to security.cors_origins"));
        assert!(of("wss://play.example").contains("cannot list it"));
        assert!(of("<script>alert(1)</script>").contains("cannot list it"));
        let several = refusal("/", b"Host: a\r\nOrigin: http://a\r\nOrigin: http://a\r\n", "").expect("refused");
        assert!(several.contains("several"));
    }

    proptest! {
        /// No text leads in a circle, whatever the origin: what it says to list is accepted and lets the page in, or it says
        /// that nothing can be listed. And it is plain and bounded, whatever was sent.
        #[test]
        fn listing_what_is_told_is_enough(origin in prop_oneof![
            "[\\x20-\\x7e\\x80-\\xff]{0,400}",
            "(https?|app|tauri|ws|App|file|null)(://)?[a-zA-Z0-9.:\\[\\]_-]{0,330}(:[0-9]{1,6})?/?",
            "https?://[a-z0-9]{1,9}(\\.[a-z0-9]{1,5}){0,3}(:[0-9]{1,6})?",
        ]) {
            let bytes: Vec<u8> = origin.chars().map(|c| u8::try_from(c).expect("below 256")).collect();
            let fields = [&b"Host: host.example\r\nOrigin: "[..], &bytes, b"\r\n"].concat();
            let Some(text) = refusal("/", &fields, "https://listed.example") else {
                return Ok(());
            };
            prop_assert!(text.len() < 800 && text.bytes().all(|b| b.is_ascii_graphic() || b == b' '), "{text}");
            match text.split_once("; to let them, add ") {
                Some((_, rest)) => {
                    let told = rest.strip_suffix(" to security.cors_origins").expect("the end");
                    prop_assert!(OriginPolicy::parse(told).is_ok(), "{text}");
                    prop_assert_eq!(refusal("/", &fields, told), None);
                }
                None => prop_assert!(text.contains("cannot list it"), "{}", text),
            }
        }
    }
}
