//! Token binding: every frame of a client proves that it comes from the peer that made the WebSocket handshake, and in
//! which order.
//!
//! The key is derived from the handshake's key and a nonce of ours; each frame carries a keyed code over its meaning (the
//! canonical form of its JSON, or its payload) and a sequence number that is exactly the next. Scheme version 2, the only
//! one. Frames of the server are not signed. The fingerprint of a client certificate that a proof names is part of what is
//! signed. It must be that of the certificate which the connection has shown, and may be demanded; where the connection has
//! shown none and none is demanded, it is compared with nothing.

mod canonical;
mod envelope;
mod offer;
mod proof;
mod scheme;

pub use offer::{BindingPolicy, BindingTerms, HandshakeKey, OfferRefusal, negotiate};
pub use scheme::{FIRST_SEQUENCE, NONCE_BYTES, SCHEME, SCHEME_VERSION};

use std::fmt;

use data_encoding::BASE64;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

use self::canonical::Json;
use self::proof::Proof;
use self::scheme::PROOF_MEMBER;
use crate::protocol::{CertificateFingerprint, ErrorCode, Reason};

const KEY_INFO: &[u8] = b"signalfish.tokenbinding.v2/session-key";
const TEXT_DOMAIN: &[u8] = b"signalfish.tokenbinding.v2\0json\0";
const BINARY_DOMAIN: &[u8] = b"signalfish.tokenbinding.v2\0binary\0";

/// What a bound connection's next frame is checked against. Never printed.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct TokenBinding {
    key: [u8; 32],
    next_sequence: u64,
    /// That of the client certificate which the connection has shown.
    certificate: Option<CertificateFingerprint>,
    demands_fingerprint: bool,
}

/// Why a frame of a bound connection is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BindingViolation {
    /// It is no JSON that can be signed. It used no sequence number, and the connection goes on.
    #[error("the message could not be read; a bound message is JSON of whole numbers up to 2^53-1, each member once")]
    NotSignable,
    /// It is JSON, but no message.
    #[error("the message could not be read; a message is a JSON object")]
    NotAnObject,
    /// It carries no proof.
    #[error("the message carries no token_binding; this connection promised one for each")]
    ProofMissing,
    /// Its proof has the wrong members.
    #[error("token_binding could not be read; see the protocol's form of a proof")]
    ProofMalformed,
    /// Its proof is of another version, or not the next in order.
    #[error("token_binding has the wrong version or sequence; each frame has the number after the one before it")]
    VersionOrSequence,
    /// Its proof is of a scheme that is not spoken here.
    #[error("token_binding names a scheme that is not in use here; use server_nonce_hkdf_sha256")]
    OtherScheme,
    /// Its proof proves something else.
    #[error("token_binding does not fit the message")]
    Signature,
    /// Its proof names no client certificate.
    #[error("token_binding lacks the fingerprint of a client certificate, which this server demands")]
    FingerprintMissing,
    /// Its proof names a client certificate that the connection has not shown.
    #[error("the fingerprint in token_binding is not that of the client certificate of this connection")]
    FingerprintMismatch,
    /// It is binary and not in the envelope that carries a proof.
    #[error("a binary message of this connection is a map of token_binding and payload")]
    NotAnEnvelope,
}

impl Reason for BindingViolation {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotSignable | Self::NotAnObject => ErrorCode::InvalidInput,
            _ => ErrorCode::Unauthorized,
        }
    }
}

impl BindingViolation {
    /// Whether the connection ends with it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::NotSignable)
    }
}

impl TokenBinding {
    /// What a connection is checked against that agreed to `terms`, has shown this client certificate, and to which `nonce`
    /// is sent.
    #[must_use]
    pub fn new(terms: &BindingTerms, certificate: Option<CertificateFingerprint>, nonce: &[u8; NONCE_BYTES]) -> Self {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(nonce), terms.key.bytes())
            .expand(KEY_INFO, &mut key)
            .expect("32 bytes are one block");
        Self {
            key,
            next_sequence: FIRST_SEQUENCE,
            certificate,
            demands_fingerprint: terms.demands_fingerprint,
        }
    }

    /// The client certificate that every proof must name; `None`: none must be named.
    #[must_use]
    pub fn demanded_certificate(&self) -> Option<CertificateFingerprint> {
        self.certificate.filter(|_| self.demands_fingerprint)
    }

    /// Checks a text frame. Whatever is in the message, it then means to a lenient reader what was signed: no member
    /// occurs twice.
    ///
    /// # Errors
    ///
    /// Why it must not be served.
    pub fn check_text(&mut self, text: &str) -> Result<(), BindingViolation> {
        let mut message = Json::parse(text).ok_or(BindingViolation::NotSignable)?;
        let members = message.members_mut().ok_or(BindingViolation::NotAnObject)?;
        let proof = members
            .iter()
            .position(|(name, _)| name == PROOF_MEMBER)
            .map(|index| members.remove(index).1)
            .filter(|proof| !matches!(proof, Json::Null))
            .ok_or(BindingViolation::ProofMissing)?;
        let proof = Proof::from_json(&proof).ok_or(BindingViolation::ProofMalformed)?;
        let mut signed = Vec::with_capacity(text.len());
        message.write(&mut signed);
        self.check(&proof, TEXT_DOMAIN, &signed)
    }

    /// Checks a binary frame. Returns the payload in its envelope.
    ///
    /// # Errors
    ///
    /// Why it must not be served.
    pub fn check_binary<'a>(&mut self, frame: &'a [u8]) -> Result<&'a [u8], BindingViolation> {
        let (proof, payload) = envelope::open(frame).ok_or(BindingViolation::NotAnEnvelope)?;
        let proof = proof.ok_or(BindingViolation::ProofMalformed)?;
        self.check(&proof, BINARY_DOMAIN, payload)?;
        Ok(payload)
    }

    fn check(&mut self, proof: &Proof<'_>, domain: &[u8], payload: &[u8]) -> Result<(), BindingViolation> {
        if proof.version != i64::from(SCHEME_VERSION) || proof.sequence != self.next_sequence {
            return Err(BindingViolation::VersionOrSequence);
        }
        if proof.scheme != SCHEME {
            return Err(BindingViolation::OtherScheme);
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(domain);
        mac.update(&proof.sequence.to_be_bytes());
        mac.update(payload);
        if let Some(fingerprint) = proof.fingerprint {
            mac.update(&fingerprint.to_hex());
        }
        mac.verify_slice(&proof.signature)
            .map_err(|_| BindingViolation::Signature)?;
        match (proof.fingerprint, self.certificate) {
            (None, _) if self.demands_fingerprint => return Err(BindingViolation::FingerprintMissing),
            (Some(_), None) if self.demands_fingerprint => return Err(BindingViolation::FingerprintMismatch),
            (Some(named), Some(shown)) if named != shown => return Err(BindingViolation::FingerprintMismatch),
            _ => {}
        }
        self.next_sequence += 1;
        Ok(())
    }
}

impl fmt::Debug for TokenBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBinding")
            .field("next_sequence", &self.next_sequence)
            .finish_non_exhaustive()
    }
}

/// A nonce as the challenge carries it.
#[must_use]
pub fn nonce_text(nonce: &[u8; NONCE_BYTES]) -> String {
    BASE64.encode(nonce)
}

#[cfg(test)]
mod tests;
