//! Which web origins may connect: the parsed form of `security.cors_origins`.

use std::net::Ipv6Addr;

/// Which web origins may connect. Requests without an origin come from native clients and are not its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginPolicy {
    /// Every origin.
    Any,
    /// These, spelled as browsers spell them.
    Only(Vec<String>),
}

impl OriginPolicy {
    /// Parses `*` or a comma list of http/https origins and `null`. An empty text allows no origin.
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
            if is_canonical(entry) {
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

/// Whether a browser would spell an origin like this: lower case, no path, no default port.
fn is_canonical(origin: &str) -> bool {
    if origin == "null" {
        return true;
    }
    let (rest, default_port) = match (origin.strip_prefix("http://"), origin.strip_prefix("https://")) {
        (Some(rest), _) => (rest, "80"),
        (_, Some(rest)) => (rest, "443"),
        _ => return false,
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let host_is_good = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address
            .parse::<Ipv6Addr>()
            .is_ok_and(|parsed| parsed.to_string() == address),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_'))
        }
    };
    let port_is_good = port.is_none_or(|port| {
        port != default_port
            && port
                .parse::<u16>()
                .is_ok_and(|number| number != 0 && number.to_string() == port)
    });
    host_is_good && port_is_good
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
            "http://10.0.0.1",
        ] {
            let policy = OriginPolicy::parse(good).unwrap_or_else(|entry| panic!("{entry} is an origin"));
            assert!(policy.allows(good) && !policy.allows("https://other.example"), "{good}");
        }
        for bad in [
            "play.example",
            "ftp://play.example",
            "https://play.example/",
            "https://Play.example",
            "https://play.example:443",
            "http://play.example:080",
            "http://:80",
            "https://user@play.example",
            "https://[::0:1]",
            "*, https://play.example",
        ] {
            assert!(OriginPolicy::parse(bad).is_err(), "{bad}");
        }
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
