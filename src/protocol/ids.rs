//! Ids that clients see: random version-4 uuids, as newtypes so that one is never taken for another.
//!
//! A [`RoomId`] carries its room's slot in twelve of its random bits, so that a client that brings the id back is led to
//! the room's home without a directory. Nothing here draws randomness: the bytes are an argument.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Declares a uuid newtype: bytes inside, hyphenated lower case outside, any usual uuid spelling on the way in.
macro_rules! uuid_newtype {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord,
            rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
        )]
        pub struct $name([u8; 16]);

        impl $name {
            /// A version-4 id from sixteen random bytes.
            #[must_use]
            pub fn from_random(bytes: [u8; 16]) -> Self {
                Self(*uuid::Builder::from_random_bytes(bytes).as_uuid().as_bytes())
            }

            /// An id from its sixteen bytes as they are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The sixteen bytes, most significant first.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Writes the 36 characters of the hyphenated lower-case form into `buffer`.
            pub fn encode<'b>(&self, buffer: &'b mut [u8; 36]) -> &'b str {
                Uuid::from_bytes(self.0).as_hyphenated().encode_lower(buffer)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.encode(&mut [0; 36]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.encode(&mut [0; 36]))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Uuid::deserialize(deserializer).map(|uuid| Self(*uuid.as_bytes()))
            }
        }
    };
}

uuid_newtype! {
    /// A connection's identity in the protocol: player id while seated, spectator id while watching.
    PlayerId
}

uuid_newtype! {
    /// A room's identity, unrelated to its code. Its first twelve bits are the room's slot.
    RoomId
}

uuid_newtype! {
    /// A session plan's identity (v3), which signalling repeats as its `generation`.
    PlanId
}

impl RoomId {
    /// A version-4 id whose first twelve bits are `slot` (below 4,096) and whose other bits are random.
    #[must_use]
    pub fn in_slot(slot: u16, mut random: [u8; 16]) -> Self {
        debug_assert!(slot < 4096, "a slot has twelve bits");
        random[0] = (slot >> 4) as u8;
        random[1] = ((slot << 4) as u8 & 0xf0) | (random[1] & 0x0f);
        Self::from_random(random)
    }

    /// The slot that the id carries.
    #[must_use]
    pub fn slot(&self) -> u16 {
        (u16::from(self.0[0]) << 4) | (u16::from(self.0[1]) >> 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_id_is_a_valid_version_4_uuid_that_carries_its_slot() {
        for slot in [0, 1, 17, 2048, 4095] {
            let id = RoomId::in_slot(slot, [0xa7; 16]);
            assert_eq!(id.slot(), slot);
            let uuid = Uuid::from_bytes(*id.as_bytes());
            assert_eq!(uuid.get_version_num(), 4);
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        }
    }

    #[test]
    fn every_usual_spelling_is_read_and_one_is_written() {
        let expected = "\"5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11\"";
        for spelling in [
            "5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11",
            "5B1E7F0C-6A63-4D0E-9A55-0F7E2D6C9B11",
            "{5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11}",
            "urn:uuid:5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11",
            "5b1e7f0c6a634d0e9a550f7e2d6c9b11",
        ] {
            let id: PlayerId = serde_json::from_str(&format!("\"{spelling}\"")).expect(spelling);
            assert_eq!(serde_json::to_string(&id).expect("ids serialise"), expected);
        }
    }
}
