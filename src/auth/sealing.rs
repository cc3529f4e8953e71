//! Sealing: AES-256-GCM around a token or a record that leaves the process, so that whoever finds it can neither read nor
//! change it.
//!
//! Whoever seals gives a nonce; drawn at random, one key is good for 2³² of them. The name of the key and the moment are
//! part of what is checked.

use std::fmt;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use data_encoding::BASE64;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::protocol::{Secret, WallTime};

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 12;

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// A key with its name. The key itself is never printed, and is wiped when it is dropped.
#[derive(Clone)]
pub struct SealingKey {
    id: Box<str>,
    cipher: Aes256Gcm,
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a sealing key is 32 bytes in base64; make one with `openssl rand -base64 32`")]
pub struct SealingKeyFault;

/// Something sealed, fit to be kept anywhere. As JSON, bytes are base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sealed {
    /// The name of the key that opens it.
    pub key_id: Box<str>,
    /// What was sealed, and the proof that it is unchanged.
    #[serde(serialize_with = "as_base64")]
    pub ciphertext: Vec<u8>,
    /// What the sealing drew.
    #[serde(serialize_with = "as_base64")]
    pub nonce: [u8; NONCE_BYTES],
    /// When it was sealed.
    pub created_at: WallTime,
}

/// Why something sealed does not open. Nothing of it may be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenFault {
    /// It was sealed with a key of another name.
    #[error("this was sealed with key {sealed_with:?} and not with {ours:?}; use that key")]
    OtherKey {
        /// The name of the key that it was sealed with.
        sealed_with: Box<str>,
        /// The name of the key that was to open it.
        ours: Box<str>,
    },
    /// It was damaged or changed, or another key has the same name.
    #[error("the seal is broken: the bytes were changed, or the key is another one of the same name")]
    Broken,
}

impl SealingKey {
    /// A key from its name and its 32 bytes in base64.
    ///
    /// # Errors
    ///
    /// When the text is anything else.
    pub fn from_base64(id: &str, key: &Secret) -> Result<Self, SealingKeyFault> {
        let bytes = BASE64
            .decode(key.expose().trim().as_bytes())
            .map_err(|_| SealingKeyFault)?;
        let bytes: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| SealingKeyFault)?;
        Ok(Self {
            id: id.into(),
            cipher: Aes256Gcm::new(&bytes.into()),
        })
    }

    /// The key's name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals `plain`. No nonce may be used twice with one key: draw it at random.
    #[must_use]
    pub fn seal(&self, plain: &[u8], nonce: [u8; NONCE_BYTES], created_at: WallTime) -> Sealed {
        let aad = associated_data(&self.id, created_at);
        let payload = Payload { msg: plain, aad: &aad };
        let ciphertext = self
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .expect("a message of less than 64 GiB can be sealed");
        Sealed {
            key_id: self.id.clone(),
            ciphertext,
            nonce,
            created_at,
        }
    }

    /// What was sealed.
    ///
    /// # Errors
    ///
    /// When this key did not seal exactly these bytes.
    pub fn open(&self, sealed: &Sealed) -> Result<Vec<u8>, OpenFault> {
        if sealed.key_id != self.id {
            return Err(OpenFault::OtherKey {
                sealed_with: sealed.key_id.clone(),
                ours: self.id.clone(),
            });
        }
        let aad = associated_data(&self.id, sealed.created_at);
        let payload = Payload {
            msg: &sealed.ciphertext,
            aad: &aad,
        };
        self.cipher
            .decrypt(&Nonce::from(sealed.nonce), payload)
            .map_err(|_| OpenFault::Broken)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What is not sealed and still checked.
fn associated_data(key_id: &str, created_at: WallTime) -> Vec<u8> {
    let secs = (created_at.unix_nanos / NANOS_PER_SEC) as i64;
    let nanos = (created_at.unix_nanos % NANOS_PER_SEC) as u32;
    [
        &(key_id.len() as u64).to_be_bytes()[..],
        key_id.as_bytes(),
        &secs.to_be_bytes(),
        &nanos.to_be_bytes(),
    ]
    .concat()
}

fn as_base64<S: Serializer>(bytes: &(impl AsRef<[u8]> + ?Sized), serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(bytes.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; NONCE_BYTES] = [9; NONCE_BYTES];
    const THEN: WallTime = WallTime {
        unix_nanos: 1_800_000_000_123_456_789,
    };

    fn key_of(byte: u8, id: &str) -> SealingKey {
        SealingKey::from_base64(id, &Secret::new(BASE64.encode(&[byte; KEY_BYTES]))).expect("a key")
    }

    #[test]
    fn what_was_sealed_opens_with_its_key_alone() {
        let key = key_of(1, "2026-a");
        let sealed = key.seal(b"a token", NONCE, THEN);
        assert_eq!(key.open(&sealed).as_deref(), Ok(&b"a token"[..]));
        assert!(!sealed.ciphertext.windows(5).any(|bytes| bytes == b"token"));
        assert_eq!(key_of(2, "2026-a").open(&sealed), Err(OpenFault::Broken));
        assert!(matches!(
            key_of(1, "2026-b").open(&sealed),
            Err(OpenFault::OtherKey { .. })
        ));
    }

    #[test]
    fn a_change_anywhere_breaks_the_seal() {
        let key = key_of(1, "k");
        let sealed = key.seal(b"a token", NONCE, THEN);
        for at in 0..sealed.ciphertext.len() {
            let mut changed = sealed.clone();
            changed.ciphertext[at] ^= 1;
            assert_eq!(key.open(&changed), Err(OpenFault::Broken), "byte {at}");
        }
        for length in 0..sealed.ciphertext.len() {
            let mut cut = sealed.clone();
            cut.ciphertext.truncate(length);
            assert_eq!(key.open(&cut), Err(OpenFault::Broken), "cut at {length}");
        }
        let mut changed = sealed.clone();
        changed.nonce[0] ^= 1;
        assert_eq!(key.open(&changed), Err(OpenFault::Broken));
        let mut changed = sealed;
        changed.created_at.unix_nanos += 1;
        assert_eq!(key.open(&changed), Err(OpenFault::Broken));
    }

    #[test]
    fn keys_of_another_length_are_refused_and_keys_are_not_printed() {
        for bytes in [0, 16, 31, 33] {
            let key = Secret::new(BASE64.encode(&vec![1; bytes]));
            assert!(SealingKey::from_base64("k", &key).is_err(), "{bytes}");
        }
        assert_eq!(format!("{:?}", key_of(1, "k")), "SealingKey { id: \"k\", .. }");
    }

    #[test]
    fn the_envelope_is_written_in_base64_and_rfc_3339() {
        let sealed = key_of(1, "k").seal(b"", NONCE, THEN);
        let written = serde_json::to_value(&sealed).expect("serialisable");
        assert_eq!(written["key_id"], "k");
        assert_eq!(written["nonce"], "CQkJCQkJCQkJCQkJ");
        assert_eq!(written["created_at"], "2027-01-15T08:00:00.123456789Z");
        assert_eq!(written["ciphertext"], BASE64.encode(&sealed.ciphertext));
    }

    /// Test case 14 of the GCM specification: an empty associated text aside, this is AES-256-GCM and nothing else.
    #[test]
    fn the_cipher_is_aes_256_gcm() {
        let cipher = Aes256Gcm::new(&[0; KEY_BYTES].into());
        let sealed = cipher
            .encrypt(&Nonce::from([0; NONCE_BYTES]), &[0; 16][..])
            .expect("sealed");
        let known = "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919";
        assert_eq!(data_encoding::HEXLOWER.encode(&sealed), known);
    }
}
