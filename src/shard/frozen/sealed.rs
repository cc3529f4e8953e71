//! Archives that leave the machine's memory: a disk, a network, a backup. They hold passwords, tokens and keys.

use thiserror::Error;

use crate::auth::sealing::{NONCE_BYTES, OpenFault, Sealed, SealingKey};
use crate::protocol::WallTime;

/// What every sealed archive begins with.
const MAGIC: [u8; 8] = *b"SFRseal\0";

/// The layout of what follows: the length of the key's name, when it was sealed, the nonce, the name, the rest.
const LAYOUT: u32 = 1;

/// Magic, layout, length of the name, moment, nonce.
const HEADER_BYTES: usize = 8 + 4 + 4 + 8 + NONCE_BYTES;

/// An archive of [`FrozenShard::to_bytes`](super::FrozenShard::to_bytes) or
/// [`FrozenWorld::to_bytes`](super::FrozenWorld::to_bytes), sealed. Only this may be written to a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedArchive(Vec<u8>);

/// Why sealed bytes were not opened. Nothing was taken over.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnsealError {
    /// They are something else, or cut.
    #[error("this is no sealed archive; give the file that was written, whole")]
    NotSealed,
    /// Another version wrote them.
    #[error(
        "the sealed archive has layout {found} and this version reads layout {LAYOUT}; read it with the version that wrote it"
    )]
    OtherLayout {
        /// The layout of the bytes.
        found: u32,
    },
    /// The key does not open them.
    #[error(transparent)]
    Fault(#[from] OpenFault),
}

impl SealedArchive {
    /// Seals an archive. No nonce may be used twice with one key: draw it at random.
    #[must_use]
    pub fn seal(archive: &[u8], key: &SealingKey, nonce: [u8; NONCE_BYTES], now: WallTime) -> Self {
        let sealed = key.seal(archive, nonce, now);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + sealed.key_id.len() + sealed.ciphertext.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&LAYOUT.to_le_bytes());
        bytes.extend_from_slice(&(sealed.key_id.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&sealed.created_at.unix_nanos.to_le_bytes());
        bytes.extend_from_slice(&sealed.nonce);
        bytes.extend_from_slice(sealed.key_id.as_bytes());
        bytes.extend_from_slice(&sealed.ciphertext);
        Self(bytes)
    }

    /// What may be written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The archive in `bytes`.
    ///
    /// # Errors
    ///
    /// When they are no sealed archive, were changed, or were sealed with another key.
    pub fn open(bytes: &[u8], key: &SealingKey) -> Result<Vec<u8>, UnsealError> {
        let sealed = read(bytes)?;
        Ok(key.open(&sealed)?)
    }
}

fn read(bytes: &[u8]) -> Result<Sealed, UnsealError> {
    let mut rest = bytes;
    if take(&mut rest)? != MAGIC {
        return Err(UnsealError::NotSealed);
    }
    let found = u32::from_le_bytes(take(&mut rest)?);
    if found != LAYOUT {
        return Err(UnsealError::OtherLayout { found });
    }
    let id_bytes = u32::from_le_bytes(take(&mut rest)?) as usize;
    let unix_nanos = u64::from_le_bytes(take(&mut rest)?);
    let nonce = take(&mut rest)?;
    let (id, ciphertext) = rest.split_at_checked(id_bytes).ok_or(UnsealError::NotSealed)?;
    Ok(Sealed {
        key_id: std::str::from_utf8(id).map_err(|_| UnsealError::NotSealed)?.into(),
        ciphertext: ciphertext.to_vec(),
        nonce,
        created_at: WallTime { unix_nanos },
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], UnsealError> {
    let (taken, after) = rest.split_first_chunk().ok_or(UnsealError::NotSealed)?;
    *rest = after;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Secret;
    use crate::shard::admission::FrozenHandshakes;
    use crate::shard::{FrozenWorld, SlotKey};

    const NOW: WallTime = WallTime { unix_nanos: 5 };

    fn key(id: &str, text: &str) -> SealingKey {
        SealingKey::from_base64(id, &Secret::new(text)).expect("a key")
    }

    fn good_key() -> SealingKey {
        key("k", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    }

    fn archive() -> Vec<u8> {
        let world = FrozenWorld {
            slot_key: SlotKey::new([7; 16]),
            handshakes: FrozenHandshakes::default(),
        };
        world.to_bytes().expect("archived").to_vec()
    }

    #[test]
    fn an_archive_comes_back_and_shows_nothing_meanwhile() {
        let sealed = SealedArchive::seal(&archive(), &good_key(), [1; NONCE_BYTES], NOW);
        assert!(!sealed.as_bytes().windows(16).any(|bytes| bytes == [7; 16]));
        let opened = SealedArchive::open(sealed.as_bytes(), &good_key()).expect("the same key");
        assert_eq!(opened, archive());
        assert!(FrozenWorld::from_bytes(&opened).is_ok());
    }

    #[test]
    fn another_key_opens_nothing() {
        let sealed = SealedArchive::seal(&archive(), &good_key(), [1; NONCE_BYTES], NOW);
        let same_name = key("k", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        let broken = SealedArchive::open(sealed.as_bytes(), &same_name);
        assert_eq!(broken, Err(UnsealError::Fault(OpenFault::Broken)));
        let other_name = key("l", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        let refused = SealedArchive::open(sealed.as_bytes(), &other_name);
        assert!(matches!(refused, Err(UnsealError::Fault(OpenFault::OtherKey { .. }))));
    }

    #[test]
    fn damage_anywhere_is_noticed() {
        let sealed = SealedArchive::seal(&archive(), &good_key(), [1; NONCE_BYTES], NOW);
        let whole = sealed.as_bytes();
        for at in 0..whole.len() {
            let mut damaged = whole.to_vec();
            damaged[at] ^= 0x80;
            assert!(SealedArchive::open(&damaged, &good_key()).is_err(), "byte {at}");
            assert!(SealedArchive::open(&whole[..at], &good_key()).is_err(), "cut at {at}");
        }
        let mut newer = whole.to_vec();
        newer[8] += 1;
        assert_eq!(
            SealedArchive::open(&newer, &good_key()),
            Err(UnsealError::OtherLayout { found: LAYOUT + 1 })
        );
    }
}
