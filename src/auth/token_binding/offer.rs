//! What a client offers in its upgrade request, and what becomes of it.

use std::fmt;
use std::sync::LazyLock;

use data_encoding::{BASE64_NOPAD, Encoding};
use thiserror::Error;

/// Subprotocols that start like this are token bindings; one that is not served here is never passed over in silence.
const RESERVED: &str = "signalfish.tokenbinding.";

/// What the operator decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingPolicy {
    /// The subprotocol that offers it. Names are compared exactly.
    pub subprotocol: String,
    /// Whether everybody must offer it.
    pub is_required: bool,
    /// Whether every proof must name the client certificate.
    pub demands_fingerprint: bool,
}

/// What a client and the server have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindingTerms {
    /// What the client drew for its handshake.
    pub key: HandshakeKey,
    /// Whether every proof must name the client certificate.
    pub demands_fingerprint: bool,
}

/// The sixteen bytes that a client drew for its handshake. Never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HandshakeKey([u8; 16]);

impl HandshakeKey {
    pub(super) const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the value of `Sec-WebSocket-Key`: 16 bytes in standard base64, padded. The bits of the last digit that mean
    /// nothing may be anything: the standard's own example does not clear them.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        static DIGITS: LazyLock<Encoding> = LazyLock::new(|| {
            let mut digits = BASE64_NOPAD.specification();
            digits.check_trailing_bits = false;
            digits.encoding().expect("base64 with one demand less")
        });
        // 22 digits, apart from their padding: the decoder of padded text takes padding in the middle as well.
        let (digits, b"==") = text.split_at_checked(22)? else {
            return None;
        };
        DIGITS.decode(digits).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Debug for HandshakeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandshakeKey(..)")
    }
}

/// Why an upgrade is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OfferRefusal {
    /// Only token bindings are offered that are not spoken here.
    #[error("this token binding is not spoken here; offer the one that the operator of this server names")]
    Unsupported,
    /// None is offered.
    #[error("this server requires token binding; offer it as Sec-WebSocket-Protocol")]
    Required,
    /// There is no key.
    #[error("token binding needs a handshake key")]
    KeyMissing,
    /// There are several keys, and nobody knows which counts.
    #[error("token binding needs exactly one handshake key")]
    KeyNotAlone,
    /// The key is no key.
    #[error("the handshake key must be sixteen bytes in base64")]
    KeyMalformed,
}

impl OfferRefusal {
    /// How an upgrade that ends so is marked in the answer.
    #[must_use]
    pub const fn outcome(self) -> &'static str {
        match self {
            Self::Unsupported | Self::Required => "rejected_token_binding_offer",
            Self::KeyMissing | Self::KeyNotAlone | Self::KeyMalformed => "rejected_token_binding_negotiation",
        }
    }
}

/// Decides on an upgrade request: `protocols` are the values of its `Sec-WebSocket-Protocol` fields, `keys` those of all
/// fields that may carry a key. `None`: the connection is not bound.
///
/// # Errors
///
/// Why there is no connection.
pub fn negotiate<'a>(
    policy: &BindingPolicy,
    protocols: impl Iterator<Item = &'a [u8]>,
    mut keys: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<BindingTerms>, OfferRefusal> {
    let mut offers_others = false;
    let mut offers_ours = false;
    for offer in protocols.flat_map(|value| value.split(|byte| *byte == b',')) {
        let offer = offer.trim_ascii();
        offers_ours |= offer == policy.subprotocol.as_bytes();
        offers_others |= offer.starts_with(RESERVED.as_bytes());
    }
    match (offers_ours, offers_others) {
        (true, _) => {
            let key = keys.next().ok_or(OfferRefusal::KeyMissing)?;
            if keys.next().is_some() {
                return Err(OfferRefusal::KeyNotAlone);
            }
            let key = HandshakeKey::parse(key).ok_or(OfferRefusal::KeyMalformed)?;
            Ok(Some(BindingTerms {
                key,
                demands_fingerprint: policy.demands_fingerprint,
            }))
        }
        (false, true) => Err(OfferRefusal::Unsupported),
        (false, false) if policy.is_required => Err(OfferRefusal::Required),
        (false, false) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn decide(is_required: bool, protocols: &[&str], keys: &[&str]) -> Result<bool, OfferRefusal> {
        let policy = BindingPolicy {
            subprotocol: "signalfish.tokenbinding.v2".to_owned(),
            is_required,
            demands_fingerprint: false,
        };
        let (protocols, keys) = (protocols.iter(), keys.iter());
        negotiate(
            &policy,
            protocols.map(|text| text.as_bytes()),
            keys.map(|text| text.as_bytes()),
        )
        .map(|key| key.is_some())
    }

    #[test]
    fn an_offer_is_found_among_others_and_spelled_exactly() {
        for protocols in [
            &["signalfish.tokenbinding.v2"][..],
            &["chat, signalfish.tokenbinding.v2"],
            &["chat", "\tsignalfish.tokenbinding.v2 ,x"],
            &["signalfish.tokenbinding.v3,signalfish.tokenbinding.v2"],
        ] {
            assert_eq!(decide(false, protocols, &[KEY]), Ok(true), "{protocols:?}");
        }
        for protocols in [&[][..], &["chat"], &["SignalFish.TokenBinding.v2"], &[""]] {
            assert_eq!(decide(false, protocols, &[KEY]), Ok(false), "{protocols:?}");
            assert_eq!(
                decide(true, protocols, &[KEY]),
                Err(OfferRefusal::Required),
                "{protocols:?}"
            );
        }
        for protocols in [
            &["signalfish.tokenbinding.v3"][..],
            &["chat,signalfish.tokenbinding.v1"],
            &["signalfish.tokenbinding."],
            &["signalfish.tokenbinding.v2x"],
        ] {
            assert_eq!(
                decide(false, protocols, &[KEY]),
                Err(OfferRefusal::Unsupported),
                "{protocols:?}"
            );
        }
    }

    #[test]
    fn a_bound_connection_has_exactly_one_key() {
        let offer = &["signalfish.tokenbinding.v2"][..];
        for (keys, outcome) in [
            (&[][..], Err(OfferRefusal::KeyMissing)),
            (&[KEY, KEY], Err(OfferRefusal::KeyNotAlone)),
            (&["c2hvcnQ="], Err(OfferRefusal::KeyMalformed)),
            (&["dGhlIHNhbXBsZSBub25jZQ"], Err(OfferRefusal::KeyMalformed)),
            (&["AAA=AAA=AAAAAAAAAAAAAAAA"], Err(OfferRefusal::KeyMalformed)),
            (&[KEY], Ok(true)),
            (&["AQIDBAUGBwgJCgsMDQ4PEC=="], Ok(true)),
        ] {
            assert_eq!(decide(false, offer, keys), outcome, "{keys:?}");
        }
        assert_eq!(decide(false, &[], &[]), Ok(false), "who is not bound needs none");
    }

    #[test]
    fn what_is_demanded_is_part_of_the_terms() {
        for demands_fingerprint in [false, true] {
            let policy = BindingPolicy {
                subprotocol: "b".to_owned(),
                is_required: true,
                demands_fingerprint,
            };
            let terms = negotiate(&policy, [&b"b"[..]].into_iter(), [KEY.as_bytes()].into_iter());
            let terms = terms.expect("a good offer").expect("bound");
            assert_eq!(terms.demands_fingerprint, demands_fingerprint);
        }
    }

    #[test]
    fn pad_bits_are_no_part_of_a_key() {
        let key = HandshakeKey::parse(b"AQIDBAUGBwgJCgsMDQ4PEC==").expect("a key");
        assert_eq!(key.bytes()[..], (1..=16).collect::<Vec<u8>>());
    }

    #[test]
    fn a_key_is_not_printed() {
        let key = HandshakeKey::parse(KEY.as_bytes()).expect("a key");
        assert_eq!(format!("{key:?}"), "HandshakeKey(..)");
    }
}
