//! One direction of a connection after its handshake: a key, and how many records it has sealed or opened.
//!
//! Owns the key material in the form in which it can be archived, and the key schedule made of it. Promises that no nonce is
//! used twice: each record takes the next number, and a direction that reaches its last number says so instead. Both forms of
//! the key are overwritten when they are let go of. Must never show a key.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Range;

use ring::aead::{self, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::{ConnectionTrafficSecrets, ProtocolVersion};
use zeroize::Zeroize;

use super::fault::Fault;

/// A record's type, version and length.
pub(super) const HEADER_BYTES: usize = 5;

/// The most bytes of a message in one record: RFC 8446, section 5.1.
pub(super) const MAX_PLAIN_BYTES: usize = 16 * 1024;

/// What sealing adds at most: header, explicit nonce or type of the content, tag.
pub(super) const OVERHEAD_BYTES: usize = HEADER_BYTES + EXPLICIT_NONCE_BYTES + TAG_BYTES;

const TAG_BYTES: usize = 16;
const EXPLICIT_NONCE_BYTES: usize = 8;
const LONGEST_KEY_BYTES: usize = 32;

/// Records after which a key of AES-GCM is not used any more: RFC 8446, section 5.5, with half of it to spare.
const RECORDS_PER_AES_KEY: u64 = 1 << 23;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Alert = 21,
    Handshake = 22,
    Data = 23,
}

impl Content {
    const fn of(byte: u8) -> Option<Self> {
        match byte {
            21 => Some(Self::Alert),
            22 => Some(Self::Handshake),
            23 => Some(Self::Data),
            _ => None,
        }
    }
}

/// Which rules records follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) enum Version {
    /// TLS 1.2: RFC 5246, 5288 and 7905.
    V1_2,
    /// TLS 1.3: RFC 8446.
    V1_3,
}

impl Version {
    pub(super) const fn of(version: ProtocolVersion) -> Option<Self> {
        match version {
            ProtocolVersion::TLSv1_2 => Some(Self::V1_2),
            ProtocolVersion::TLSv1_3 => Some(Self::V1_3),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

/// Everything of a direction that must outlive a process. Whoever has it can read and forge what goes this way.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Material {
    version: Version,
    cipher: Cipher,
    key: [u8; LONGEST_KEY_BYTES],
    iv: [u8; NONCE_LEN],
    /// The number of the next record.
    next: u64,
}

impl Material {
    /// The material of a direction whose next record has this number. `None`: a cipher that is not offered.
    fn new(version: Version, next: u64, secrets: &ConnectionTrafficSecrets) -> Option<Self> {
        let (cipher, key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (Cipher::Aes128Gcm, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (Cipher::Aes256Gcm, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (Cipher::ChaCha20Poly1305, key, iv),
            _ => return None,
        };
        let (key, iv) = (key.as_ref(), iv.as_ref());
        let mut material = Self {
            version,
            cipher,
            key: [0; LONGEST_KEY_BYTES],
            iv: iv.try_into().ok()?,
            next,
        };
        material.key.get_mut(..key.len())?.copy_from_slice(key);
        Some(material)
    }

    fn schedule(&self) -> Schedule {
        let (algorithm, key_bytes) = match self.cipher {
            Cipher::Aes128Gcm => (&aead::AES_128_GCM, 16),
            Cipher::Aes256Gcm => (&aead::AES_256_GCM, 32),
            Cipher::ChaCha20Poly1305 => (&aead::CHACHA20_POLY1305, 32),
        };
        let key = UnboundKey::new(algorithm, &self.key[..key_bytes]).expect("the length is the cipher's");
        Schedule(Box::new(ManuallyDrop::new(LessSafeKey::new(key))))
    }

    /// Takes the number of the next record.
    fn take_number(&mut self) -> u64 {
        let number = self.next;
        self.next = number.checked_add(1).expect("a key is used up long before");
        number
    }

    /// The number, in the form of the last eight bytes of a nonce, hidden by the initial vector.
    fn nonce(&self, number: u64) -> [u8; NONCE_LEN] {
        let mut nonce = self.iv;
        for (byte, of_number) in nonce[NONCE_LEN - 8..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= of_number;
        }
        nonce
    }

    /// Whether every record carries a part of its nonce.
    const fn has_explicit_nonces(&self) -> bool {
        matches!(
            (self.version, self.cipher),
            (Version::V1_2, Cipher::Aes128Gcm | Cipher::Aes256Gcm)
        )
    }
}

impl Drop for Material {
    fn drop(&mut self) {
        self.key.zeroize();
        self.iv.zeroize();
    }
}

/// A key as the cipher works with it. The library does not overwrite it, so that is done here.
struct Schedule(Box<ManuallyDrop<LessSafeKey>>);

impl Drop for Schedule {
    fn drop(&mut self) {
        const {
            assert!(
                !std::mem::needs_drop::<LessSafeKey>(),
                "a key is plain bytes, so that they can be overwritten"
            )
        };
        let key: *mut ManuallyDrop<LessSafeKey> = &raw mut *self.0;
        // SAFETY: the box owns these bytes, they hold nothing that has to be dropped, and nobody reads them after this.
        unsafe { std::slice::from_raw_parts_mut(key.cast::<std::mem::MaybeUninit<u8>>(), size_of::<LessSafeKey>()) }
            .zeroize();
    }
}

/// One direction.
pub(super) struct Half {
    material: Material,
    schedule: Schedule,
}

impl Half {
    /// The direction that these secrets are for. `None`: a cipher that is not offered.
    pub(super) fn new(version: Version, (next, secrets): &(u64, ConnectionTrafficSecrets)) -> Option<Self> {
        Material::new(version, *next, secrets).map(Self::thaw)
    }

    /// Goes on with what came out of an archive.
    pub(super) fn thaw(material: Material) -> Self {
        Self {
            schedule: material.schedule(),
            material,
        }
    }

    /// What goes into an archive. The direction is over here: two who use the same numbers give the key away.
    pub(super) fn freeze(self) -> Material {
        self.material
    }

    pub(super) const fn version(&self) -> Version {
        self.material.version
    }

    /// Whether the key has sealed as many records as it may.
    pub(super) const fn is_used_up(&self) -> bool {
        match self.material.cipher {
            Cipher::Aes128Gcm | Cipher::Aes256Gcm => self.material.next >= RECORDS_PER_AES_KEY,
            Cipher::ChaCha20Poly1305 => false,
        }
    }

    /// As if all records but the last had been sealed or opened.
    #[cfg(test)]
    pub(super) const fn skip_to_the_last(&mut self) {
        self.material.next = RECORDS_PER_AES_KEY - 1;
    }

    /// Appends a record with at most [`MAX_PLAIN_BYTES`] to `out`.
    pub(super) fn seal(&mut self, content: Content, plain: &[u8], out: &mut Vec<u8>) {
        let number = self.material.take_number();
        let nonce = self.material.nonce(number);
        let start = out.len();
        let sealed_at = match self.material.version {
            Version::V1_3 => {
                out.extend_from_slice(&header(Content::Data as u8, plain.len() + 1 + TAG_BYTES));
                start + HEADER_BYTES
            }
            Version::V1_2 if self.material.has_explicit_nonces() => {
                let payload_bytes = EXPLICIT_NONCE_BYTES + plain.len() + TAG_BYTES;
                out.extend_from_slice(&header(content as u8, payload_bytes));
                out.extend_from_slice(&nonce[NONCE_LEN - EXPLICIT_NONCE_BYTES..]);
                start + HEADER_BYTES + EXPLICIT_NONCE_BYTES
            }
            Version::V1_2 => {
                out.extend_from_slice(&header(content as u8, plain.len() + TAG_BYTES));
                start + HEADER_BYTES
            }
        };
        out.extend_from_slice(plain);
        if self.material.version == Version::V1_3 {
            out.push(content as u8);
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        let key = &self.schedule.0;
        let tag = match self.material.version {
            Version::V1_3 => {
                let header = Aad::from(header(Content::Data as u8, plain.len() + 1 + TAG_BYTES));
                key.seal_in_place_separate_tag(nonce, header, &mut out[sealed_at..])
            }
            Version::V1_2 => {
                let signed = Aad::from(signed_of_v1_2(number, header(content as u8, plain.len())));
                key.seal_in_place_separate_tag(nonce, signed, &mut out[sealed_at..])
            }
        };
        let tag = tag.expect("a record is far shorter than what a cipher takes");
        out.extend_from_slice(tag.as_ref());
    }

    /// Opens a whole record where it lies. Returns what it holds, and where.
    ///
    /// # Errors
    ///
    /// When it is no record of the peer's, or not the next one.
    pub(super) fn open(&mut self, record: &mut [u8]) -> Result<(Content, Range<usize>), Fault> {
        let number = self.material.take_number();
        let key = &self.schedule.0;
        match self.material.version {
            Version::V1_3 => {
                let (head, sealed) = record.split_at_mut(HEADER_BYTES);
                if head[0] != Content::Data as u8 {
                    return Err(Fault::Unexpected);
                }
                let header: [u8; HEADER_BYTES] = (&*head).try_into().expect("split there");
                let nonce = Nonce::assume_unique_for_key(self.material.nonce(number));
                let inner = key
                    .open_in_place(nonce, Aad::from(header), sealed)
                    .map_err(|_| Fault::NotAuthentic)?;
                let last = inner.iter().rposition(|byte| *byte != 0).ok_or(Fault::Unexpected)?;
                let content = Content::of(inner[last]).ok_or(Fault::Unexpected)?;
                Ok((content, checked(HEADER_BYTES, last)?))
            }
            Version::V1_2 => {
                let content = Content::of(record[0]).ok_or(Fault::Unexpected)?;
                let has_explicit_nonces = self.material.has_explicit_nonces();
                let at = HEADER_BYTES + if has_explicit_nonces { EXPLICIT_NONCE_BYTES } else { 0 };
                let plain_bytes = record.len().checked_sub(at + TAG_BYTES).ok_or(Fault::NotAuthentic)?;
                let mut nonce = self.material.nonce(number);
                if has_explicit_nonces {
                    nonce[..NONCE_LEN - EXPLICIT_NONCE_BYTES]
                        .copy_from_slice(&self.material.iv[..NONCE_LEN - EXPLICIT_NONCE_BYTES]);
                    nonce[NONCE_LEN - EXPLICIT_NONCE_BYTES..].copy_from_slice(&record[HEADER_BYTES..at]);
                }
                let [high, low] = (plain_bytes as u16).to_be_bytes();
                let signed = Aad::from(signed_of_v1_2(number, [record[0], record[1], record[2], high, low]));
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.open_in_place(nonce, signed, &mut record[at..])
                    .map_err(|_| Fault::NotAuthentic)?;
                Ok((content, checked(at, plain_bytes)?))
            }
        }
    }
}

/// Only its measure is shown.
impl fmt::Debug for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Half")
            .field("version", &self.material.version)
            .field("cipher", &self.material.cipher)
            .field("next", &self.material.next)
            .finish_non_exhaustive()
    }
}

fn checked(at: usize, plain_bytes: usize) -> Result<Range<usize>, Fault> {
    if plain_bytes > MAX_PLAIN_BYTES {
        return Err(Fault::TooLong);
    }
    Ok(at..at + plain_bytes)
}

const fn header(content: u8, payload_bytes: usize) -> [u8; HEADER_BYTES] {
    let [high, low] = (payload_bytes as u16).to_be_bytes();
    [content, 3, 3, high, low]
}

/// What is signed beside a record of TLS 1.2: its number, and its header as it would be in the clear.
fn signed_of_v1_2(number: u64, header: [u8; HEADER_BYTES]) -> [u8; 13] {
    let mut signed = [0; 13];
    signed[..8].copy_from_slice(&number.to_be_bytes());
    signed[8..].copy_from_slice(&header);
    signed
}
