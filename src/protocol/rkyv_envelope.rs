//! Game data as an rkyv archive: this server's own envelope, for readers that ask for it.
//!
//! The protocol's envelope for `rkyv` game data is MessagePack: a reader has to decode it before it can use the archive inside
//! without decoding anything. This one is an archive itself, read where it lies. The payload comes first, so that an archive
//! in it is aligned as the buffer is.

use rkyv::rancor::{Error, Fallible};
use rkyv::ser::{Positional, Writer};
use rkyv::with::InlineAsBox;

use super::{PlayerId, Stamp};

/// What a reader gets. `rkyv::access::<ArchivedGameDataEnvelope, _>` reads it in place, in a buffer aligned to 8 bytes or
/// to whatever the payload's own archive demands.
#[derive(Debug, rkyv::Archive, rkyv::Serialize)]
pub struct GameDataEnvelope<'a> {
    /// The sender's id: the sixteen bytes of its uuid.
    pub from_player: [u8; 16],
    /// The message's number in the sender's stream.
    pub seq: u64,
    /// The sender's epoch.
    pub epoch: u32,
    /// The sender's frame, untouched.
    #[rkyv(with = InlineAsBox)]
    pub payload: &'a [u8],
}

/// Appends the archive of one message.
pub(super) fn write(out: &mut Vec<u8>, sender: PlayerId, stamp: Stamp, payload: &[u8]) {
    let envelope = GameDataEnvelope {
        from_player: *sender.as_bytes(),
        seq: stamp.seq,
        epoch: stamp.epoch,
        payload,
    };
    let start = out.len();
    rkyv::api::high::to_bytes_in::<_, Error>(&envelope, Tail { out, start })
        .expect("writing plain values to memory cannot fail");
}

/// The end of a buffer, as a place of its own: an archive's positions count from its first byte.
struct Tail<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl Positional for Tail<'_> {
    fn pos(&self) -> usize {
        self.out.len() - self.start
    }
}

impl<E> Writer<E> for Tail<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), E> {
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

impl Fallible for Tail<'_> {
    type Error = Error;
}

#[cfg(test)]
mod tests {
    use rkyv::util::AlignedVec;

    use super::*;

    #[test]
    fn it_is_read_in_place_wherever_it_was_written() {
        for payload in [&b""[..], b"hello", &[7; 1000]] {
            for before in [0, 1, 10] {
                let mut out = vec![0xee; before];
                let stamp = Stamp { epoch: 3, seq: 41 };
                write(&mut out, PlayerId::from_bytes([0x11; 16]), stamp, payload);
                let mut aligned: AlignedVec = AlignedVec::new();
                aligned.extend_from_slice(&out[before..]);
                let read = rkyv::access::<ArchivedGameDataEnvelope<'_>, Error>(&aligned).expect("a valid archive");
                assert_eq!(read.from_player, [0x11; 16]);
                assert_eq!((read.seq.to_native(), read.epoch.to_native()), (41, 3));
                assert_eq!(&*read.payload, payload);
                assert!(aligned.starts_with(payload), "the payload comes first");
            }
        }
    }
}
