//! Signatures of webhooks, as the Standard Webhooks specification has them: HMAC-SHA256 over id, time and body.
//!
//! Reads no clock: time is an argument. A key never shows itself.

use std::fmt;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

/// What a key begins with where it is written down.
const PREFIX: &str = "whsec_";

/// How far the time of a webhook and that of its reader may be apart, in seconds.
const TOLERANCE_SECS: u64 = 300;

/// What webhooks are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookKey(Zeroizing<Vec<u8>>);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a key of webhooks is `whsec_` and 24 to 64 random bytes in base64")]
pub struct NoWebhookKey;

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unbelieved {
    /// It was signed too long ago, or will be.
    #[error("the time of the webhook is more than 300 s from now")]
    Time,
    /// None of its signatures is of this key.
    #[error("no signature of the webhook is of this key")]
    Signature,
}

impl WebhookKey {
    /// Reads a key as it is written down.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, NoWebhookKey> {
        let bytes = text
            .strip_prefix(PREFIX)
            .and_then(|text| BASE64.decode(text.as_bytes()).ok());
        let bytes = bytes.filter(|bytes| (24..=64).contains(&bytes.len()));
        bytes.map(|bytes| Self(Zeroizing::new(bytes))).ok_or(NoWebhookKey)
    }

    /// The signature of a body, as it stands in `webhook-signature`.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp_secs: u64, body: &[u8]) -> String {
        let signature = self.mac(id, &timestamp_secs.to_string(), body).finalize().into_bytes();
        format!("v1,{}", BASE64.encode(&signature))
    }

    /// Looks at a webhook: `id`, `timestamp` and `signature` are the values of its fields `webhook-…`, `body` its bytes as they came.
    ///
    /// # Errors
    ///
    /// Why it is not believed.
    pub fn verify(
        &self,
        id: &str,
        timestamp: &str,
        signature: &str,
        body: &[u8],
        now_secs: u64,
    ) -> Result<(), Unbelieved> {
        let sent_secs: u64 = timestamp.parse().map_err(|_| Unbelieved::Time)?;
        if now_secs.abs_diff(sent_secs) > TOLERANCE_SECS {
            return Err(Unbelieved::Time);
        }
        let is_ours = |signature: &str| {
            let given = signature
                .strip_prefix("v1,")
                .and_then(|text| BASE64.decode(text.as_bytes()).ok());
            given.is_some_and(|given| self.mac(id, timestamp, body).verify_slice(&given).is_ok())
        };
        if signature.split(' ').any(is_ours) {
            Ok(())
        } else {
            Err(Unbelieved::Signature)
        }
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length will do");
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const TIME: u64 = 1_614_265_330;

    fn key() -> WebhookKey {
        WebhookKey::parse(KEY).expect("a key")
    }

    #[test]
    fn signatures_are_those_of_the_specification() {
        assert_eq!(key().sign(ID, TIME, BODY), SIGNATURE);
    }

    #[test]
    fn only_what_was_signed_is_believed_and_only_for_a_while() {
        let time = TIME.to_string();
        let other = WebhookKey::parse(&format!("whsec_{}", BASE64.encode(&[7; 32]))).expect("a key");
        let both = format!("{} {SIGNATURE}", other.sign(ID, TIME, BODY));
        for signatures in [SIGNATURE, &both] {
            assert_eq!(key().verify(ID, &time, signatures, BODY, TIME + 300), Ok(()));
        }
        let wrong = Err(Unbelieved::Signature);
        assert_eq!(key().verify("msg_other", &time, &both, BODY, TIME), wrong);
        assert_eq!(key().verify(ID, "1614265331", &both, BODY, TIME), wrong);
        assert_eq!(key().verify(ID, &time, &both, b"{}", TIME), wrong);
        assert_eq!(key().verify(ID, &time, "", BODY, TIME), wrong);
        assert_eq!(key().verify(ID, &time, "v1,", BODY, TIME), wrong);
        assert_eq!(
            key().verify(ID, &time, SIGNATURE, BODY, TIME + 301),
            Err(Unbelieved::Time)
        );
        assert_eq!(key().verify(ID, "then", SIGNATURE, BODY, TIME), Err(Unbelieved::Time));
    }

    #[test]
    fn a_key_is_long_enough_and_shows_itself_to_nobody() {
        for wrong in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZI",
            "whsec_*",
        ] {
            assert_eq!(WebhookKey::parse(wrong), Err(NoWebhookKey), "{wrong}");
        }
        assert_eq!(format!("{:?}", key()), "WebhookKey([redacted])");
    }
}
