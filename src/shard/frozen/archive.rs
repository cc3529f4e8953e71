//! Frozen state as bytes, and back after a check of every byte.

use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize, rancor};

use crate::shard::frozen::{FrozenShard, FrozenWorld};

/// What every archive begins with.
const MAGIC: [u8; 8] = *b"SFRfrzn\0";

/// The layout of what follows. Another number for every change of an archived type: rkyv has no field names that would
/// tell an old archive from a new one.
const LAYOUT: u32 = 16;

/// Magic, layout, kind. As long as the strictest alignment of an archive, so that what follows keeps it.
const HEADER_BYTES: usize = 32;

/// What an archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Kind {
    World = 1,
    Shard = 2,
}

/// Why bytes were not read, or could not be made. Nothing was taken over: let the old process go on.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// They are something else.
    #[error("this is no archive of the expected kind; hand over whole archives, in the order in which they were made")]
    NotAnArchive,
    /// They come from a version with other types.
    #[error(
        "the archive has layout {found} and this version reads layout {expected}; restart instead of upgrading live"
    )]
    OtherLayout {
        /// The layout of the archive.
        found: u32,
        /// The layout of this version.
        expected: u32,
    },
    /// They are damaged.
    #[error("the archive is damaged: {0}")]
    Damaged(rancor::Error),
    /// They could not be made.
    #[error("the state could not be archived: {0}")]
    NotArchived(rancor::Error),
}

impl FrozenWorld {
    /// The archive, as bytes.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::NotArchived`].
    pub fn to_bytes(&self) -> Result<AlignedVec, ArchiveError> {
        write(Kind::World, self)
    }

    /// Reads an archive, however it is aligned.
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArchiveError> {
        read(Kind::World, bytes)
    }
}

impl<R: Archive> FrozenShard<R> {
    /// The archive, as bytes.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::NotArchived`].
    pub fn to_bytes(&self) -> Result<AlignedVec, ArchiveError>
    where
        Self: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>,
    {
        write(Kind::Shard, self)
    }

    /// Reads an archive, however it is aligned.
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArchiveError>
    where
        Self: Archive,
        <Self as Archive>::Archived:
            for<'a> CheckBytes<HighValidator<'a, rancor::Error>> + Deserialize<Self, HighDeserializer<rancor::Error>>,
    {
        read(Kind::Shard, bytes)
    }
}

/// The header in front of an archive. Its length is a multiple of an archive's alignment.
///
/// The length is there because rkyv finds the root from the end: the front part of an archive may by chance be another
/// valid one.
fn header(kind: Kind, body_bytes: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&LAYOUT.to_le_bytes());
    header[12..16].copy_from_slice(&(kind as u32).to_le_bytes());
    header[16..24].copy_from_slice(&body_bytes.to_le_bytes());
    header
}

fn write<T>(kind: Kind, value: &T) -> Result<AlignedVec, ArchiveError>
where
    T: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>,
{
    let mut bytes = AlignedVec::new();
    bytes.extend_from_slice(&[0; HEADER_BYTES]);
    let mut bytes = rkyv::api::high::to_bytes_in(value, bytes).map_err(ArchiveError::NotArchived)?;
    let body_bytes = (bytes.len() - HEADER_BYTES) as u64;
    bytes[..HEADER_BYTES].copy_from_slice(&header(kind, body_bytes));
    Ok(bytes)
}

fn read<T>(kind: Kind, bytes: &[u8]) -> Result<T, ArchiveError>
where
    T: Archive,
    T::Archived: for<'a> CheckBytes<HighValidator<'a, rancor::Error>> + Deserialize<T, HighDeserializer<rancor::Error>>,
{
    let (found, body) = bytes
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or(ArchiveError::NotAnArchive)?;
    let expected = header(kind, body.len() as u64);
    if found[..8] != expected[..8] {
        return Err(ArchiveError::NotAnArchive);
    }
    if found[8..12] != expected[8..12] {
        let layout = found[8..12].try_into().expect("four bytes");
        return Err(ArchiveError::OtherLayout {
            found: u32::from_le_bytes(layout),
            expected: LAYOUT,
        });
    }
    if found[12..] != expected[12..] {
        return Err(ArchiveError::NotAnArchive);
    }
    let mut aligned = AlignedVec::<16>::with_capacity(body.len());
    aligned.extend_from_slice(body);
    rkyv::from_bytes(&aligned).map_err(ArchiveError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::SlotKey;
    use crate::shard::admission::FrozenHandshakes;

    fn world() -> FrozenWorld {
        FrozenWorld {
            slot_key: SlotKey::new([7; 16]),
            handshakes: FrozenHandshakes::default(),
        }
    }

    #[test]
    fn bytes_are_read_at_any_alignment_and_refused_at_any_cut() {
        let bytes = world().to_bytes().expect("archived");
        for shift in 0..4 {
            let shifted: Vec<u8> = std::iter::repeat_n(0, shift).chain(bytes.iter().copied()).collect();
            assert!(FrozenWorld::from_bytes(&shifted[shift..]).is_ok());
        }
        for end in 0..bytes.len() {
            assert!(FrozenWorld::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn other_kinds_and_other_layouts_are_told_apart() {
        let mut bytes = world().to_bytes().expect("archived");
        let as_shard = FrozenShard::<u32>::from_bytes(&bytes);
        assert!(matches!(as_shard, Err(ArchiveError::NotAnArchive)));
        bytes[8] += 1;
        let newer = FrozenWorld::from_bytes(&bytes);
        assert!(matches!(newer, Err(ArchiveError::OtherLayout { found, .. }) if found == LAYOUT + 1));
    }

    #[test]
    fn the_slot_key_is_never_printed() {
        let printed = format!("{:?}", world());
        assert!(printed.contains("[redacted]") && !printed.contains("7, 7"), "{printed}");
    }
}
