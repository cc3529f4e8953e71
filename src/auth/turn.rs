//! Credentials for TURN servers that share a secret with this one (the TURN REST scheme, as coturn's `use-auth-secret`).
//!
//! A pure function: nothing is kept, every list of ICE servers gets credentials of its own.

use std::fmt;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::protocol::{PlayerId, Secret};

/// The secret that this server shares with its TURN servers. Never printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnSecret(Secret);

impl TurnSecret {
    /// Wraps the secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Secret::new(secret))
    }
}

/// What one player shows a TURN server, until it expires. `Debug` shows the name alone.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnCredentials {
    /// `<expiry in Unix seconds>:<player id>`.
    pub username: String,
    /// The proof that the name is ours, in base64.
    pub credential: String,
}

impl fmt::Debug for TurnCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnCredentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Credentials for one player that expire `ttl_secs` after `now_unix_secs`.
#[must_use]
pub fn credentials(secret: &TurnSecret, player: PlayerId, now_unix_secs: u64, ttl_secs: u64) -> TurnCredentials {
    let username = format!("{}:{player}", now_unix_secs.saturating_add(ttl_secs));
    // SHA-1 is what TURN servers compute; as a keyed code it is unbroken.
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.0.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(username.as_bytes());
    TurnCredentials {
        credential: BASE64.encode(&mac.finalize().into_bytes()),
        username,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn player() -> PlayerId {
        PlayerId::from_bytes(*b"\x11\x11\x11\x11\x11\x11\x41\x11\x81\x11\x11\x11\x11\x11\x11\x11")
    }

    #[test]
    fn credentials_are_those_that_a_turn_server_computes() {
        let secret = TurnSecret::new("lab-secret-0123456789");
        let made = credentials(&secret, player(), 1_799_996_400, 3_600);
        assert_eq!(made.username, "1800000000:11111111-1111-4111-8111-111111111111");
        assert_eq!(made.credential, "BaYrS0PznZ5GtGyDxWnYBdING+o=");
    }

    #[test]
    fn neither_the_secret_nor_the_credential_is_printed() {
        let secret = TurnSecret::new("lab-secret-0123456789");
        let printed = format!("{secret:?} {:?}", credentials(&secret, player(), 1_799_996_400, 3_600));
        assert!(printed.contains("1800000000:"), "{printed}");
        assert!(
            !printed.contains("lab-secret") && !printed.contains("BaYr"),
            "{printed}"
        );
    }
}
