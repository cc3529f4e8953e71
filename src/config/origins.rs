//! Which web origins may connect: the parsed form of `security.cors_origins`.
//!
//! Owns the spelling of an origin. Promises that whatever [`is_listable`] says of an origin holds when it is listed: no
//! text may tell an operator to list what is then refused.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest origin that can be listed, in bytes: the longest name of a host, its scheme and its port.
pub const MAX_ORIGIN_BYTES: usize = 300;

/// Schemes with an authority from which no page ever comes. `ws` and `wss` are where a page connects *to*.
const NO_PAGES: [&str; 3] = ["ws", "wss", "ftp"];

/// Which web origins may connect. Requests without an origin come from native clients and are not its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginPolicy {
    /// Every origin.
    Any,
    /// These, spelled as browsers spell them.
    Only(Vec<String>),
}

impl OriginPolicy {
    /// Parses `*` or a comma list of origins and `null`. An empty text allows no origin.
    ///
    /// # Errors
    ///
    /// The first entry that no browser would ever send.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let parsed = entries.map(|entry| {
            if is_listable(entry) {
                Ok(entry.to_owned())
            } else {
                Err(entry.to_owned())
            }
        });
        parsed.collect::<Result<_, _>>().map(Self::Only)
    }

    /// Whether a request with this `Origin` header may go on.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(origins) => origins.iter().any(|known| known == origin),
        }
    }
}

/// Whether an origin can be listed: a browser or the web view of an app would spell it like this. Lower case, no path, no
/// default port.
#[must_use]
pub fn is_listable(origin: &str) -> bool {
    if origin.len() > MAX_ORIGIN_BYTES {
        return false;
    }
    // Pages in files are opaque to browsers; some web views of apps send this.
    if origin == "null" || origin == "file://" {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let (host, port) = split_port(authority);
    let port_is_good = port.is_none_or(|port| {
        Some(port) != default_port(scheme)
            && port
                .parse::<u16>()
                .is_ok_and(|number| number != 0 && number.to_string() == port)
    });
    port_is_good
        && match scheme {
            "http" | "https" => is_canonical_host(host),
            _ => is_scheme_of_pages(scheme) && is_opaque_host(host),
        }
}

/// Host and port of an authority.
#[must_use]
pub fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// The port that goes without saying.
#[must_use]
pub fn default_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        "http" => Some("80"),
        "https" => Some("443"),
        _ => None,
    }
}

/// An address as browsers write it, which never put dots into it.
#[must_use]
pub fn ipv6_text(address: Ipv6Addr) -> String {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => format!("::ffff:{high:x}:{low:x}"),
        _ => address.to_string(),
    }
}

/// A scheme that a web view may have registered.
fn is_scheme_of_pages(scheme: &str) -> bool {
    let mut bytes = scheme.bytes();
    let is_spelled_right = bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
    is_spelled_right && !NO_PAGES.contains(&scheme)
}

/// The host of a web site.
fn is_canonical_host(host: &str) -> bool {
    if let Some(address) = in_brackets(host) {
        return address
            .parse::<Ipv6Addr>()
            .is_ok_and(|parsed| ipv6_text(parsed) == address);
    }
    let is_name = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_'));
    // Browsers read whatever ends in a number as an address, and write it in full.
    is_name && (!ends_in_number(host) || host.parse::<Ipv4Addr>().is_ok())
}

/// The host of an app's own scheme: a name that means nothing, in the case in which it was registered.
fn is_opaque_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

fn in_brackets(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

fn ends_in_number(host: &str) -> bool {
    let labels = host.strip_suffix('.').unwrap_or(host);
    let last = labels.rsplit('.').next().unwrap_or_default();
    let is_hexadecimal = |digits: &str| digits.bytes().all(|b| b.is_ascii_hexdigit());
    (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
        || last.strip_prefix("0x").is_some_and(is_hexadecimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_spelled_as_browsers_spell_them() {
        for good in [
            "http://localhost:3000",
            "https://play.example",
            "null",
            "https://[::1]:8443",
            "https://[::ffff:7f00:1]",
            "http://10.0.0.1",
            "http://a1",
            "capacitor://localhost",
            "ionic://localhost",
            "tauri://localhost",
            "app://x",
            "app://MyGame",
            "app://-",
            "chrome-extension://abcdefghijklmnop",
            "com.example.game://localhost:8080",
            "file://",
        ] {
            let policy = OriginPolicy::parse(good).unwrap_or_else(|entry| panic!("{entry} is an origin"));
            assert!(policy.allows(good) && !policy.allows("https://other.example"), "{good}");
        }
        for bad in [
            "play.example",
            "ftp://play.example",
            "ws://play.example",
            "wss://play.example",
            "https://play.example/",
            "https://Play.example",
            "https://play.example:443",
            "http://play.example:080",
            "http://:80",
            "https://",
            "https://user@play.example",
            "https://[::0:1]",
            "https://[::ffff:127.0.0.1]",
            "https://[::1",
            "http://127.1",
            "http://1.2.3.4.5",
            "http://0x7f",
            "http://127.0.0.1.",
            "*, https://play.example",
            "https://*.play.example",
            "app://*",
            "*://x",
            "App://x",
            "1app://x",
            "://x",
            "app://",
            "app://x/",
            "app://x:0",
            "app://x:",
            "app://user@x",
            "app://x y",
            "file:///",
            "file",
        ] {
            assert!(OriginPolicy::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_has_a_longest() {
        let of = |bytes: usize| format!("https://{}", "a".repeat(bytes - 8));
        assert!(is_listable(&of(MAX_ORIGIN_BYTES)) && !is_listable(&of(MAX_ORIGIN_BYTES + 1)));
    }

    #[test]
    fn a_star_allows_all_and_nothing_allows_none() {
        assert!(
            OriginPolicy::parse(" * ")
                .expect("a star")
                .allows("https://any.example")
        );
        assert!(
            !OriginPolicy::parse("")
                .expect("an empty list")
                .allows("https://any.example")
        );
    }
}
