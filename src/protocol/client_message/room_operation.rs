//! v3 room operations: a room request under an id that its answer repeats.

use std::fmt;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::envelope::{self, Data, Envelope};
use super::malformed::MalformedMessage;
use super::{JoinAsSpectator, JoinRoom, Reconnect};
use crate::protocol::ids::PlayerId;
use crate::protocol::json::Scanner;
use crate::protocol::secret::Secret;

/// A client's id for one operation. Read in the lower-case hyphenated form only; ids are not remembered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct OperationId([u8; 16]);

impl OperationId {
    /// Reads the lower-case hyphenated form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let uuid = Uuid::try_parse(text).ok()?;
        let id = Self(*uuid.as_bytes());
        (id.encode(&mut [0; 36]) == text).then_some(id)
    }

    /// Writes the 36 characters of the id into `buffer`.
    pub fn encode<'b>(&self, buffer: &'b mut [u8; 36]) -> &'b str {
        Uuid::from_bytes(self.0).as_hyphenated().encode_lower(buffer)
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; 36]))
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperationId({self})")
    }
}

impl Serialize for OperationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; 36]))
    }
}

impl<'de> Deserialize<'de> for OperationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &"a lower-case hyphenated uuid"))
    }
}

/// A room request under an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomOperation {
    /// Repeated in the answer.
    pub operation_id: OperationId,
    /// What is asked for.
    pub request: RoomRequest,
}

/// What a room operation asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomRequest {
    /// As the plain message.
    JoinRoom(JoinRoom),
    /// As the plain message.
    LeaveRoom,
    /// As the plain message.
    Reconnect(Reconnect),
    /// As the plain message.
    JoinAsSpectator(JoinAsSpectator),
    /// As the plain message.
    LeaveSpectator,
    /// Removes a member.
    KickPlayer {
        /// The member.
        player_id: PlayerId,
    },
    /// Removes a member and keeps it out for the life of the room.
    BanPlayer {
        /// The member.
        player_id: PlayerId,
    },
    /// Lifts a ban.
    UnbanPlayer {
        /// The banned player.
        player_id: PlayerId,
    },
    /// Seals the room or opens it.
    SetRoomAccess {
        /// Absent or null opens the room.
        password: Option<Secret>,
    },
    /// Gives the room another code.
    RegenerateRoomCode,
    /// Hands authority over.
    TransferAuthority {
        /// The member that gets it.
        player_id: PlayerId,
    },
}

#[derive(Deserialize)]
pub(super) struct RawOperation<'a> {
    operation_id: OperationId,
    #[serde(borrow)]
    pub(super) operation: &'a RawValue,
}

#[derive(Deserialize)]
pub(super) struct Target {
    player_id: PlayerId,
}

#[derive(Deserialize)]
pub(super) struct Access {
    password: Option<Secret>,
}

impl RoomOperation {
    pub(super) fn read(data: Data<'_>) -> Result<Self, MalformedMessage> {
        let RawOperation {
            operation_id,
            operation,
        } = data.object()?;
        let Envelope { tag, data } = envelope::read(&mut Scanner::new(operation.get()))?;
        let target = || data.object::<Target>().map(|target| target.player_id);
        let request = match &*tag {
            "JoinRoom" => RoomRequest::JoinRoom(data.object()?),
            "LeaveRoom" => data.none(RoomRequest::LeaveRoom)?,
            "Reconnect" => RoomRequest::Reconnect(data.object()?),
            "JoinAsSpectator" => RoomRequest::JoinAsSpectator(data.object()?),
            "LeaveSpectator" => data.none(RoomRequest::LeaveSpectator)?,
            "KickPlayer" => RoomRequest::KickPlayer { player_id: target()? },
            "BanPlayer" => RoomRequest::BanPlayer { player_id: target()? },
            "UnbanPlayer" => RoomRequest::UnbanPlayer { player_id: target()? },
            "SetRoomAccess" => {
                let Access { password } = data.object()?;
                RoomRequest::SetRoomAccess { password }
            }
            "RegenerateRoomCode" => data.none(RoomRequest::RegenerateRoomCode)?,
            "TransferAuthority" => RoomRequest::TransferAuthority { player_id: target()? },
            _ => return Err(MalformedMessage),
        };
        Ok(Self { operation_id, request })
    }
}
