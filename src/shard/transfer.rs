//! A live connection on its way to another shard.

use super::ShardId;
use super::admission::ConnectionPermit;
use super::outbox::Outbox;
use crate::protocol::{ErrorCode, PlayerId, RoomCode, RoomId, Secret, ServerMessage};
use crate::session::Session;

/// Everything that a connection is, in one piece. Dropping it closes the connection: the link does that.
#[derive(Debug)]
#[must_use = "dropping a transfer closes the connection"]
pub struct Transfer<L> {
    /// How to reach the peer, with the bytes that arrived and are not yet served.
    pub link: L,
    pub(super) session: Session,
    pub(super) outbox: Outbox,
    /// The place in the process-wide count; `None` for a connection that is only told that there is none.
    pub(super) permit: Option<ConnectionPermit>,
    pub(super) last_inbound_ms: u64,
    /// Why it moves: what the new shard does first.
    pub(super) errand: Box<Errand>,
    /// Where it goes.
    pub(super) target: ShardId,
}

impl<L> Transfer<L> {
    /// Where the connection goes.
    #[must_use]
    pub const fn target(&self) -> ShardId {
        self.target
    }
}

/// A validated request that only the room's home can answer.
#[derive(Debug, Clone, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum Errand {
    /// To take a seat.
    Join(JoinErrand),
    /// To watch.
    Watch(WatchErrand),
    /// To take an old seat back.
    Return(ReturnErrand),
}

/// A validated `JoinRoom`.
#[derive(Debug, Clone, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct JoinErrand {
    pub(super) game_name: Box<str>,
    pub(super) player_name: Box<str>,
    /// `None`: create a room and draw its code.
    pub(super) room_code: Option<RoomCode>,
    pub(super) max_players: u8,
    pub(super) supports_authority: bool,
    pub(super) password: Option<Secret>,
    pub(super) join_only: bool,
}

/// A validated `JoinAsSpectator`.
#[derive(Debug, Clone, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct WatchErrand {
    pub(super) game_name: Box<str>,
    pub(super) room_code: RoomCode,
    pub(super) spectator_name: Box<str>,
    pub(super) password: Option<Secret>,
}

/// A validated `Reconnect`.
#[derive(Debug, Clone, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct ReturnErrand {
    pub(super) player: PlayerId,
    pub(super) room_id: RoomId,
    pub(super) token: Secret,
}

impl Errand {
    /// The answer to the request when it is refused.
    pub(super) const fn refusal<'a>(&self, reason: &'a str, error_code: ErrorCode) -> ServerMessage<'a> {
        match self {
            Self::Join(_) => ServerMessage::RoomJoinFailed { reason, error_code },
            Self::Watch(_) => ServerMessage::SpectatorJoinFailed { reason, error_code },
            Self::Return(_) => ServerMessage::ReconnectionFailed { reason, error_code },
        }
    }
}
